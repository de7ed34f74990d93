package vr

import (
	"testing"

	"vrnode/wire"
)

// Requests of clients that are gone stay early for ever. They must neither cost anything nor take
// the room of those that others still wait for.
func TestEarlyRequestsOfClientsThatAreGone(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.submit(1)
	g.run(0)
	r := g.replicas[1]
	request := func(client wire.Peer, first wire.RequestNumber) Reason {
		h := wire.Header{Cluster: wire.ClusterID{1}, From: client}
		var commands wire.Commands
		m := &wire.Request{Session: r.sessions.of(client).number, First: first, Commands: commands.Append([]byte("op"))}
		return g.tell(1, h, m)
	}
	for i := range earlyRequests + 10 {
		client := wire.ClientPeer(uint64(i+1)<<20, 0)
		g.tell(1, wire.Header{Cluster: wire.ClusterID{1}, From: client}, &wire.Register{})
		g.settle()
		if why := request(client, 3); why != TooEarly { // its request 2 was lost with it
			t.Fatal(why)
		}
	}
	oldest := &r.primary.early.kept[0].bytes[0]
	head := r.log.head
	if why := request(clientID, 3); why != TooEarly {
		t.Error(why)
	}
	if why := request(clientID, 2); why != 0 || r.log.head != head+2 {
		t.Errorf("%v; the log grew by %d ops, not by requests 2 and 3", why, r.log.head-head)
	}
	if len(r.primary.early.kept) != earlyRequests-1 || oldest == &r.primary.early.kept[0].bytes[0] {
		t.Errorf("%d requests are kept", len(r.primary.early.kept))
	}
	oldest = &r.primary.early.kept[0].bytes[0]
	request(clientID, 4)
	if oldest != &r.primary.early.kept[0].bytes[0] {
		t.Error("a request of another client was looked at")
	}
}

// Memory that was used for large messages is not kept.
func TestEarlyBuffersAreBounded(t *testing.T) {
	var e early
	large := wire.Commands{}.Append(make([]byte, wire.CommandMax))
	for range 2 * earlyMax {
		e.keep(&wire.Header{From: clientID}, &wire.Request{Commands: large})
		if e.bytes > earlyBytes+wire.MessageMax {
			t.Fatalf("%d bytes are kept", e.bytes)
		}
	}
	e.wake(clientID)
	for e.turn() > 0 {
		e.take()
	}
	e.take()
	held := 0
	for _, b := range e.free {
		held += cap(b)
	}
	if len(e.kept) != 0 || e.bytes != 0 || held > earlyBytes {
		t.Errorf("%d messages, %d bytes, %d bytes of empty buffers", len(e.kept), e.bytes, held)
	}
}

// One turn looks at earlyTurn messages, so that it does not take long; the others are due then.
func TestEarlyTurn(t *testing.T) {
	var e early
	for range earlyTurn + 1 {
		e.keep(&wire.Header{From: 1}, &wire.Commit{})
	}
	e.keep(&wire.Header{From: 2}, &wire.Commit{})
	if n := e.turn(); n != 0 {
		t.Errorf("%d messages are due before anything has come", n)
	}
	e.wake(1)
	for _, want := range []int{earlyTurn, 1, 0} {
		n := e.turn()
		if n != want {
			t.Errorf("%d messages at a turn, not %d", n, want)
		}
		for range n {
			e.take()
		}
	}
	if len(e.kept) != 1 {
		t.Errorf("%d messages are left", len(e.kept))
	}
}
