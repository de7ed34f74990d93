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
	// log is its log after the step, from op 1.
	log []mark
	// changed is the lowest op that the step added, replaced or removed, or 0.
	changed wire.OpNumber
	// applied are the ops that the step executed with effect on the state machine.
	applied []application
	// sent and events are what else the step did.
	sent   []wire.Envelope
	events []vr.Event
}

// A mark is what the checkers need of a log entry: the view it was first proposed in, and the
// chain that stands for it and everything before it.
type mark struct {
	view  wire.ViewNumber
	chain wire.Chain
}

// A replica is what the checkers see of a vr.Replica.
type replica interface {
	Status() vr.Status
	Chain(wire.OpNumber) (wire.Chain, bool)
	Entry(wire.OpNumber) (wire.Entry, bool)
}

// observe takes in the state of r after a step. It looks only at what changed: since a chain
// stands for all ops before it, the logs agree below the highest op at which their chains do.
func (s *subject) observe(r replica) {
	s.before, s.now = s.now, r.Status()
	keep := min(len(s.log), int(s.now.Op))
	for keep > 0 && s.log[keep-1].chain != chainAt(r, keep) {
		keep--
	}
	s.changed = 0
	if keep < len(s.log) || keep < int(s.now.Op) {
		s.changed = wire.OpNumber(keep) + 1
	}
	s.log = s.log[:keep]
	for op := keep + 1; op <= int(s.now.Op); op++ {
		e, _ := r.Entry(wire.OpNumber(op))
		s.log = append(s.log, mark{e.View, chainAt(r, op)})
	}
	for i := range s.applied {
		a := &s.applied[i]
		if e, ok := r.Entry(a.op); ok {
			a.request = requestKey{e.Client, e.Session, e.Request}
		}
	}
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
