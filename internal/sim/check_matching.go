package sim

import (
	"fmt"

	"vrnode/wire"
)

// I2 Log matching: an op-number and the view it was first proposed in name one op, and with it
// everything before it.

type place struct {
	view wire.ViewNumber
	op   wire.OpNumber
}

func checkMatching(r *record, s *subject) string {
	if s.changed == 0 {
		return ""
	}
	for i := int(s.changed) - 1; i < len(s.log); i++ {
		m := s.log[i]
		at := place{m.view, wire.OpNumber(i + 1)}
		if known, ok := r.matching[at]; !ok {
			r.matching[at] = m.chain
		} else if known != m.chain {
			return fmt.Sprintf("holds an op %d of view %d whose log before it differs from another's", at.op, at.view)
		}
	}
	return ""
}
