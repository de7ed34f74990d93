package sim

import (
	"fmt"

	"vrnode/wire"
)

// I5 Complete view: a replica whose last normal view is u holds the whole initial log of u, and
// its log is a prefix of the longest that the primary of u ever had in u. A replica that waits for
// a view may in the meantime replace what was never committed by what was; such a log is all
// committed, and I1 looks after it.

func checkView(r *record, s *subject) string {
	v := r.started[s.now.LastNormal]
	if !s.operational() || v == nil {
		return ""
	}
	if s.now.Status != wire.StatusNormal && s.now.Op <= s.now.Commit {
		return ""
	}
	chain, _ := s.chain(s.now.Op)
	switch {
	case s.now.Op < v.initial:
		return fmt.Sprintf("was normal in view %d with ops up to %d, but its initial log has %d", v.view, s.now.Op, v.initial)
	case s.now.Op > v.head():
		return fmt.Sprintf("holds op %d of view %d, whose primary never got beyond %d", s.now.Op, v.view, v.head())
	case chain != r.chain(v, s.now.Op):
		return fmt.Sprintf("holds a log of view %d up to op %d that differs from the primary's", v.view, s.now.Op)
	}
	return ""
}
