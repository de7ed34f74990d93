package sim

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"vrnode/vr"
	"vrnode/wire"
)

// I14 Exactly once (VR Revisited, section 4.1, the client-table): each request of a session takes
// effect at most once and in the order of request-numbers, at the same op and with the same result
// on every replica; and all replies to it are equal. With it the first half of
// I16: equal ops make equal states.

// An application is an op that had an effect on a state machine.
type application struct {
	op      wire.OpNumber
	request requestKey
	digest  uint64 // of the machine's state after it
	result  uint64 // hash of the result
}

type requestKey struct {
	client  wire.Peer
	session wire.SessionNumber
	request wire.RequestNumber
}

func checkOnce(r *record, s *subject) string {
	for _, a := range s.applied {
		if why := r.apply(s, a); why != "" {
			return why
		}
	}
	for i := range s.sent {
		if m, ok := s.sent[i].Message.(*wire.Reply); ok {
			if why := r.reply(m); why != "" {
				return why
			}
		}
	}
	return ""
}

func (r *record) apply(s *subject, a application) string {
	if s.before.Restoring && (s.now.Restoring || a.op <= s.installed()) {
		return r.playTail(a)
	}
	if a.op <= s.before.Applied || a.op > s.now.Applied {
		return fmt.Sprintf("executed op %d while it went from %d to %d", a.op, s.before.Applied, s.now.Applied)
	}
	if known, ok := r.executed[a.op]; ok {
		if known != a {
			return fmt.Sprintf("executed op %d with another effect than its first execution had", a.op)
		}
		return ""
	}
	r.executed[a.op] = a
	if op, ok := r.effects[a.request]; ok {
		return fmt.Sprintf("executed request %d of session %d at op %d, and it had been executed at op %d",
			a.request.request, a.request.session, a.op, op)
	}
	r.effects[a.request] = a.op
	session := a.request.session
	if wire.OpNumber(session) >= a.op || session == 0 {
		return fmt.Sprintf("executed a request of session %d at op %d, before its Register", session, a.op)
	}
	if r.latest[session]+1 != a.request.request {
		return fmt.Sprintf("executed request %d of session %d after request %d", a.request.request, session, r.latest[session])
	}
	r.latest[session] = a.request.request
	return ""
}

// installed returns the op of the state that the step has put in the place of the replica's, 0 if it has not.
func (s *subject) installed() wire.OpNumber {
	for _, e := range s.events {
		if e.Kind == vr.EventStateInstalled {
			return e.Op
		}
	}
	return 0
}

// playTail looks at an op that was executed on a state which is not the replica's yet. Which request it is, the log does
// not tell, nor is it the first execution; if there is none yet, the state will tell.
func (r *record) playTail(a application) string {
	known, ok := r.executed[a.op]
	if a.request = known.request; ok && known != a {
		return fmt.Sprintf("executed op %d on a state that was brought with another effect than its first execution had", a.op)
	}
	return ""
}

func (r *record) reply(m *wire.Reply) string {
	key := requestKey{m.Client, m.Session, m.First}
	for results := m.Results; ; key.request++ {
		outcome, body, ok := results.Next()
		if !ok {
			return ""
		}
		if outcome != wire.OutcomeDone {
			continue
		}
		hash := xxhash.Sum64(body)
		if known, ok := r.replies[key]; ok && known != hash {
			return fmt.Sprintf("sent two different results of request %d of session %d", key.request, key.session)
		}
		r.replies[key] = hash
		op, ok := r.effects[key]
		if !ok || r.executed[op].result != hash {
			return fmt.Sprintf("replied to request %d of session %d what its execution did not give", key.request, key.session)
		}
	}
}
