package vr

import (
	"vrnode/internal/assert"
	"vrnode/wire"
)

// sessions is the client-table: replicated state, changed only by executing ops, and therefore
// equal on all replicas that have executed the same ops. At most sessionsMax are open; opening
// another evicts the one whose last op is oldest, which is the same one everywhere.
type sessions struct {
	byClient map[wire.Peer]*session
	// oldest is the head of a ring through all sessions in the order of their last ops.
	oldest *session
}

// A session is what is kept of one client. Results are kept for the requests (forgotten, last].
type session struct {
	client    wire.Peer
	number    wire.SessionNumber
	touched   wire.OpNumber      // the last op of the client that changed the session
	last      wire.RequestNumber // highest request executed
	forgotten wire.RequestNumber // results up to this one are dropped
	results   []result           // a ring: the result of request s is at s modulo its length
	bytes     int                // of the results kept
	shared    bool               // a checkpoint refers to the ring, which must not change any more
	previous  *session
	next      *session
}

// A result is what an op of a session gave.
type result struct {
	body []byte
	own  bool // no checkpoint refers to the memory of body
}

func newSessions() sessions { return sessions{byClient: make(map[wire.Peer]*session)} }

// find returns the session of a client if it has the given number, or nil.
func (t *sessions) find(client wire.Peer, number wire.SessionNumber) *session {
	if s := t.byClient[client]; s != nil && s.number == number {
		return s
	}
	return nil
}

// register executes a Register at op. A client that has a session keeps it, so that a repeated
// Register is harmless.
func (t *sessions) register(client wire.Peer, op wire.OpNumber) *session {
	if s := t.byClient[client]; s != nil {
		t.touch(s, op)
		return s
	}
	if len(t.byClient) == sessionsMax {
		delete(t.byClient, t.oldest.client)
		t.unlink(t.oldest)
	}
	s := &session{client: client, number: wire.SessionNumber(op), touched: op}
	t.byClient[client] = s
	t.link(s)
	return s
}

// admit says what executing request e means: OutcomeDone, and it must be executed now; or why
// not. VR Revisited, section 4.1: the client-table makes a repeated request harmless.
func (t *sessions) admit(e *wire.Entry) (*session, wire.Outcome) {
	s := t.find(e.Client, e.Session)
	switch {
	case s == nil:
		return nil, wire.OutcomeSessionExpired
	case e.Request <= s.last:
		return s, wire.OutcomeTooOld
	case e.Request > s.last+1:
		return s, wire.OutcomeGap
	}
	return s, wire.OutcomeDone
}

// finish records the result of the request after the last, which op was, and forgets what need not
// be kept: what the client has, what is beyond its window, and, oldest first, what is beyond the
// bytes.
func (t *sessions) finish(s *session, op wire.OpNumber, acked wire.RequestNumber, body []byte) {
	s.unshare()
	s.last++
	if s.last > SessionWindow {
		acked = max(acked, s.last-SessionWindow)
	}
	s.forget(min(acked, s.last-1))
	s.makeRoom()
	slot := s.slot(s.last)
	if !slot.own {
		*slot = result{own: true}
	}
	slot.body = append(slot.body[:0], body...)
	s.bytes += len(body)
	for s.bytes > sessionBytes && s.forgotten < s.last-1 {
		s.forget(s.forgotten + 1)
	}
	t.touch(s, op)
}

func (s *session) slot(r wire.RequestNumber) *result {
	return &s.results[r%wire.RequestNumber(len(s.results))]
}

// unshare gives the session a ring of its own, if a checkpoint refers to the one it has. The results
// in it stay where they are: they are not written again.
func (s *session) unshare() {
	if !s.shared {
		return
	}
	own := *s
	own.shared, own.results = false, make([]result, len(s.results))
	for r := s.forgotten + 1; r <= s.last; r++ {
		own.slot(r).body = s.slot(r).body
	}
	*s = own
}

func (s *session) forget(upTo wire.RequestNumber) {
	for s.forgotten < upTo {
		s.forgotten++
		slot := s.slot(s.forgotten)
		s.bytes -= len(slot.body)
		if !slot.own || cap(slot.body) > slotKeep {
			*slot = result{}
		}
	}
}

// makeRoom doubles the ring if the results (forgotten, last] do not fit.
func (s *session) makeRoom() {
	need := int(s.last - s.forgotten)
	if need <= len(s.results) {
		return
	}
	grown := make([]result, max(16, 2*len(s.results)))
	for r := s.forgotten + 1; r < s.last; r++ {
		grown[r%wire.RequestNumber(len(grown))] = *s.slot(r)
	}
	s.results = grown
	assert.That(need <= len(s.results), "results are added one at a time")
}

// result returns the kept result of a request that was executed.
func (s *session) result(r wire.RequestNumber) (wire.Outcome, []byte) {
	if r <= s.forgotten {
		return wire.OutcomeTooOld, nil
	}
	return wire.OutcomeDone, s.slot(r).body
}

// touch moves s to the young end of the ring.
func (t *sessions) touch(s *session, op wire.OpNumber) {
	s.touched = op
	t.unlink(s)
	t.link(s)
}

func (t *sessions) link(s *session) {
	if t.oldest == nil {
		s.previous, s.next = s, s
		t.oldest = s
		return
	}
	young := t.oldest.previous
	s.previous, s.next = young, t.oldest
	young.next, t.oldest.previous = s, s
}

func (t *sessions) unlink(s *session) {
	if s.next == s {
		t.oldest = nil
		return
	}
	s.previous.next, s.next.previous = s.next, s.previous
	if t.oldest == s {
		t.oldest = s.next
	}
}

// freeze returns a copy of the table, the idlest session first, that nothing changes any more. It
// copies no results: a session that goes on takes another ring for its next one.
func (t *sessions) freeze() []session {
	frozen := make([]session, 0, len(t.byClient))
	for s := t.oldest; s != nil; s = s.next {
		s.shared = true
		frozen = append(frozen, *s)
		last := &frozen[len(frozen)-1]
		last.previous, last.next = nil, nil // the copy keeps nothing alive
		if s.next == t.oldest {
			break
		}
	}
	return frozen
}
