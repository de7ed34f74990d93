// Package fragtest runs a transport on a socket, for tests: what it gets and sends can be seen, lost
// and sent again.
package fragtest

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"vrnode/frag"
	"vrnode/frag/udp"
	"vrnode/wire"
)

// Patience is how long to wait for what comes soon unless the machine has other things to do. Only a
// test that fails lasts so long.
const Patience = 2 * time.Minute

// An End is an endpoint on a socket, with a goroutine of its own.
type End struct {
	Addr netip.AddrPort

	conn     *udp.Conn
	endpoint *frag.Endpoint
	out      frag.Effects
	born     time.Time
	hooks    Hooks
	ended    chan error

	mu      sync.Mutex
	calls   []func(now time.Duration)
	closing bool
}

// Hooks are called by the goroutine of an End; each may be nil.
type Hooks struct {
	// Got is called with every message that is delivered.
	Got func(from wire.Peer, message []byte)
	// In and Out tell whether a datagram passes that came, or is about to go.
	In, Out func(d wire.Datagram) bool
}

// Start runs an endpoint on a socket until Close.
func Start(conn *udp.Conn, cfg frag.Config, hooks Hooks) *End {
	n := &End{
		Addr: conn.LocalAddr(), conn: conn, endpoint: frag.New(cfg),
		born: time.Now(), hooks: hooks, ended: make(chan error, 1),
	}
	go n.run()
	return n
}

// Do has f called by the goroutine of the End, and returns when it was.
func (n *End) Do(f func(e *frag.Endpoint, now time.Duration)) {
	done := make(chan struct{})
	n.mu.Lock()
	n.calls = append(n.calls, func(now time.Duration) {
		f(n.endpoint, now)
		close(done)
	})
	n.mu.Unlock()
	n.conn.Wake()
	<-done
}

// Send queues a message, and tells whether there was room.
func (n *End) Send(to wire.Peer, lane frag.Lane, message []byte) (ok bool) {
	n.Do(func(e *frag.Endpoint, now time.Duration) { ok = e.Send(now, to, lane, message) })
	return ok
}

// Write sends a datagram as it is.
func (n *End) Write(d wire.Datagram) {
	n.Do(func(*frag.Endpoint, time.Duration) { n.write([]wire.Datagram{d}) })
}

// Peer tells how a peer is reached.
func (n *End) Peer(id wire.Peer) (s frag.PeerStats) {
	n.Do(func(e *frag.Endpoint, _ time.Duration) { s, _ = e.PeerStats(id) })
	return s
}

// Stats returns the counters of the endpoint.
func (n *End) Stats() (s frag.Stats) {
	n.Do(func(e *frag.Endpoint, _ time.Duration) { s = e.Stats() })
	return s
}

// Socket returns the counters of the socket.
func (n *End) Socket() (s udp.Stats) {
	n.Do(func(*frag.Endpoint, time.Duration) { s = n.conn.Stats() })
	return s
}

// Close ends the goroutine and closes the socket.
func (n *End) Close() error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	n.conn.Wake()
	return <-n.ended
}

func (n *End) run() {
	udp.OwnThread()
	var err error
	for more := true; more && err == nil; {
		more, err = n.turn()
	}
	if closed := n.conn.Close(); err == nil {
		err = closed
	}
	n.ended <- err
}

func (n *End) turn() (more bool, err error) {
	batch, err := n.conn.ReadBatch()
	if err != nil {
		return false, err
	}
	n.out.Reset()
	now := time.Since(n.born)
	for _, d := range batch {
		if n.hooks.In == nil || n.hooks.In(d) {
			n.endpoint.Step(now, d.Addr, d.Bytes, &n.out)
		}
	}
	n.mu.Lock()
	calls, closing := n.calls, n.closing
	n.calls = nil
	n.mu.Unlock()
	for _, call := range calls {
		call(now)
	}
	if n.hooks.Got != nil {
		for _, m := range n.out.Messages {
			n.hooks.Got(m.From, m.Bytes)
		}
	}
	if n.endpoint.Deadline() <= now {
		n.endpoint.Tick(now, &n.out)
	}
	going := n.out.Datagrams[:0:0]
	for _, d := range n.out.Datagrams {
		if n.hooks.Out == nil || n.hooks.Out(d) {
			going = append(going, d)
		}
	}
	n.write(going)
	if !closing && len(batch) < udp.BatchMax {
		n.conn.Wait(n.endpoint.Deadline() - time.Since(n.born))
	}
	return !closing, nil
}

// write sends datagrams. Those that the kernel has no room for are lost, as on any network; if the
// socket is broken, the next ReadBatch says so.
func (n *End) write(batch []wire.Datagram) {
	_ = n.conn.WriteBatch(batch)
}

// Until waits for a condition.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, Patience)
		}
	}
}
