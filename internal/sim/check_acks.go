package sim

import (
	"fmt"

	"vrnode/wire"
)

// I10 Own acknowledgements (NEZHA, appendix A.4): what a replica has acknowledged in a view, it
// holds whenever it is normal in that view, even in a later run. A zombie's acknowledgements do
// not count: nobody who answered its successor's recovery accepts them.

type acker struct {
	by   wire.Peer
	view wire.ViewNumber
}

func checkAcks(r *record, s *subject) string {
	if s.zombie {
		return ""
	}
	for i := range s.sent {
		e := &s.sent[i]
		var op wire.OpNumber
		switch m := e.Message.(type) {
		case *wire.PrepareOK:
			op = m.Op
		case *wire.CommitAck:
			op = m.Op
		default:
			continue
		}
		at := acker{s.id, e.View}
		r.acked[at] = max(r.acked[at], op)
	}
	if s.now.Status != wire.StatusNormal {
		return ""
	}
	if op := r.acked[acker{s.id, s.now.View}]; s.now.Op < op {
		return fmt.Sprintf("is normal in view %d with ops up to %d, but has acknowledged %d in it", s.now.View, s.now.Op, op)
	}
	return ""
}
