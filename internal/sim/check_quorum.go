package sim

import (
	"fmt"

	"vrnode/wire"
)

// I6, I7 and I8 are the theorems on quorum knowledge (Michael et al., DISC 2017, theorems 10 and
// 11) as predicates on states: what a quorum once knew, all operational members know but for at
// most n - q. They catch a bug before it has lost anything.

// quorumChanged tells whether the step could make one of the three false.
func quorumChanged(s *subject) bool {
	return s.changed != 0 || s.before.Status != s.now.Status || s.before.View != s.now.View ||
		s.before.Commit != s.now.Commit || s.before.Incarnation != s.now.Incarnation
}

// I6: every committed op is in the logs of all operational members but n - q. Who lacks any
// committed op lacks the last one.
func checkQuorumOp(r *record, s *subject) string {
	last := wire.OpNumber(len(r.committed))
	if last == 0 || !quorumChanged(s) {
		return ""
	}
	lack := 0
	for _, m := range r.members {
		if m.operational() {
			if chain, ok := m.chain(last); !ok || chain != r.committed[last-1].chain {
				lack++
			}
		}
	}
	if lack > r.spare() {
		return fmt.Sprintf("left %d operational members without the committed op %d", lack, last)
	}
	return ""
}

// I7: all operational members but n - q are in the highest started view or above.
func checkQuorumView(r *record, s *subject) string {
	if !quorumChanged(s) {
		return ""
	}
	highest := r.highest()
	below := 0
	for _, m := range r.members {
		if m.operational() && m.now.View < highest {
			below++
		}
	}
	if below > r.spare() {
		return fmt.Sprintf("left %d operational members below view %d, which has started", below, highest)
	}
	return ""
}

// I8: all operational members but n - q know the incarnation of an operational member.
func checkQuorumIncarnation(r *record, s *subject) string {
	if !quorumChanged(s) {
		return ""
	}
	for _, j := range r.members {
		if !j.operational() {
			continue
		}
		ignorant := 0
		for _, m := range r.members {
			if m != j && m.operational() && m.knows(j.id) < j.now.Incarnation {
				ignorant++
			}
		}
		if ignorant > r.spare() {
			return fmt.Sprintf("left %d operational members ignorant of incarnation %d of %v", ignorant, j.now.Incarnation, j.id)
		}
	}
	return ""
}
