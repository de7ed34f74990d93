package vr

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
	"vrnode/wire"
)

// execute runs one request against the table as executeOp does, and returns what the client gets.
func (t *sessions) execute(e *wire.Entry, apply func() []byte) (wire.Outcome, string) {
	s, outcome := t.admit(e)
	switch outcome {
	case wire.OutcomeDone:
		body := apply()
		t.finish(s, 1, e.Acked, body)
		return outcome, string(body)
	case wire.OutcomeTooOld:
		outcome, body := s.result(e.Request)
		return outcome, string(body)
	}
	return outcome, ""
}

// Requests that come any number of times, in any order, take effect once and in their order.
func TestSessionsExecuteOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newSessions()
		client := wire.ClientPeer(1<<16, 0)
		s := table.register(client, 1)
		executed, acked := []string{}, wire.RequestNumber(0)
		for range rapid.IntRange(1, 3000).Draw(t, "steps") {
			last := wire.RequestNumber(len(executed))
			r := wire.RequestNumber(rapid.IntRange(int(max(1, last)-min(last, 5)), int(last)+2).Draw(t, "request"))
			if r == 0 {
				r = 1
			}
			outcome, body := table.execute(&wire.Entry{Client: client, Session: s.number, Request: r, Acked: acked}, func() []byte {
				executed = append(executed, fmt.Sprintf("result %d", r))
				return []byte(executed[len(executed)-1])
			})
			switch {
			case r == last+1 && (outcome != wire.OutcomeDone || len(executed) != int(r)):
				t.Fatalf("request %d after %d: %v", r, last, outcome)
			case r > last+1 && outcome != wire.OutcomeGap:
				t.Fatalf("request %d after %d: %v, want gap", r, last, outcome)
			case r <= last && r > acked && (outcome != wire.OutcomeDone || body != executed[r-1]):
				t.Fatalf("repeated request %d: %v %q, want %q", r, outcome, body, executed[r-1])
			}
			if len(executed) > 0 && rapid.Bool().Draw(t, "ack") {
				acked = max(acked, wire.RequestNumber(len(executed)-1))
			}
		}
	})
}

func TestSessionsKeepAWindowOfResults(t *testing.T) {
	table := newSessions()
	client := wire.ClientPeer(1<<16, 0)
	s := table.register(client, 1)
	run := func(r wire.RequestNumber, size int) {
		table.execute(&wire.Entry{Client: client, Session: 1, Request: r}, func() []byte { return make([]byte, size) })
	}
	for r := wire.RequestNumber(1); r <= 2*SessionWindow; r++ {
		run(r, 1)
	}
	if o, _ := s.result(SessionWindow); o != wire.OutcomeTooOld {
		t.Errorf("a result beyond the window is %v", o)
	}
	if o, _ := s.result(SessionWindow + 1); o != wire.OutcomeDone {
		t.Errorf("the oldest result in the window is %v", o)
	}
	for r := wire.RequestNumber(2*SessionWindow + 1); r <= 2*SessionWindow+40; r++ {
		run(r, wire.CommandMax)
		if s.bytes > sessionBytes {
			t.Fatalf("%d bytes of results, bound %d", s.bytes, sessionBytes)
		}
	}
	if len(s.results) > SessionWindow*2 {
		t.Errorf("a ring of %d slots", len(s.results))
	}
}

// The idlest session goes, whoever opened first.
func TestSessionsEvictTheIdlest(t *testing.T) {
	table := newSessions()
	peer := func(i int) wire.Peer { return wire.ClientPeer(uint64(i)<<16, 0) }
	for i := range sessionsMax {
		table.register(peer(i), wire.OpNumber(i+1))
	}
	table.execute(&wire.Entry{Client: peer(0), Session: 1, Request: 1}, func() []byte { return nil })
	table.register(peer(sessionsMax), sessionsMax+1)
	if table.find(peer(0), 1) == nil {
		t.Error("a session that was in use was evicted")
	}
	if table.find(peer(1), 2) != nil {
		t.Error("the idlest session was kept")
	}
	if n := len(table.seats); n != sessionsMax {
		t.Errorf("%d sessions, bound %d", n, sessionsMax)
	}
	if _, outcome := table.admit(&wire.Entry{Client: peer(1), Session: 2, Request: 1}); outcome != wire.OutcomeSessionExpired {
		t.Errorf("a request of the evicted session: %v", outcome)
	}
	if s := table.register(peer(1), 9999); s.number != 9999 {
		t.Errorf("a new session has number %d", s.number)
	}
}
