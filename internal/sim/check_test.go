package sim

import (
	"strings"
	"testing"

	"vrnode/vr"
	"vrnode/wire"
)

// A step is a state that is fed to the checkers by hand.
type step struct {
	of      *subject
	status  wire.Status
	view    wire.ViewNumber
	normal  wire.ViewNumber // last normal view
	log     []mark
	commit  wire.OpNumber
	applied []application
	jump    wire.OpNumber // to the op that a state is said to be of
	knows   []wire.Member
	sent    []wire.Message
	events  []vr.Event
}

// entries makes a log: each letter is an op, and equal prefixes make equal chains. Capitals are of
// view 0, other letters of view 1.
func entries(text string) []mark {
	var log []mark
	chain := wire.Chain(17)
	for _, letter := range text {
		chain = chain*31 + wire.Chain(letter)
		view := wire.ViewNumber(0)
		if letter >= 'a' {
			view = 1
		}
		log = append(log, mark{view: view, chain: chain})
	}
	return log
}

// group returns a record of three operational members in view 0.
func group() (*record, [3]*subject) {
	r := newRecord(3)
	var members [3]*subject
	for i := range members {
		s := &subject{id: wire.Peer(i + 1)}
		s.now = vr.Status{Self: s.id, Incarnation: 1, Primary: 1, Status: wire.StatusNormal}
		for j := range members {
			s.now.CrashVector = append(s.now.CrashVector, wire.Member{ID: wire.Peer(j + 1), Incarnation: 1})
		}
		members[i], r.members[i] = s, s
	}
	r.views[0].by = members[0]
	return r, members
}

// play makes one step of a subject and returns what the checkers say.
func (r *record) play(p step) *Violation {
	s := p.of
	s.before = s.now
	s.now.Status, s.now.View, s.now.LastNormal, s.now.Commit = p.status, p.view, p.normal, p.commit
	s.now.Primary = wire.Peer(p.view%3) + 1
	s.now.Op = wire.OpNumber(len(p.log))
	if p.knows != nil {
		s.now.CrashVector = p.knows
	}
	s.changed = 0
	for i := range max(len(p.log), len(s.log)) {
		if i >= len(p.log) || i >= len(s.log) || p.log[i] != s.log[i] {
			s.changed = wire.OpNumber(i + 1)
			break
		}
	}
	s.log, s.applied, s.events, s.sent = p.log, p.applied, p.events, nil
	for _, a := range p.applied {
		s.now.Applied, s.digest = max(s.now.Applied, a.op), a.digest
	}
	s.now.Applied = max(s.now.Applied, p.jump)
	for _, m := range p.sent {
		h := wire.Header{View: p.view, From: s.id, Incarnation: s.now.Incarnation}
		s.sent = append(s.sent, wire.Envelope{Header: h, Message: m})
	}
	return r.look(s)
}

const (
	normal     = wire.StatusNormal
	viewChange = wire.StatusViewChange
	recovering = wire.StatusRecovering
)

// Each history breaks one promise with its last step, and no promise before that.
func TestCheckersSeeViolations(t *testing.T) {
	effect := func(op wire.OpNumber, request wire.RequestNumber, digest uint64) []application {
		return []application{{op: op, request: requestKey{client: 9, session: 1, request: request}, digest: digest}}
	}
	for _, c := range []struct {
		want string
		make func(r *record, m [3]*subject) []step
	}{
		{"I1 agreement", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[0], status: normal, log: entries("AB")},
				{of: m[1], status: normal, log: entries("AB")},
				{of: m[0], status: normal, log: entries("AB"), commit: 2},
				{of: m[2], status: viewChange, view: 1, log: entries("Ab"), commit: 2},
			}
		}},
		{"I2 log matching", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[0], status: normal, log: entries("AB")},
				{of: m[1], status: normal, log: entries("C")},
			}
		}},
		{"I3 leader completeness", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[0], status: normal, log: entries("A")},
				{of: m[2], status: normal, log: entries("A")},
				{of: m[0], status: normal, log: entries("A"), commit: 1},
				{of: m[1], status: viewChange, view: 1},
				{of: m[1], status: normal, view: 1, normal: 1},
			}
		}},
		{"I3 leader completeness", func(_ *record, m [3]*subject) []step { // found at the commit
			return []step{
				{of: m[0], status: normal, log: entries("A")},
				{of: m[2], status: normal, log: entries("A")},
				{of: m[2], status: viewChange, view: 1, log: entries("A")},
				{of: m[1], status: viewChange, view: 1},
				{of: m[1], status: normal, view: 1, normal: 1},
				{of: m[0], status: normal, log: entries("A"), commit: 1},
			}
		}},
		{"I4 one start", func(r *record, m [3]*subject) []step {
			again := &subject{id: 2}
			r.members[1] = again
			return []step{
				{of: m[2], status: viewChange, view: 1},
				{of: m[0], status: viewChange, view: 1},
				{of: m[1], status: viewChange, view: 1},
				{of: m[1], status: normal, view: 1, normal: 1},
				{of: again, status: normal, view: 1, normal: 1, events: []vr.Event{{Kind: vr.EventRecovered}}},
			}
		}},
		{"I5 complete view", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[0], status: normal, log: entries("A")},
				{of: m[1], status: normal, log: entries("A")},
				{of: m[1], status: viewChange, view: 1, log: entries("A")},
				{of: m[2], status: viewChange, view: 1},
				{of: m[1], status: normal, view: 1, normal: 1, log: entries("A")},
				{of: m[2], status: normal, view: 1, normal: 1}, // without the initial log
			}
		}},
		{"I6 quorum knows ops", func(_ *record, m [3]*subject) []step {
			return []step{{of: m[0], status: normal, log: entries("A"), commit: 1}}
		}},
		{"I7 quorum knows view", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[1], status: viewChange, view: 1},
				{of: m[1], status: normal, view: 1, normal: 1},
			}
		}},
		{"I8 quorum knows incarnations", func(r *record, m [3]*subject) []step {
			again := &subject{id: 3, now: vr.Status{Self: 3, Incarnation: 2}}
			r.members[2] = again
			return []step{
				{of: again, status: recovering},
				{of: again, status: normal, events: []vr.Event{{Kind: vr.EventRecovered}}},
			}
		}},
		{"I9 promise", func(r *record, m [3]*subject) []step {
			again := &subject{id: 3, now: vr.Status{Self: 3, Incarnation: 2}}
			return []step{
				{of: m[2], status: viewChange, view: 1, sent: []wire.Message{&wire.DoViewChange{}}},
				{of: m[1], status: viewChange, view: 1},
				{of: m[1], status: normal, view: 1, normal: 1},
				{of: again, status: normal, events: []vr.Event{{Kind: vr.EventRecovered}}},
			}
		}},
		{"I10 own acknowledgements", func(r *record, m [3]*subject) []step {
			again := &subject{id: 3, now: vr.Status{Self: 3, Incarnation: 2}}
			return []step{
				{of: m[0], status: normal, log: entries("A")},
				{of: m[2], status: normal, log: entries("A"), sent: []wire.Message{&wire.PrepareOK{Op: 1}}},
				{of: again, status: normal, events: []vr.Event{{Kind: vr.EventRecovered}}},
			}
		}},
		{"I11 monotone", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[1], status: viewChange, view: 2},
				{of: m[1], status: viewChange, view: 1},
			}
		}},
		{"I11 monotone", func(_ *record, m [3]*subject) []step {
			return []step{{of: m[1], status: normal, knows: []wire.Member{{ID: 1, Incarnation: 1}}}}
		}},
		{"I11 monotone", func(_ *record, m [3]*subject) []step {
			return []step{{of: m[1], status: wire.StatusHalted, events: []vr.Event{{Kind: vr.EventHalted, Reason: vr.Diverged}}}}
		}},
		{"I12 frozen", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[0], status: normal, log: entries("A")},
				{of: m[1], status: viewChange, view: 1},
				{of: m[1], status: viewChange, view: 1, log: entries("A")},
			}
		}},
		{"I12 frozen", func(_ *record, m [3]*subject) []step {
			return []step{
				{of: m[2], status: viewChange, view: 1, sent: []wire.Message{&wire.DoViewChange{Op: 1}}},
				{of: m[2], status: viewChange, view: 1, sent: []wire.Message{&wire.DoViewChange{Op: 2}}},
			}
		}},
		{"I12 frozen", func(_ *record, m [3]*subject) []step { // section 5.2 of the paper: cut back on the way
			return []step{
				{of: m[0], status: normal, log: entries("A")},
				{of: m[1], status: normal, log: entries("A")},
				{of: m[1], status: viewChange, view: 1},
			}
		}},
		{"I11 monotone", func(_ *record, m [3]*subject) []step { // a zombie may find out what it is, and no more
			m[1].zombie = true
			return []step{{of: m[1], status: wire.StatusHalted, events: []vr.Event{{Kind: vr.EventHalted, Reason: vr.Diverged}}}}
		}},
		{"I11 monotone", func(_ *record, m [3]*subject) []step { // it is no sign of a later run that somebody says so
			return []step{
				{of: m[0], status: normal, knows: []wire.Member{{ID: 1, Incarnation: 1}, {ID: 2, Incarnation: 5}, {ID: 3, Incarnation: 1}}},
				{of: m[1], status: wire.StatusHalted, events: []vr.Event{{Kind: vr.EventHalted, Reason: vr.Fenced}}},
				{of: m[2], status: wire.StatusHalted, events: []vr.Event{{Kind: vr.EventHalted, Reason: vr.Fenced}}},
			}
		}},
		{"I11 monotone", func(r *record, m [3]*subject) []step { // one run came to nothing, another was listed
			new := &subject{id: 3}
			r.formed = []wire.Member{{ID: 2, Incarnation: 4}, {ID: 3}}
			return []step{{of: new, status: normal, knows: []wire.Member{{ID: 2, Incarnation: 6}}, events: []vr.Event{{Kind: vr.EventFormed}}}}
		}},
		{"I13 silence", func(_ *record, m [3]*subject) []step { // not even to a run that is over
			new := &subject{id: 3}
			return []step{{of: new, status: recovering, sent: []wire.Message{&wire.StaleIncarnation{}}}}
		}},
		{"I13 silence", func(_ *record, m [3]*subject) []step {
			new := &subject{id: 3}
			return []step{{of: new, status: recovering, sent: []wire.Message{&wire.JoinView{}}}}
		}},
		{"I14 exactly once", func(_ *record, m [3]*subject) []step {
			log := entries("ABC")
			return []step{
				{of: m[0], status: normal, log: log},
				{of: m[1], status: normal, log: log},
				{of: m[0], status: normal, log: log, commit: 3, applied: effect(2, 1, 5)},
				{of: m[0], status: normal, log: log, commit: 3, applied: effect(3, 1, 6)},
			}
		}},
		{"I14 exactly once", func(_ *record, m [3]*subject) []step { // I16: another state
			log := entries("AB")
			return []step{
				{of: m[0], status: normal, log: log},
				{of: m[1], status: normal, log: log},
				{of: m[0], status: normal, log: log, commit: 2, applied: effect(2, 1, 5)},
				{of: m[1], status: normal, log: log, commit: 2, applied: effect(2, 1, 6)},
			}
		}},
		{"I14 exactly once", func(_ *record, m [3]*subject) []step {
			var results wire.Results
			return []step{{of: m[0], status: normal, sent: []wire.Message{
				&wire.Reply{Client: 9, Session: 1, First: 1, Results: results.Append(wire.OutcomeDone, []byte("never"))},
			}}}
		}},
		{"I16 state", func(_ *record, m [3]*subject) []step { // the log without its beginning, and no state for it
			log := entries("AB")
			return []step{
				{of: m[0], status: normal, log: log},
				{of: m[1], status: normal, log: log},
				{of: m[0], status: normal, log: log, commit: 2, applied: effect(2, 1, 5)},
				{of: m[2], status: normal, log: log, commit: 2, jump: 2},
			}
		}},
		{"I18 birth", func(_ *record, m [3]*subject) []step {
			new := &subject{id: 3}
			return []step{{of: new, status: recovering}, {of: new, status: normal}}
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			r, members := group()
			steps := c.make(r, members)
			for i, p := range steps {
				v := r.play(p)
				switch last := i == len(steps)-1; {
				case !last && v != nil:
					t.Fatalf("step %d breaks a promise already: %v", i, v)
				case last && v == nil:
					t.Fatal("the violation was not seen")
				case last && !strings.HasPrefix(v.Name, c.want):
					t.Fatalf("seen as %v", v)
				}
			}
		})
	}
}

// When two runs of a replica have voted for a view, the later one may be the one that counted, and a run between
// them has promised nothing: it may still be going on elsewhere, in an earlier view.
func TestPromiseIsThatOfTheLatestRun(t *testing.T) {
	r := record{q: 2, promised: map[wire.Peer]promise{}, voted: map[wire.ViewNumber][]vote{}}
	r.vote(1, vote{by: 3, incarnation: 10})
	r.vote(1, vote{by: 3, incarnation: 30})
	r.vote(1, vote{by: 3, incarnation: 20})
	s := &subject{id: 2}
	s.now.View, s.now.Incarnation = 1, 5
	r.promise(s)
	if p := r.promised[3]; p != (promise{view: 1, incarnation: 30}) {
		t.Errorf("replica 3 has promised %+v", p)
	}
}
