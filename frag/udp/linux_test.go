package udp_test

import (
	"net"
	"net/netip"
	"testing"

	"vrnode/frag/udp"
	"vrnode/wire"
)

// TestCase12NoAllocations: a batch is written, read and waited for without allocating anything.
func TestCase12NoAllocations(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		from, to := listen(t, addr), listen(t, addr)
		batch := make([]wire.Datagram, 10)
		for i := range batch {
			batch[i] = wire.Datagram{Addr: to.LocalAddr(), Bytes: make([]byte, 100), Joined: i >= len(batch)/2}
		}
		allocs := testing.AllocsPerRun(100, func() {
			from.WriteBatch(batch)
			for got := 0; got < len(batch); {
				to.Wait(1e9)
				b, _ := to.ReadBatch()
				got += len(b)
			}
			to.Wake()
			to.Wait(1e9)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations per batch", addr, allocs)
		}
	}
}

func TestOverflowIsCounted(t *testing.T) {
	from, to := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	batch := make([]wire.Datagram, udp.BatchMax)
	for i := range batch {
		batch[i] = wire.Datagram{Addr: to.LocalAddr(), Bytes: make([]byte, wire.DatagramMax)}
	}
	const batches = 200 // far more than the receive buffer holds
	for range batches {
		write(t, from, batch...)
	}
	drain := func() {
		for {
			if b, err := to.ReadBatch(); err != nil || len(b) == 0 {
				return
			}
		}
	}
	// The counter comes with a datagram that was queued after the drops.
	drain()
	write(t, from, batch[0])
	to.Wait(1e9)
	drain()
	s := to.Stats()
	if s.Overflowed == 0 || s.Received+s.Overflowed != batches*udp.BatchMax+1 {
		t.Errorf("sent %d, stats: %+v", batches*udp.BatchMax+1, s)
	}
}

func TestBuffersAreGranted(t *testing.T) {
	b := listen(t, netip.AddrPortFrom(netip.IPv6Loopback(), 0).String()).Buffers()
	if b.Receive == 0 || b.Send == 0 {
		t.Errorf("buffers not read back: %+v", b)
	}
}

func TestLinkLocalAddresses(t *testing.T) {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil || !prefix.Addr().Is6() || !prefix.Addr().IsLinkLocalUnicast() {
				continue
			}
			named := netip.AddrPortFrom(prefix.Addr().WithZone(i.Name), 0)
			from, to := listen(t, named.String()), listen(t, named.String())
			write(t, from, wire.Datagram{Addr: to.LocalAddr(), Bytes: []byte("x")})
			if d := receive(t, to, 1)[0]; d.Addr != from.LocalAddr() {
				t.Errorf("came from %v, want %v", d.Addr, from.LocalAddr())
			}
			return
		}
	}
	t.Skip("no interface has a link-local address")
}
