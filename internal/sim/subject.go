package sim

import (
	"vrnode/vr"
	"vrnode/wire"
)

// A subject is one process of a replica as the checkers see it: what it was and did before and
// after its last step. A restarted replica is another subject.
type subject struct {
	id wire.Peer
	// zombie: a later process of the same replica has been started.
	zombie bool
	// before and now are its states around the step; before is zero at its first.
	before, now vr.Status
	// log is its log after the step, from op 1: what it has forgotten is remembered here.
	log []mark
	// digest is that of its machine's state.
	digest uint64
	// changed is the lowest op that the step added, replaced or removed, or 0.
	changed wire.OpNumber
	// applied are the ops that the step executed with effect on the state machine.
	applied []application
	// sent and events are what else the step did.
	sent   []wire.Envelope
	events []vr.Event
}

// A mark is what the checkers need of a log entry: the view it was first proposed in, the chain that
// stands for it and everything before it, and, if it was seen in the log, the request that it is.
type mark struct {
	view    wire.ViewNumber
	chain   wire.Chain
	request requestKey
}

// A replica is what the checkers see of a vr.Replica.
type replica interface {
	Status() vr.Status
	Chain(wire.OpNumber) (wire.Chain, bool)
	Entry(wire.OpNumber) (wire.Entry, bool)
}

// observe takes in the state of r after a step. It looks only at what changed: since a chain
// stands for all ops before it, the logs agree below the highest op at which their chains do. Of a
// log that begins with a state it takes what is before that to be what was committed.
func (s *subject) observe(r replica, committed []commitment) {
	s.before, s.now = s.now, r.Status()
	base := int(s.now.LogBase)
	keep := min(len(s.log), int(s.now.Op))
	for keep > base && s.log[keep-1].chain != chainAt(r, keep) {
		keep--
	}
	s.changed = 0
	if keep < len(s.log) || keep < int(s.now.Op) {
		s.changed = wire.OpNumber(keep) + 1
	}
	s.log = s.log[:keep]
	if keep < base || keep == base && base > 0 && s.log[base-1].chain != chainAt(r, base) {
		keep = s.stateAt(base, chainAt(r, base), committed)
	}
	for op := keep + 1; op <= int(s.now.Op); op++ {
		e, _ := r.Entry(wire.OpNumber(op))
		s.log = append(s.log, mark{e.View, chainAt(r, op), requestKey{e.Client, e.Session, e.Request}})
	}
	for i := range s.applied {
		if a := &s.applied[i]; a.op <= wire.OpNumber(len(s.log)) {
			a.request = s.log[a.op-1].request
		}
	}
}

// stateAt makes the log begin with a state, and returns its length. The lowest op that differs from
// what was there has changed.
func (s *subject) stateAt(base int, chain wire.Chain, committed []commitment) int {
	known := make([]mark, base)
	for i := range min(base, len(committed)) {
		known[i] = mark{view: committed[i].proposed, chain: committed[i].chain}
	}
	known[base-1].chain = chain
	same := 0
	for same < len(s.log) && same < base && s.log[same].chain == known[same].chain {
		same++
	}
	if at := wire.OpNumber(same) + 1; s.changed == 0 || at < s.changed {
		s.changed = at
	}
	s.log = append(s.log[:same], known[same:]...)
	return base
}

func chainAt(r replica, op int) wire.Chain {
	c, _ := r.Chain(wire.OpNumber(op))
	return c
}

// chain returns the chain at op, or false if the log does not reach it.
func (s *subject) chain(op wire.OpNumber) (wire.Chain, bool) {
	if op == 0 {
		return 0, true
	}
	if op > wire.OpNumber(len(s.log)) {
		return 0, false
	}
	return s.log[op-1].chain, true
}

// operational: it has finished recovery, so that its knowledge counts.
func (s *subject) operational() bool {
	return s != nil && (s.now.Status == wire.StatusNormal || s.now.Status == wire.StatusViewChange)
}

// knows returns the incarnation of a replica in the crash vector of s.
func (s *subject) knows(id wire.Peer) wire.Incarnation {
	for _, m := range s.now.CrashVector {
		if m.ID == id {
			return m.Incarnation
		}
	}
	return 0
}

// starts tells whether the step started a view: the primary of it became normal in it.
func (s *subject) starts() bool {
	return s.now.Status == wire.StatusNormal && s.now.Primary == s.id &&
		(s.before.View < s.now.View || s.before.Status != wire.StatusNormal)
}
