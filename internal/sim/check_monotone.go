package sim

import (
	"fmt"
	"slices"

	"vrnode/vr"
	"vrnode/wire"
)

// I11 Monotone: within a run view, last normal view, commit and executed ops never fall, and the crash vector
// only at the birth of a group, which is of the runs that are listed, or as another group answers; they stand in their order; and no replica
// halts but one that is fenced since an operational member has known a later incarnation of it.

func checkMonotone(r *record, s *subject) string {
	a, b := &s.before, &s.now
	switch {
	case b.View < a.View, b.LastNormal < a.LastNormal, b.Commit < a.Commit, b.Applied < a.Applied, b.Incarnation < a.Incarnation:
		return fmt.Sprintf("went back from %s to %s", numbers(a), numbers(b))
	case b.LogBase < a.LogBase, b.Checkpoint < a.Checkpoint:
		return fmt.Sprintf("has a log from %d and a checkpoint at %d, and had %d and %d", b.LogBase, b.Checkpoint, a.LogBase, a.Checkpoint)
	case b.Applied > b.Commit, b.Commit > b.Op, b.LastNormal > b.View, b.LogBase > b.Checkpoint, b.Checkpoint > b.Applied:
		return "has numbers out of order: " + numbers(b)
	case b.Status == wire.StatusNormal && b.LastNormal != b.View:
		return "is normal in a view that it has not completed: " + numbers(b)
	case a.Status != wire.StatusRecovering && a.Status != 0 && b.Status == wire.StatusRecovering:
		return "forgot that it was operational"
	case a.Status != wire.StatusHalted && b.Status == wire.StatusHalted && !(s.fenced() && b.Incarnation < r.known[s.id]):
		return "halted"
	}
	if s.operational() {
		for _, m := range b.CrashVector {
			r.known[m.ID] = max(r.known[m.ID], m.Incarnation)
		}
	}
	switch {
	case a.Incarnation < b.Incarnation:
		return "" // a clock that went backwards: the recovery has begun anew, as another run
	case a.Cluster != b.Cluster && b.Status == wire.StatusRecovering:
		return "" // another group has answered
	case s.formed():
		for _, m := range r.formed {
			if knows := s.knows(m.ID); knows != m.Incarnation {
				return fmt.Sprintf("was formed with incarnation %d of %v, and knows %d", m.Incarnation, m.ID, knows)
			}
		}
		return ""
	}
	for _, m := range a.CrashVector {
		if s.knows(m.ID) < m.Incarnation {
			return fmt.Sprintf("forgot incarnation %d of %v", m.Incarnation, m.ID)
		}
	}
	return ""
}

func numbers(s *vr.Status) string {
	return fmt.Sprintf("%v v=%d v'=%d n=%d k=%d applied=%d checkpoint=%d base=%d",
		s.Status, s.View, s.LastNormal, s.Op, s.Commit, s.Applied, s.Checkpoint, s.LogBase)
}

// fenced tells whether the step found that a later incarnation of the replica is known.
func (s *subject) fenced() bool {
	return slices.ContainsFunc(s.events, func(e vr.Event) bool { return e.Kind == vr.EventHalted && e.Reason == vr.Fenced })
}

// formed tells whether the step made it a member of a new group.
func (s *subject) formed() bool {
	return slices.ContainsFunc(s.events, func(e vr.Event) bool { return e.Kind == vr.EventFormed })
}
