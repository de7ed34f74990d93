package linktest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"vrnode/frag"
	"vrnode/frag/noise"
	"vrnode/frag/udp"
	"vrnode/wire"
)

// A machine is either end of a link. It sends with a transport that its caller runs.
type machine interface {
	// Step handles a message, which is only valid during the call.
	Step(now time.Duration, from wire.Peer, message []byte)
	// Tick does what is due; Deadline says when that is next.
	Tick(now time.Duration)
	Deadline() time.Duration
	// Done tells whether there is nothing left to do.
	Done() bool
}

// A transport is what a machine sends with.
type transport struct {
	*frag.Endpoint
	// overflowed counts the datagrams that the socket had no room for.
	overflowed func() uint64
}

// path tells how the endpoint reaches a peer.
func (t *transport) path(to wire.Peer) Path {
	s, _ := t.PeerStats(to)
	return Path{
		Sent: s.Sent, Lost: s.Lost, Again: s.Retransmitted, Partings: s.Partings,
		srtt: s.SRTT, variation: s.RTTVar, least: s.RTTMin,
		WindowBytes: s.Window, DatagramBytes: s.Datagram,
		overflowed: t.overflowed(),
	}
}

// A runtime is a transport on a socket. It is internal/loop without commands and results.
type runtime struct {
	transport
	conn *udp.Conn
	out  frag.Effects
	born time.Time
}

func newRuntime(listen netip.AddrPort, keys []noise.Key, self wire.Peer, peers ...frag.Address) (*runtime, error) {
	conn, err := udp.Listen(listen)
	if err != nil {
		return nil, err
	}
	cfg := frag.Config{
		Self: self, Incarnation: wire.Incarnation(time.Now().UnixMicro()), Seed: random(), Replicas: peers, Keys: keys,
	}
	_, _ = rand.Read(cfg.Entropy[:]) // never fails
	endpoint := frag.New(cfg)
	overflowed := func() uint64 { return conn.Stats().Overflowed }
	return &runtime{transport: transport{endpoint, overflowed}, conn: conn, born: time.Now()}, nil
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.NativeEndian.Uint64(b[:])
}

func (r *runtime) now() time.Duration { return time.Since(r.born) }

// run runs the machine until it is done or ctx ends, and closes the socket. It takes the thread of
// the goroutine that calls it, which should have nothing else to do.
func (r *runtime) run(ctx context.Context, m machine) error {
	udp.OwnThread()
	defer context.AfterFunc(ctx, r.conn.Wake)()
	var err error
	for err == nil && ctx.Err() == nil && !m.Done() {
		err = r.turn(m)
	}
	if closed := r.conn.Close(); err == nil {
		err = closed
	}
	return err
}

// turn handles what has happened and sleeps until something happens.
func (r *runtime) turn(m machine) error {
	batch, err := r.conn.ReadBatch()
	if err != nil {
		return err
	}
	r.out.Reset()
	now := r.now()
	for _, d := range batch {
		r.Endpoint.Step(now, d.Addr, d.Bytes, &r.out)
	}
	for _, message := range r.out.Messages {
		m.Step(now, message.From, message.Bytes)
	}
	if m.Deadline() <= now {
		m.Tick(now)
	}
	if r.Endpoint.Deadline() <= now {
		r.Endpoint.Tick(now, &r.out)
	}
	// Datagrams that the kernel has no room for are lost; the endpoint sends them again.
	if err := r.conn.WriteBatch(r.out.Datagrams); err != nil {
		return err
	}
	for _, d := range r.conn.TooBig() {
		r.Endpoint.TooBig(now, d.Addr, d.Size)
	}
	if len(batch) < udp.BatchMax && !m.Done() {
		r.conn.Wait(min(m.Deadline(), r.Endpoint.Deadline()) - r.now())
	}
	return nil
}

// resolve looks up HOST:PORT. An empty host stands for every address of this machine.
func resolve(hostPort string) (netip.AddrPort, error) {
	addr, err := net.ResolveUDPAddr("udp", hostPort)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a := addr.AddrPort()
	if !a.Addr().IsValid() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port()), nil
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// resolvePeer looks up the address of the other end, which can not be every address.
func resolvePeer(hostPort string) (netip.AddrPort, error) {
	a, err := resolve(hostPort)
	if err == nil && (a.Addr().IsUnspecified() || a.Port() == 0) {
		err = fmt.Errorf("%q: want a host and a port", hostPort)
	}
	return a, err
}

// anywhere returns the wildcard address from which an address can be reached.
func anywhere(to netip.AddrPort) netip.AddrPort {
	if to.Addr().Is6() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}
