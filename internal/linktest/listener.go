package linktest

import (
	"context"
	"net/netip"
	"time"

	"vrnode/frag"
	"vrnode/frag/noise"
	"vrnode/wire"
)

// A Listener is the end of a link that answers. It serves any number of others at a time.
type Listener struct{ runtime *runtime }

// Listen opens a listener at HOST:PORT; no host means every address of this machine.
// With keys, it answers only who has one of them. For spin see udp.Conn.
func Listen(hostPort string, spin time.Duration, keys ...noise.Key) (*Listener, error) {
	addr, err := resolve(hostPort)
	if err != nil {
		return nil, err
	}
	r, err := newRuntime(addr, keys, listenerID)
	if err != nil {
		return nil, err
	}
	r.conn.Spin(spin)
	return &Listener{r}, nil
}

// Addr returns the address of the listener.
func (l *Listener) Addr() netip.AddrPort { return l.runtime.conn.LocalAddr() }

// Advice returns a sentence for the operator if the socket's buffers are too small, or "".
func (l *Listener) Advice() string { return l.runtime.conn.Buffers().Advice() }

// Serve answers until ctx ends. It calls met, which must be quick, with the address of everyone
// who begins to measure.
func (l *Listener) Serve(ctx context.Context, met func(netip.AddrPort)) error {
	ended := make(chan error)
	go func() {
		ended <- l.runtime.run(ctx, newEcho(&l.runtime.transport, met))
	}()
	return <-ended
}

// knownMax bounds the peers that an echo remembers to have met. At the bound it forgets all, and
// may announce one a second time.
const knownMax = 1024

// An echo answers.
type echo struct {
	transport *transport
	met       func(netip.AddrPort)
	known     map[wire.Peer]bool
	filler    []byte
}

func newEcho(t *transport, met func(netip.AddrPort)) *echo {
	return &echo{transport: t, met: met, known: map[wire.Peer]bool{}, filler: filler()}
}

func (e *echo) Step(now time.Duration, from wire.Peer, message []byte) {
	if lane, number, size, ok := readRequest(message); ok {
		answer := e.filler[:size]
		putNumber(answer, kindAnswer, number)
		e.transport.Send(now, from, lane, answer) // false: no room; who asked sees that nothing comes
		return
	}
	if number, ok := readNumber(message, kindAsk); ok {
		e.meet(from)
		path := e.transport.path(from)
		e.transport.Send(now, from, laneSmall, encodeReport(number, &path))
	}
}

// meet announces a peer that is new.
func (e *echo) meet(from wire.Peer) {
	if e.known[from] {
		return
	}
	if len(e.known) == knownMax {
		clear(e.known)
	}
	e.known[from] = true
	stats, _ := e.transport.PeerStats(from)
	e.met(stats.Addr)
}

func (e *echo) Tick(time.Duration)      {}
func (e *echo) Deadline() time.Duration { return frag.Never }
func (e *echo) Done() bool              { return false }
