package relay

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/wire"
)

// A peer is a socket that is a replica for the relay.
type peer struct {
	conn *net.UDPConn
	got  chan string
}

// start opens a relay with two replicas and a client.
func start(t *testing.T) (*Relay, [3]*peer) {
	t.Helper()
	r, err := New(2, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	var peers [3]*peer
	for i := range peers {
		at := "127.0.0.1:0"
		if id := uint64(i + 1); id <= 2 {
			at = r.Peers(scenario.Site(id))[id]
		}
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{conn, make(chan string, 10_000)}
		peers[i] = p
		t.Cleanup(func() { conn.Close() })
		go p.read()
	}
	return r, peers
}

func (p *peer) read() {
	var b [2048]byte
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			return
		}
		p.got <- fmt.Sprintf("%s from %v", b[:n], from)
	}
}

// send sends a text to the address that site s has for replica to.
func (p *peer) send(t *testing.T, r *Relay, s, to int, text []byte) {
	t.Helper()
	addr := netip.MustParseAddrPort(r.Peers(scenario.Site(s))[uint64(to)])
	if _, err := p.conn.WriteToUDPAddrPort(text, addr); err != nil {
		t.Fatal(err)
	}
}

func (p *peer) wants(t *testing.T, text string) {
	t.Helper()
	select {
	case got := <-p.got:
		if got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("%q never came", text)
	}
}

// settle waits until a direction has carried or lost all of a number of datagrams.
func settle(t *testing.T, r *Relay, d scenario.Direction, offered uint64) link.Counters {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		spans, _ := r.Measure(d)
		c := spans[len(spans)-1]
		gone := c.Delivered
		for _, n := range c.Lost {
			gone += n
		}
		if c.Offered == offered && gone == c.Offered+c.Duplicated {
			return c
		}
	}
	t.Fatalf("not all of %d datagrams came or were lost", offered)
	return link.Counters{}
}

var there = scenario.Direction{From: 1, To: 2}

// TestAddresses: what comes from a site comes from the address that the receiver has for it.
func TestAddresses(t *testing.T) {
	r, p := start(t)
	p[0].send(t, r, 1, 2, []byte("hello"))
	p[1].wants(t, "hello from "+r.Peers(2)[1])
	p[1].send(t, r, 2, 1, []byte("hi"))
	p[0].wants(t, "hi from "+r.Peers(1)[2])

	p[2].send(t, r, 3, 1, []byte("ask")) // the client
	p[0].wants(t, "ask from "+r.lanes[scenario.Direction{From: 1, To: 3}].port.LocalAddr().String())
	addr := r.lanes[scenario.Direction{From: 1, To: 3}].port.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := p[0].conn.WriteToUDPAddrPort([]byte("answer"), addr); err != nil {
		t.Fatal(err)
	}
	p[2].wants(t, "answer from "+r.Peers(3)[1])
}

// TestRebind: a client and a replica get another port, and their own again. A client's own is closed
// meanwhile, and the other one afterwards.
func TestRebind(t *testing.T) {
	r, p := start(t)
	const client = 3
	port := func(from, to scenario.Site) *net.UDPConn {
		return r.lanes[scenario.Direction{From: from, To: to}].source()
	}
	to := func(from, conn *net.UDPConn, text string) {
		t.Helper()
		if _, err := from.WriteToUDPAddrPort([]byte(text), conn.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
			t.Fatal(err)
		}
	}
	release := func(s scenario.Site, want int) {
		t.Helper()
		if got, err := r.Release(s); err != nil || got != want {
			t.Errorf("%d datagrams have come to the other port of site %d, %v, want %d", got, s, err, want)
		}
	}
	p[2].send(t, r, client, 1, []byte("ask"))
	p[0].wants(t, "ask from "+port(client, 1).LocalAddr().String())

	own := port(client, 1)
	if err := r.Rebind(client); err != nil {
		t.Fatal(err)
	}
	other := port(client, 1)
	p[2].send(t, r, client, 1, []byte("ask"))
	p[0].wants(t, "ask from "+other.LocalAddr().String())
	to(p[0].conn, own, "lost")
	to(p[0].conn, other, "answer")
	p[2].wants(t, "answer from "+r.Peers(client)[1])
	settle(t, r, scenario.Direction{From: 1, To: client}, 2) // both have come to the end of the link
	release(client, 1)
	p[2].send(t, r, client, 1, []byte("ask"))
	p[0].wants(t, "ask from "+own.LocalAddr().String())
	to(p[0].conn, other, "lost")
	to(p[0].conn, own, "answer")
	p[2].wants(t, "answer from "+r.Peers(client)[1])

	home := port(2, 1)
	if err := r.Rebind(2); err != nil {
		t.Fatal(err)
	}
	other = port(2, 1)
	p[1].send(t, r, 2, 1, []byte("from elsewhere"))
	p[0].wants(t, "from elsewhere from "+other.LocalAddr().String())
	to(p[0].conn, home, "home")
	p[1].wants(t, "home from "+r.Peers(2)[1])
	if err := r.Rebind(2); err != nil {
		t.Fatal(err)
	}
	to(p[0].conn, other, "lost")
	to(p[0].conn, port(2, 1), "to the third port")
	p[1].wants(t, "to the third port from "+r.Peers(2)[1])
	settle(t, r, there, 3)
	release(2, 1)
	if home != port(2, 1) {
		t.Error("the replica has not its own port again")
	}
	select {
	case got := <-p[1].got:
		t.Errorf("%q got in", got)
	case got := <-p[2].got:
		t.Errorf("%q got in", got)
	default:
	}
}

// TestStranger: a port is for one site, and whoever else finds it is ignored.
func TestStranger(t *testing.T) {
	r, p := start(t)
	p[1].send(t, r, 1, 2, []byte("forged"))
	p[0].send(t, r, 1, 2, []byte("real"))
	p[1].wants(t, "real from "+r.Peers(2)[1])
	settle(t, r, there, 1)
}

// TestAchieved: the link does what it is asked to do, and Deviations finds out if it does not.
func TestAchieved(t *testing.T) {
	r, p := start(t)
	asked := link.Settings{
		Loss: link.Loss{Random: 0.2}, Duplicate: 0.1, Corrupt: 0.05,
		Delay: link.Delay{Mean: 10 * time.Millisecond, Jitter: 2 * time.Millisecond},
	}
	if err := r.Set(scenario.Changed{Direction: there, Settings: asked}); err != nil {
		t.Fatal(err)
	}
	const count = 4000
	for i := range count {
		p[0].send(t, r, 1, 2, fmt.Append(nil, i))
		if i%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	c := settle(t, r, there, count)
	// What a busy machine was late by is no delay of the link.
	_, late := r.Measure(there)
	c.Delays.Sum -= late[len(late)-1].Sum
	if wrong := asked.Deviations(&c, 0); len(wrong) > 0 {
		t.Error(wrong)
	}
	asked.Loss.Random, asked.Delay.Mean = 0.4, 100*time.Millisecond
	if wrong := asked.Deviations(&c, 0); len(wrong) != 2 {
		t.Errorf("of loss and delay: %v", wrong)
	}
}

// TestDown: nothing gets through, one way only, and what was sent before still arrives.
func TestDown(t *testing.T) {
	r, p := start(t)
	if err := r.Set(scenario.Changed{Direction: there, Settings: link.Settings{Delay: link.Delay{Mean: 50 * time.Millisecond}}}); err != nil {
		t.Fatal(err)
	}
	p[0].send(t, r, 1, 2, []byte("before"))
	for offered := uint64(0); offered == 0; time.Sleep(time.Millisecond) {
		spans, _ := r.Measure(there)
		offered = spans[1].Offered
	}
	if err := r.Set(scenario.Changed{Direction: there, Settings: link.Settings{Down: true}}); err != nil {
		t.Fatal(err)
	}
	p[0].send(t, r, 1, 2, []byte("during"))
	settle(t, r, there, 1)
	p[1].send(t, r, 2, 1, []byte("back"))
	p[0].wants(t, "back from "+r.Peers(1)[2])
	if err := r.Set(scenario.Changed{Direction: there, Settings: link.Settings{}}); err != nil {
		t.Fatal(err)
	}
	p[1].wants(t, "before from "+r.Peers(2)[1])
	p[0].send(t, r, 1, 2, []byte("after"))
	p[1].wants(t, "after from "+r.Peers(2)[1])
	settle(t, r, there, 1)
	var delivered []uint64
	spans, _ := r.Measure(there)
	for _, c := range spans {
		delivered = append(delivered, c.Delivered)
	}
	if want := []uint64{0, 1, 0, 1}; !slices.Equal(delivered, want) {
		t.Errorf("delivered %v under the four settings, want %v", delivered, want)
	}
}

// TestDrop loses the second DoViewChange and nothing else.
func TestDrop(t *testing.T) {
	r, p := start(t)
	message := func(kind wire.Kind, mark byte) []byte {
		b := wire.AppendLatest(make([]byte, wire.DatagramHeaderSize), &wire.Latest{Seq: 1, Bytes: []byte{byte(kind), mark}})
		wire.Stamp(b, &wire.DatagramHeader{Length: uint16(len(b) - wire.DatagramHeaderSize)}, 0)
		return b
	}
	lost, stop, err := r.Drop(wire.KindDoViewChange, []scenario.Direction{there}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, other := message(wire.KindDoViewChange, '1'), message(wire.KindCommit, '2')
	second, third := message(wire.KindDoViewChange, '3'), message(wire.KindDoViewChange, '4')
	for _, b := range [][]byte{first, other, second, third} {
		p[0].send(t, r, 1, 2, b)
	}
	for _, b := range [][]byte{first, other, third} {
		p[1].wants(t, string(b)+" from "+r.Peers(2)[1])
	}
	if lost() != 1 {
		t.Errorf("lost %d", lost())
	}
	p[1].send(t, r, 2, 1, second)
	p[0].wants(t, string(second)+" from "+r.Peers(1)[2])

	stop() // of what has ended already
	_, stop, err = r.Drop(wire.KindCommit, []scenario.Direction{there}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	p[0].send(t, r, 1, 2, other)
	p[1].wants(t, string(other)+" from "+r.Peers(2)[1])
}
