package sim

import (
	"fmt"

	"vrnode/wire"
)

// I1 Agreement (VR Revisited, section 8.1): the ops that replicas hold to be committed are the
// same everywhere, for ever.

type commitment struct {
	chain wire.Chain
	view  wire.ViewNumber // of the replica that was first seen to know of it
	// proposed is the view in which the op was first proposed.
	proposed wire.ViewNumber
}

func checkAgreement(r *record, s *subject) string {
	r.news = len(r.committed)
	from := s.before.Commit + 1
	if s.changed != 0 {
		from = min(from, s.changed)
	}
	for op := from; op <= s.now.Commit; op++ {
		chain, _ := s.chain(op)
		if op > wire.OpNumber(len(r.committed)) {
			r.committed = append(r.committed, commitment{chain, s.now.View, s.log[op-1].view})
			continue
		}
		if c := r.committed[op-1]; c.chain != chain {
			return fmt.Sprintf("committed op %d in view %d, but another op %d was committed in view %d", op, s.now.View, op, c.view)
		}
	}
	return ""
}
