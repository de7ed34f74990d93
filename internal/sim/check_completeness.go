package sim

import (
	"fmt"

	"vrnode/wire"
)

// I3 Leader completeness (VR Revisited, section 8.1): the initial log of a view holds every op
// committed in a lower view. It is looked at twice: when a view starts, and when an op is found
// to be committed in a view below one that has started already.

func checkCompleteness(r *record, s *subject) string {
	for i := r.news; i < len(r.committed); i++ {
		if why := r.checkLateCommit(wire.OpNumber(i + 1)); why != "" {
			return why
		}
	}
	if !s.starts() {
		return ""
	}
	v := r.started[s.now.View]
	for i, c := range r.committed {
		op := wire.OpNumber(i + 1)
		if c.view >= v.view {
			continue
		}
		if chain, ok := s.chain(op); op > v.initial || !ok || chain != c.chain {
			return fmt.Sprintf("started view %d without op %d, committed in view %d", v.view, op, c.view)
		}
	}
	return ""
}

// checkLateCommit looks at the views that started before op was seen to be committed.
func (r *record) checkLateCommit(op wire.OpNumber) string {
	c := r.committed[op-1]
	for _, v := range r.views {
		if v.view > c.view && (op > v.initial || op > v.base && v.chains[op-v.base-1] != c.chain) {
			return fmt.Sprintf("committed op %d in view %d, but view %d has started without it", op, c.view, v.view)
		}
	}
	return ""
}
