package sim

import (
	"fmt"

	"vrnode/wire"
)

// I12 Frozen (the rule behind one DoViewChange per view, section 4.2): from the promise of a view
// to its start, the log and the last normal view stay as they are, except that uncommitted ops may
// give way to committed ones. So every DoViewChange of a run for a view says the same.

type voter struct {
	by          wire.Peer
	incarnation wire.Incarnation
	view        wire.ViewNumber
}

type description struct {
	lastNormal wire.ViewNumber
	op         wire.OpNumber
}

func checkFrozen(r *record, s *subject) string {
	a, b := &s.before, &s.now
	if a.Status == wire.StatusViewChange && b.Status == wire.StatusViewChange && a.View == b.View {
		if a.LastNormal != b.LastNormal {
			return fmt.Sprintf("moved its last normal view from %d to %d inside a view change", a.LastNormal, b.LastNormal)
		}
		if s.changed != 0 && !r.allCommitted(s) {
			return fmt.Sprintf("changed its log at op %d inside the change to view %d", s.changed, b.View)
		}
	}
	if b.Status == wire.StatusViewChange && a.LastNormal == b.LastNormal && s.changed != 0 && s.changed <= a.Op && !r.allCommitted(s) {
		return fmt.Sprintf("lost op %d as it promised view %d", s.changed, b.View)
	}
	for i := range s.sent {
		if m, ok := s.sent[i].Message.(*wire.DoViewChange); ok {
			if why := r.describe(s, &s.sent[i].Header, m); why != "" {
				return why
			}
		}
	}
	return ""
}

// allCommitted tells whether what the step changed of the log of s is committed.
func (r *record) allCommitted(s *subject) bool {
	head := wire.OpNumber(len(s.log))
	if s.changed > head || head > wire.OpNumber(len(r.committed)) {
		return false
	}
	return s.log[head-1].chain == r.committed[head-1].chain
}

func (r *record) describe(s *subject, h *wire.Header, m *wire.DoViewChange) string {
	key := voter{s.id, h.Incarnation, h.View}
	now := description{m.LastNormal, m.Op}
	was, ok := r.described[key]
	r.described[key] = now
	if ok && (was.lastNormal != now.lastNormal || was.op != now.op && m.Op > wire.OpNumber(len(r.committed))) {
		return fmt.Sprintf("sent two different DoViewChange for view %d: v'=%d n=%d and v'=%d n=%d",
			h.View, was.lastNormal, was.op, now.lastNormal, now.op)
	}
	return ""
}
