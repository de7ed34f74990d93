package frag

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// record keeps a copy of every datagram on the network.
func (l *lab) record() *[]flight {
	var all []flight
	l.filter = func(from, to *end, b []byte) bool {
		all = append(all, flight{from: from, to: to, bytes: bytes.Clone(b)})
		return true
	}
	return &all
}

func typeOf(b []byte) wire.DatagramType { return wire.DatagramType(b[0] & 0xf) }

func (n *end) session(id wire.Peer) *session      { return &n.find(id).session }
func (n *end) counters(id wire.Peer) PeerCounters { return n.find(id).counters }

// TestRestartedPeerSpeaksFirst: it displaces the session that its dead run had, in about one round
// trip.
func TestRestartedPeerSpeaksFirst(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys)
		a, b := l.add(1, 5, 1, 1, 2), l.add(2, 5, 2, 1, 2)
		l.connect(a, b)
		b.start(3, 99, 1, 2)
		restart := l.now
		b.Send(l.now, 1, 1, []byte("here again"))
		l.run(time.Second, func() bool { return len(a.got) == 1 })
		if took := l.now - restart; took > 3*l.Delay.Mean {
			t.Errorf("took %v", took)
		}
		a.Send(l.now, 2, 1, []byte("welcome"))
		l.run(time.Second, func() bool { return len(b.got) == 1 })
		if s, _ := a.PeerStats(2); s.Incarnation != 3 || s.Sessions != 2 {
			t.Errorf("incarnation %d, %d sessions", s.Incarnation, s.Sessions)
		}
	})
}

func TestHelloOfDeadRun(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys)
		a, b := l.add(1, 5, 1, 1, 2), l.add(2, 5, 2, 1, 2)
		all := l.record()
		b.Send(l.now, 1, 1, []byte("first run"))
		l.run(time.Second, func() bool { return len(a.got) == 1 })
		hello := (*all)[0]
		if typeOf(hello.bytes) != wire.DatagramHello {
			t.Fatalf("%v came first", typeOf(hello.bytes))
		}
		l.filter = nil
		b.start(4, 99, 1, 2)
		b.Send(l.now, 1, 1, []byte("second run"))
		l.run(time.Second, func() bool { return len(a.got) == 2 })

		session := a.session(2).index
		for i := range 50 {
			l.inject(b, a, bytes.Clone(hello.bytes), time.Duration(i)*100*time.Microsecond)
			b.Send(l.now, 1, 1, []byte("still here"))
			l.pass(200 * time.Microsecond)
		}
		l.pass(time.Second)
		if a.session(2).index != session || len(a.got) != 52 {
			t.Errorf("the session was disturbed: %d of 52 messages", len(a.got))
		}
		if s := b.Stats(); s.Dropped(ReasonStaleHandshake) == 0 {
			t.Error("no HELLO_ACK was answered by nobody")
		}
	})
}

// TestHelloOfDeadRunDuringHandshake: belated HELLOs arrive while the new run opens its session.
func TestHelloOfDeadRunDuringHandshake(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys)
		a, b := l.add(1, 5, 1, 1, 2), l.add(2, 5, 2, 1, 2)
		var old [][]byte
		for run := range uint64(10) {
			b.start(5, 100+run, 1, 2)
			l.filter = func(from, to *end, d []byte) bool { old = append(old, bytes.Clone(d)); return false }
			b.Send(l.now, 1, 1, []byte("dead"))
			l.pass(time.Millisecond)
		}
		l.filter = nil
		b.start(5, 200, 1, 2)
		b.Send(l.now, 1, 1, []byte("alive"))
		for i, d := range old {
			l.inject(b, a, d, l.Delay.Mean+time.Duration(i)*20*time.Microsecond)
		}
		if took := l.run(time.Second, func() bool { return len(a.got) > 0 }); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		b.Send(l.now, 1, 1, []byte("alive"))
		l.run(100*time.Millisecond, func() bool { return len(a.got) > 1 })
	})
}

func TestCrossedOpen(t *testing.T) {
	for seed := range uint64(300) {
		l := newLabWith(t, seed, someKeys(seed), 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.Delay.Jitter = 90 * time.Microsecond
		if seed%2 == 0 {
			l.Loss.Random, l.Duplicate = 0.2, 0.1
		}
		a.Send(0, 2, 1, []byte("from a"))
		l.pass(time.Duration(seed%20) * 30 * time.Microsecond)
		b.Send(l.now, 1, 1, []byte("from b"))
		l.pass(2 * time.Second)
		x, y := a.session(2), b.session(1)
		if !x.active || !y.active || x.remoteIndex != y.index || y.remoteIndex != x.index {
			t.Fatalf("seed %d: no common session", seed)
		}
		if len(a.got) == 0 || len(b.got) == 0 {
			t.Errorf("seed %d: a got %d, b got %d", seed, len(a.got), len(b.got))
		}
		if l.Loss.Random == 0 && (a.counters(2).Sessions > 2 || b.counters(1).Sessions > 2) {
			t.Errorf("seed %d: %d and %d sessions", seed, a.counters(2).Sessions, b.counters(1).Sessions)
		}
		l.Loss.Random = 0
		a.got, b.got = nil, nil
		a.Send(l.now, 2, 1, []byte("again"))
		b.Send(l.now, 1, 1, []byte("again"))
		l.run(time.Second, func() bool { return len(a.got) == 1 && len(b.got) == 1 })
	}
}

// TestMessagesBeginAnew: what was begun in a session that the peer never had arrives in the next one,
// numbered from 1 and in its old order.
func TestMessagesBeginAnew(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.filter = func(from, _ *end, d []byte) bool { return from != a || d[0]&0xf != byte(wire.DatagramData) }
		const count = windowMessages + 100
		for i := range count {
			a.Send(l.now, 2, 2, fmt.Append(nil, i))
		}
		l.pass(10 * time.Millisecond)
		if s := a.session(2); !s.active || s.confirmed || a.find(2).out[2].begun.len() < 100 {
			t.Fatalf("nothing has begun in a session that the peer does not have: %v, %v", s.active, s.confirmed)
		}
		l.filter = nil
		b.start(6, 600, 1, 2)
		b.Send(l.now, 1, 1, []byte("it is me who opens"))
		l.run(time.Minute, func() bool { return len(b.got) == count })
		if first := string(b.got[0].bytes); first != "0" {
			t.Errorf("message %s came first", first)
		}
		// The next session follows one in which all of that was acknowledged.
		b.start(7, 700, 1, 2)
		b.Send(l.now, 1, 1, []byte("and again"))
		l.run(time.Second, func() bool { return len(a.got) == 2 })
		b.got = nil
		for i := range count {
			a.Send(l.now, 2, 2, fmt.Append(nil, i))
		}
		l.run(time.Minute, func() bool { return len(b.got) == count })
	})
}

func TestResetIsNeverLongerThanItsTriggerAndLimited(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a := l.ends[0]
	for size := wire.DatagramHeaderSize; size < 100; size++ {
		d := make([]byte, size)
		wire.Stamp(d, &wire.DatagramHeader{To: 77, Number: 5}, 1)
		var out Effects
		a.Step(time.Duration(size)*time.Second, addressOf(2), d, &out)
		if len(out.Datagrams) == 0 {
			if size >= wire.ResetSize {
				t.Errorf("%d bytes are not answered", size)
			}
			continue
		}
		if n := len(out.Datagrams[0].Bytes); n > size {
			t.Errorf("%d bytes are answered with %d", size, n)
		}
		before := a.Stats()
		a.Step(time.Duration(size)*time.Second, addressOf(2), out.Datagrams[0].Bytes, &out)
		if after := a.Stats(); after.Resets != before.Resets {
			t.Error("a RESET is answered with a RESET")
		}
	}
	var out Effects
	d := make([]byte, 100)
	wire.Stamp(d, &wire.DatagramHeader{To: 77, Number: 5}, 1)
	for range 10 * resetBurst {
		a.Step(time.Hour, addressOf(2), d, &out)
	}
	if len(out.Datagrams) > resetBurst {
		t.Errorf("%d RESETs at once", len(out.Datagrams))
	}
}

func TestRefusedHellos(t *testing.T) {
	hello := wire.Hello{Session: 1 << 20, Sender: wire.End{ID: 2, Incarnation: 1, Nonce: 7}, Target: 1}
	make := func(change func(h *wire.Hello), size int) []byte {
		h := hello
		change(&h)
		d := wire.AppendHello(wire.AppendGreeting(make([]byte, wire.DatagramHeaderSize), &wire.Greeting{}), &h)
		n := len(d) - wire.DatagramHeaderSize
		d = append(d, make([]byte, max(size-len(d), 0))...)
		wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramHello, Length: uint16(n)}, wire.HelloBinding())
		return d
	}
	same := func(*wire.Hello) {}
	damaged := make(same, wire.HelloSize)
	damaged[600] ^= 1
	for _, c := range []struct {
		name string
		d    []byte
		want Reason
		why  wire.Denied
	}{
		{"good", make(same, wire.HelloSize), 0, 0},
		{"short", make(same, wire.HelloSize-1), ReasonHandshake, 0},
		{"another target", make(func(h *wire.Hello) { h.Target = 3 }, wire.HelloSize), ReasonWrongTarget, wire.DeniedTarget},
		{"unknown replica", make(func(h *wire.Hello) { h.Sender.ID = 4 }, wire.HelloSize), ReasonUnknownPeer, wire.DeniedStranger},
		{"neither replica nor client", make(func(h *wire.Hello) { h.Sender.ID = 1 << 40 }, wire.HelloSize), ReasonUnknownPeer, wire.DeniedStranger},
		{"myself", make(func(h *wire.Hello) { h.Sender.ID = 1 }, wire.HelloSize), ReasonUnknownPeer, wire.DeniedStranger},
		{"no index", make(func(h *wire.Hello) { h.Session = 0 }, wire.HelloSize), ReasonHandshake, 0},
		{"no nonce", make(func(h *wire.Hello) { h.Sender.Nonce = 0 }, wire.HelloSize), ReasonHandshake, 0},
		{"damaged padding", damaged, ReasonChecksum, 0},
	} {
		l := newLab(t, 1, 1, 2)
		a := l.ends[0]
		var out Effects
		a.Step(0, addressOf(2), c.d, &out)
		if c.want == 0 {
			if len(out.Datagrams) != 1 || len(out.Datagrams[0].Bytes) > len(c.d) || typeOf(out.Datagrams[0].Bytes) != wire.DatagramHelloAck {
				t.Errorf("%s: answered with %v", c.name, out.Datagrams)
			}
			continue
		}
		if why := denialOf(out.Datagrams); why != c.why || a.Stats().Dropped(c.want) != 1 {
			t.Errorf("%s: not dropped for %v, or answered with %v", c.name, c.want, why)
		}
	}
}

// denialOf returns what the only datagram denies, or 0 if there is none.
func denialOf(ds []wire.Datagram) wire.Denied {
	if len(ds) != 1 {
		return 0
	}
	var denial wire.Denial
	if err := wire.DecodeDenial(ds[0].Bytes, &denial); err != nil {
		return 255
	}
	return denial.Why
}

// TestHelloRepeated: all repetitions of a HELLO get the same offer, so that any of the answers will do.
func TestHelloRepeated(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.Delay.Mean = 100 * time.Millisecond // longer than the first retries
		a.Send(0, 2, 1, []byte("x"))
		l.run(time.Second, func() bool { return len(b.got) == 1 })
		l.pass(2 * time.Second)
		if a.counters(2).Sessions != 1 || b.counters(1).Sessions != 1 {
			t.Errorf("%d and %d sessions", a.counters(2).Sessions, b.counters(1).Sessions)
		}
	})
}

func TestSessionFollowsPeerToItsNewAddress(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		b.addr = addressOf(200)
		b.Send(l.now, 1, 1, []byte("moved"))
		l.run(time.Second, func() bool { return len(a.got) == 1 })
		a.Send(l.now, 2, 1, []byte("seen"))
		l.run(time.Second, func() bool { return len(b.got) == 1 })
		if a.counters(2).Sessions != 1 {
			t.Error("a move costs a session")
		}
	})
}

func TestClients(t *testing.T) {
	l := newLab(t, 1, 1)
	a := l.ends[0]
	const more = 50
	var clients []*end
	for i := range ClientsMax + more {
		c := l.add(wire.ClientPeer(uint64(i+1)<<16, 0), 0, uint64(1000+i), 1)
		clients = append(clients, c)
	}
	l.ends = l.ends[:1]
	exchange := func(c *end) {
		l.ends = append(l.ends[:1], c)
		got := len(a.got)
		for len(a.got) == got {
			c.Send(l.now, 1, 2, []byte("request"))
			l.pass(time.Millisecond)
		}
		if !a.Send(l.now, c.id, 2, []byte("reply")) {
			t.Fatal("a reply was refused")
		}
		l.run(time.Second, func() bool { return len(c.got) > 0 })
		c.got = nil
	}
	for i, c := range clients {
		exchange(c)
		if i%100 == 0 {
			exchange(clients[0]) // stays, because it is heard
		}
	}
	s := a.Stats()
	if s.Clients != ClientsMax || s.Evicted != more {
		t.Errorf("%d clients, %d evicted", s.Clients, s.Evicted)
	}
	if a.find(clients[0].id) == nil || a.find(clients[1].id) != nil {
		t.Error("the wrong clients were evicted")
	}
	exchange(clients[1]) // an evicted client comes back by itself
	if n := clients[1].counters(1).Sessions; n != 2 {
		t.Errorf("it took %d sessions", n)
	}
}

// TestClientHellosEvictNobody: only who proves that it is there takes another one's place.
func TestClientHellosEvictNobody(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	client := l.add(wire.ClientPeer(1<<30, 0), 0, 5, 1)
	client.Send(0, 1, 2, []byte("x"))
	l.run(time.Second, func() bool { return len(a.got) == 1 })
	var out Effects
	for i := range uint64(3 * ClientsMax) {
		d := wire.AppendHello(wire.AppendGreeting(make([]byte, wire.DatagramHeaderSize, wire.HelloSize), &wire.Greeting{}), &wire.Hello{
			Session: 1, Sender: wire.End{ID: wire.ClientPeer(i<<20, 0), Nonce: i + 1}, Target: 1,
		})
		n := len(d) - wire.DatagramHeaderSize
		d = d[:wire.HelloSize]
		wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramHello, Length: uint16(n)}, wire.HelloBinding())
		a.Step(l.now, addressOf(9), d, &out)
		out.Reset()
	}
	if s := a.Stats(); s.Clients != 1 || s.Evicted != 0 || len(a.indexes.table) > clientOffersMax+10 {
		t.Errorf("%d clients, %d evicted, %d indexes", s.Clients, s.Evicted, len(a.indexes.table))
	}
	b.Send(l.now, 1, 1, []byte("replicas still get through"))
	l.run(time.Second, func() bool { return len(a.got) == 2 })
}

// TestClientVanishes: what is queued for a silent client, and the client, are dropped.
func TestClientVanishes(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1)
		a := l.ends[0]
		client := l.add(wire.ClientPeer(1<<30, 0), 0, 5, 1)
		client.Send(0, 1, 2, []byte("x"))
		l.run(time.Second, func() bool { return len(a.got) == 1 })
		l.filter = func(from, to *end, b []byte) bool { return false }
		a.Send(l.now, client.id, 2, text(1, 100_000))
		a.SendLatest(l.now, client.id, 2, []byte("x"))
		l.pass(silenceMax + time.Second)
		if s := a.Stats(); s.Clients != 0 || s.Queued != 0 || a.Deadline() != Never {
			t.Errorf("%d clients, %d bytes queued", s.Clients, s.Queued)
		}
	})
}

// TestMovedPeerComesBack: a peer that was last heard at an address that is dead now is looked for
// where the configuration says that it is as well.
func TestMovedPeerComesBack(t *testing.T) {
	home := netip.MustParseAddrPort("10.0.0.2:7000")
	e := New(Config{Self: 1, Incarnation: 1, Seed: 1, Replicas: []Address{{ID: 2, Addr: home}}})
	e.find(2).addr = netip.MustParseAddrPort("10.0.0.9:7000")
	if !e.Send(0, 2, 1, []byte("hello")) {
		t.Fatal("not taken")
	}
	var out Effects
	tried := map[netip.AddrPort]int{}
	for now := time.Duration(0); now < time.Second; now += time.Millisecond {
		out.Reset()
		e.Tick(now, &out)
		for _, d := range out.Datagrams {
			tried[d.Addr]++
		}
	}
	if len(tried) != 2 || tried[home] == 0 {
		t.Errorf("HELLOs went to %v", tried)
	}
}
