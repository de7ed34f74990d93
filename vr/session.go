package vr

import (
	"cmp"
	"slices"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// sessions is the client-table: replicated state, changed only by executing ops, and therefore
// equal on all replicas that have executed the same ops. At most sessionsMax are open; opening
// another evicts the one whose last op is oldest, which is the same one everywhere.
//
// A session has a seat, and the seats are in pages. A checkpoint refers to the pages as they are, and who
// changes a session in one of them copies that page before: a checkpoint of a full table takes no time, and
// the ops after it pay for no more than they change.
type sessions struct {
	seats  map[wire.Peer]int
	pages  []*page
	ring   []neighbours // by seat: a ring through all sessions in the order of their last ops
	oldest int          // where it begins
}

// pageSessions is how many sessions are copied together.
const pageSessions = 32

type page struct {
	sessions [pageSessions]session
	shared   bool // a checkpoint refers to it
}

// neighbours are the seats beside one in the ring.
type neighbours struct{ previous, next int }

// A session is what is kept of one client. Results are kept for the requests (forgotten, last].
type session struct {
	seat      int
	client    wire.Peer
	number    wire.SessionNumber
	touched   wire.OpNumber      // the last op of the client that changed the session
	last      wire.RequestNumber // highest request executed
	forgotten wire.RequestNumber // results up to this one are dropped
	results   []result           // a ring: the result of request s is at s modulo its length
	bytes     int                // of the results kept
	shared    bool               // a checkpoint refers to the ring, which must not change any more
}

// A result is what an op of a session gave.
type result struct {
	body []byte
	own  bool // no checkpoint refers to the memory of body
}

func newSessions() sessions { return sessions{seats: make(map[wire.Peer]int)} }

// at returns the session in a seat, to be read.
func (t *sessions) at(seat int) *session {
	return &t.pages[seat/pageSessions].sessions[seat%pageSessions]
}

// own returns the session in a seat, to be changed: in a page that no checkpoint refers to.
func (t *sessions) own(seat int) *session {
	p := t.pages[seat/pageSessions]
	if p.shared {
		p = &page{sessions: p.sessions}
		for i := range p.sessions {
			p.sessions[i].shared = true
		}
		t.pages[seat/pageSessions] = p
	}
	return &p.sessions[seat%pageSessions]
}

// of returns the session of a client, or nil. What is found may be read until the table changes.
func (t *sessions) of(client wire.Peer) *session {
	seat, ok := t.seats[client]
	if !ok {
		return nil
	}
	return t.at(seat)
}

// find returns the session of a client if it has the given number, or nil.
func (t *sessions) find(client wire.Peer, number wire.SessionNumber) *session {
	if s := t.of(client); s != nil && s.number == number {
		return s
	}
	return nil
}

// register executes a Register at op. A client that has a session keeps it, so that a repeated
// Register is harmless.
func (t *sessions) register(client wire.Peer, op wire.OpNumber) *session {
	if seat, ok := t.seats[client]; ok {
		s := t.own(seat)
		t.touch(s, op)
		return s
	}
	return t.add(&session{client: client, number: wire.SessionNumber(op), touched: op})
}

// add puts a session at the young end of the ring. Where there is no seat left, the idlest leaves.
func (t *sessions) add(s *session) *session {
	seat := len(t.ring)
	if seat == sessionsMax {
		seat = t.oldest
		delete(t.seats, t.at(seat).client)
		t.unlink(seat)
	} else {
		if seat%pageSessions == 0 {
			t.pages = append(t.pages, new(page))
		}
		t.ring = append(t.ring, neighbours{})
	}
	own := t.own(seat)
	*own = *s
	own.seat = seat
	t.seats[s.client] = seat
	t.link(seat)
	return own
}

// executeOn executes an op. A Register gives the number of a session; a command an outcome and a result, which is valid until
// the next one is executed.
func (t *sessions) executeOn(machine StateMachine, op wire.OpNumber, e *wire.Entry) (wire.SessionNumber, wire.Outcome, []byte) {
	switch e.Kind {
	case wire.EntryCheckpoint:
		return 0, 0, nil // it is taken when the op is executed
	case wire.EntryRegister:
		return t.register(e.Client, op).number, 0, nil
	}
	s, outcome := t.admit(e)
	var body []byte
	switch outcome {
	case wire.OutcomeDone:
		body = machine.Apply(uint64(op), e.Body)
		assert.That(len(body) <= wire.CommandMax, "a state machine's result is at most CommandMax bytes")
		t.finish(s, op, e.Acked, body)
	case wire.OutcomeTooOld:
		outcome, body = s.result(e.Request)
	}
	return e.Session, outcome, body
}

// admit says what executing request e means: OutcomeDone, and it must be executed now; or why
// not. VR Revisited, section 4.1: the client-table makes a repeated request harmless.
func (t *sessions) admit(e *wire.Entry) (*session, wire.Outcome) {
	s := t.find(e.Client, e.Session)
	switch {
	case s == nil:
		return nil, wire.OutcomeSessionExpired
	case e.Request <= s.last:
		return s, wire.OutcomeTooOld
	case e.Request > s.last+1:
		return s, wire.OutcomeGap
	}
	return s, wire.OutcomeDone
}

// finish records the result of the request after the last, which op was, and forgets what need not
// be kept: what the client has, what is beyond its window, and, oldest first, what is beyond the
// bytes.
func (t *sessions) finish(s *session, op wire.OpNumber, acked wire.RequestNumber, body []byte) {
	s = t.own(s.seat)
	s.unshare()
	s.last++
	if s.last > SessionWindow {
		acked = max(acked, s.last-SessionWindow)
	}
	s.forget(min(acked, s.last-1))
	s.makeRoom()
	slot := s.slot(s.last)
	if !slot.own {
		*slot = result{own: true}
	}
	slot.body = append(slot.body[:0], body...)
	s.bytes += len(body)
	for s.bytes > sessionBytes && s.forgotten < s.last-1 {
		s.forget(s.forgotten + 1)
	}
	t.touch(s, op)
}

func (s *session) slot(r wire.RequestNumber) *result {
	return &s.results[r%wire.RequestNumber(len(s.results))]
}

// unshare gives the session a ring of its own, if a checkpoint refers to the one it has. The results
// in it stay where they are: they are not written again.
func (s *session) unshare() {
	if !s.shared {
		return
	}
	own := *s
	own.shared, own.results = false, make([]result, len(s.results))
	for r := s.forgotten + 1; r <= s.last; r++ {
		own.slot(r).body = s.slot(r).body
	}
	*s = own
}

func (s *session) forget(upTo wire.RequestNumber) {
	for s.forgotten < upTo {
		s.forgotten++
		slot := s.slot(s.forgotten)
		s.bytes -= len(slot.body)
		if !slot.own || cap(slot.body) > slotKeep {
			*slot = result{}
		}
	}
}

// makeRoom doubles the ring if the results (forgotten, last] do not fit.
func (s *session) makeRoom() {
	need := int(s.last - s.forgotten)
	if need <= len(s.results) {
		return
	}
	grown := make([]result, max(16, 2*len(s.results)))
	for r := s.forgotten + 1; r < s.last; r++ {
		grown[r%wire.RequestNumber(len(grown))] = *s.slot(r)
	}
	s.results = grown
	assert.That(need <= len(s.results), "results are added one at a time")
}

// result returns the kept result of a request that was executed.
func (s *session) result(r wire.RequestNumber) (wire.Outcome, []byte) {
	if r <= s.forgotten {
		return wire.OutcomeTooOld, nil
	}
	return wire.OutcomeDone, s.slot(r).body
}

// touch moves s, which is changed already, to the young end of the ring.
func (t *sessions) touch(s *session, op wire.OpNumber) {
	s.touched = op
	t.unlink(s.seat)
	t.link(s.seat)
}

// link puts a seat at the young end of the ring, which is empty if that is the only one.
func (t *sessions) link(seat int) {
	if len(t.seats) == 1 {
		t.ring[seat], t.oldest = neighbours{seat, seat}, seat
		return
	}
	young := t.ring[t.oldest].previous
	t.ring[seat] = neighbours{young, t.oldest}
	t.ring[young].next, t.ring[t.oldest].previous = seat, seat
}

func (t *sessions) unlink(seat int) {
	at := t.ring[seat]
	t.ring[at.previous].next, t.ring[at.next].previous = at.next, at.previous
	if t.oldest == seat {
		t.oldest = at.next
	}
}

// A frozen is the table of a checkpoint.
type frozen struct {
	pages []*page
	count int
}

// freeze returns the table as it is, and nothing changes that any more.
func (t *sessions) freeze() frozen {
	for _, p := range t.pages {
		p.shared = true
	}
	return frozen{slices.Clone(t.pages), len(t.ring)}
}

// byClient returns the sessions in the order of their client-ids.
func (f *frozen) byClient() []*session {
	all := make([]*session, f.count)
	for seat := range all {
		all[seat] = &f.pages[seat/pageSessions].sessions[seat%pageSessions]
	}
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.client, b.client) })
	return all
}
