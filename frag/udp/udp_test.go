package udp_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vrnode/frag/udp"
	"vrnode/wire"
)

func listen(t testing.TB, addr string) *udp.Conn {
	t.Helper()
	c, err := udp.Listen(netip.MustParseAddrPort(addr))
	if err != nil {
		t.Skip(err) // no IPv6 here
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// receive waits for n datagrams and returns copies of them.
func receive(t testing.TB, c *udp.Conn, n int) []wire.Datagram {
	t.Helper()
	var got []wire.Datagram
	for limit := time.Now().Add(10 * time.Second); len(got) < n; {
		if time.Now().After(limit) {
			t.Fatalf("received %d datagrams of %d", len(got), n)
		}
		c.Wait(time.Until(limit))
		batch, err := c.ReadBatch()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			got = append(got, wire.Datagram{Addr: d.Addr, Bytes: bytes.Clone(d.Bytes)})
		}
	}
	return got
}

func write(t testing.TB, c *udp.Conn, batch ...wire.Datagram) {
	t.Helper()
	if err := c.WriteBatch(batch); err != nil {
		t.Fatal(err)
	}
}

func TestBatchesArrive(t *testing.T) {
	for _, c := range []struct{ name, sender, receiver, via string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "[::1]:0", "::1"},
		{"wildcard hears IPv4", "127.0.0.1:0", "[::]:0", "127.0.0.1"},
		{"wildcard speaks IPv4", "[::]:0", "127.0.0.1:0", "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := listen(t, c.sender), listen(t, c.receiver)
			dest := netip.AddrPortFrom(netip.MustParseAddr(c.via), to.LocalAddr().Port())
			// More than a batch, of every length, the empty one included.
			var sent []wire.Datagram
			for i := range 3*udp.BatchMax + 1 {
				sent = append(sent, wire.Datagram{Addr: dest, Bytes: bytes.Repeat([]byte{byte(i)}, i*13%wire.DatagramMax)})
			}
			write(t, from, sent...)
			for i, d := range receive(t, to, len(sent)) {
				if !bytes.Equal(d.Bytes, sent[i].Bytes) {
					t.Fatalf("datagram %d: %d bytes, want %d", i, len(d.Bytes), len(sent[i].Bytes))
				}
				if want := netip.AddrPortFrom(netip.MustParseAddr(c.via), from.LocalAddr().Port()); d.Addr != want {
					t.Fatalf("datagram %d came from %v, want %v", i, d.Addr, want)
				}
			}
			if s := from.Stats(); s.Sent != uint64(len(sent)) {
				t.Errorf("sender's stats: %+v", s)
			}
			if s := to.Stats(); s.Received != uint64(len(sent)) {
				t.Errorf("receiver's stats: %+v", s)
			}
		})
	}
}

func TestLossIsNotFatal(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	closed := listen(t, "127.0.0.1:0")
	gone := closed.LocalAddr()
	closed.Close()
	to := listen(t, "127.0.0.1:0")
	hello := wire.Datagram{Addr: to.LocalAddr(), Bytes: []byte("hello")}
	write(t, c,
		hello,
		wire.Datagram{Addr: gone, Bytes: []byte("nobody is there")},
		wire.Datagram{Addr: netip.MustParseAddrPort("[2001:db8::1]:1"), Bytes: []byte("another family")},
		wire.Datagram{Addr: hello.Addr, Bytes: make([]byte, 66000)},
		wire.Datagram{Bytes: []byte("no address")},
		hello,
	)
	receive(t, to, 2)
	if s := c.Stats(); s.Lost < 3 || s.Blocked != 0 {
		t.Errorf("three datagrams could not leave, but stats are %+v", s)
	}
	if big := c.TooBig(); len(big) != 1 || big[0] != (udp.TooBig{Addr: hello.Addr, Size: 66000}) {
		t.Errorf("too big: %v", big)
	}
	// The port that nobody listens at may have been reported back; it must not matter.
	if _, err := c.ReadBatch(); err != nil {
		t.Error(err)
	}
	write(t, c, hello)
	receive(t, to, 1)
}

func TestTooLongIsDropped(t *testing.T) {
	from, to := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	write(t, from,
		wire.Datagram{Addr: to.LocalAddr(), Bytes: make([]byte, wire.DatagramMax+1)},
		wire.Datagram{Addr: to.LocalAddr(), Bytes: []byte("short")})
	if d := receive(t, to, 1)[0]; string(d.Bytes) != "short" {
		t.Errorf("received %d bytes", len(d.Bytes))
	}
	if s := to.Stats(); s.Truncated != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestWakeEndsWait(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	c.Wake()
	c.Wait(time.Hour) // a Wake before the Wait counts
	for range 1000 {
		woken := make(chan struct{})
		go func() {
			c.Wake()
			close(woken)
		}()
		c.Wait(time.Hour)
		<-woken
	}
}

func TestWaitEndsWhenReadable(t *testing.T) {
	from, to := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	write(t, from, wire.Datagram{Addr: to.LocalAddr(), Bytes: []byte("x")})
	to.Wait(time.Hour)
	receive(t, to, 1)
}

func TestWaitTimesOut(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	start := time.Now()
	for time.Since(start) < 100*time.Microsecond {
		c.Wait(100*time.Microsecond - time.Since(start))
	}
	c.Wait(0)
	c.Wait(-time.Second)
}

// TestSpin: a Wait that spins ends by the same events.
func TestSpin(t *testing.T) {
	from, to := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	to.Spin(time.Hour)
	to.Wait(time.Microsecond)
	go func() { to.Wake() }()
	to.Wait(time.Hour)
	write(t, from, wire.Datagram{Addr: to.LocalAddr(), Bytes: []byte("x")})
	to.Wait(time.Hour)
	receive(t, to, 1)
	to.Spin(time.Microsecond)
	write(t, from, wire.Datagram{Addr: to.LocalAddr(), Bytes: []byte("y")})
	to.Wait(time.Hour)
	receive(t, to, 1)
}

func TestClosed(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c.Wake()
	if _, err := c.ReadBatch(); err != net.ErrClosed {
		t.Errorf("ReadBatch: %v", err)
	}
	if err := c.WriteBatch([]wire.Datagram{{Addr: c.LocalAddr(), Bytes: []byte("x")}}); err != net.ErrClosed {
		t.Errorf("WriteBatch: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	addr := listen(t, "127.0.0.1:0").LocalAddr()
	_, err := udp.Listen(addr)
	if err == nil || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("second Listen: %v", err)
	}
}

func TestAdvice(t *testing.T) {
	if s := (udp.Buffers{}).Advice(); s != "" {
		t.Errorf("nothing known, but advice: %s", s)
	}
	if s := (udp.Buffers{Receive: udp.BufferWanted, Send: udp.BufferWanted}).Advice(); s != "" {
		t.Errorf("all granted, but advice: %s", s)
	}
	if s := (udp.Buffers{Receive: udp.BufferWanted, Send: 208 << 10}).Advice(); !strings.Contains(s, "send buffer is 208 KiB instead of 4096 KiB") || strings.Contains(s, "receive") {
		t.Errorf("advice: %s", s)
	}
	if s := (udp.Buffers{Receive: 1 << 20, Send: 208 << 10}).Advice(); !strings.Contains(s, "receive buffer is 1024 KiB") ||
		!strings.Contains(s, "send buffer is 208 KiB") || strings.Count(s, fmt.Sprintf("=%d", udp.BufferWanted)) != 2 {
		t.Errorf("advice: %s", s)
	}
}

func BenchmarkPingPong(b *testing.B) {
	x, y := listen(b, "127.0.0.1:0"), listen(b, "127.0.0.1:0")
	closing := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		udp.OwnThread()
		echo(y, closing)
	}()
	ping := []wire.Datagram{{Addr: y.LocalAddr(), Bytes: make([]byte, 64)}}
	for b.Loop() {
		x.WriteBatch(ping)
		for {
			if batch, _ := x.ReadBatch(); len(batch) > 0 {
				break
			}
			x.Wait(time.Second)
		}
	}
	close(closing)
	y.Wake()
	<-done
}

func echo(c *udp.Conn, closing chan struct{}) {
	for {
		select {
		case <-closing:
			return
		default:
		}
		if batch, _ := c.ReadBatch(); len(batch) > 0 {
			c.WriteBatch(batch)
		}
		c.Wait(time.Second)
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{64, 1200} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			from, to := listen(b, "127.0.0.1:0"), listen(b, "127.0.0.1:0")
			batch := make([]wire.Datagram, udp.BatchMax)
			for i := range batch {
				batch[i] = wire.Datagram{Addr: to.LocalAddr(), Bytes: make([]byte, size)}
			}
			b.SetBytes(int64(size * len(batch)))
			for b.Loop() {
				from.WriteBatch(batch)
				to.ReadBatch()
			}
		})
	}
}
