package sim

import (
	"fmt"

	"vrnode/vr"
	"vrnode/wire"
)

// I18 Birth: a replica leaves the state without memory only by a finished recovery, or because an
// operator formed a group that lists this very run of it.

func checkBirth(r *record, s *subject) string {
	was := s.before.Status
	if was != wire.StatusRecovering && was != 0 || !s.operational() {
		return ""
	}
	for _, e := range s.events {
		switch e.Kind {
		case vr.EventRecovered:
			return ""
		case vr.EventFormed:
			for _, m := range r.formed {
				if m.ID == s.id && m.Incarnation == s.now.Incarnation {
					return ""
				}
			}
			return fmt.Sprintf("was formed, but no operator listed its incarnation %d", s.now.Incarnation)
		}
	}
	return "became operational out of nothing"
}
