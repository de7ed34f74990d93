package frag

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// A third is somebody who did not ask for anything, at an address that an attacker forges. It keeps
// the account of what one end gets from there and sends there.
type third struct {
	t       *testing.T
	addr    netip.AddrPort
	in, out int
}

// newThird returns a third who looks at all that is sent from now on.
func newThird(t *testing.T, l *lab) *third {
	v := &third{t: t, addr: addressOf(250)}
	l.watch = func(from *end) { v.see(from) }
	return v
}

// pass hands a datagram to an end as if it came from the third.
func (v *third) pass(l *lab, to *end, d []byte) {
	v.in += len(d)
	to.Step(l.now, v.addr, bytes.Clone(d), &to.out)
	l.collect(to)
}

// see looks at what an end is about to send.
func (v *third) see(n *end) {
	v.t.Helper()
	for _, d := range n.out.Datagrams {
		if d.Addr == v.addr {
			v.out += len(d.Bytes)
		}
	}
	if v.out > amplificationMax*v.in {
		v.t.Fatalf("%d bytes to somebody who sent %d", v.out, v.in)
	}
}

// TestNobodyElseIsFlooded: who passes datagrams of a session on under the address of somebody else
// does not have that one flooded, nor takes anything from the session.
func TestNobodyElseIsFlooded(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		v := newThird(t, l)
		l.filter = func(from, to *end, d []byte) bool {
			if from == b && typeOf(d) == wire.DatagramData {
				v.pass(l, a, d) // the attacker is faster
			}
			return true
		}
		want := text(1, 1<<20)
		a.Send(l.now, 2, 3, want)
		l.run(20*time.Second, func() bool { return len(b.got) == 1 })
		if !bytes.Equal(b.got[0].bytes, want) || a.counters(2).Sessions != 1 || v.in == 0 || v.out == 0 {
			t.Errorf("%d sessions; %d bytes from the address and %d to it", a.counters(2).Sessions, v.in, v.out)
		}
		if s, _ := a.PeerStats(2); s.Addr != b.addr {
			t.Errorf("the peer is said to be at %v", s.Addr)
		}
	})
}

// TestNobodyElseIsFloodedInANewSession: the same while the session is opened, when nothing is known
// of the peer.
func TestNobodyElseIsFloodedInANewSession(t *testing.T) {
	for _, c := range []struct {
		name        string
		hello, data bool // what the attacker passes on
		withheld    bool // and what of it is DATA arrives nowhere else
		answers     int
	}{
		{"HELLO", true, false, false, 1},
		{"DATA", false, true, false, 1},
		{"all of it", true, true, false, 1},
		{"DATA, withheld", false, true, true, 1},
		{"all of it, withheld", true, true, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, keys []noise.Key) {
				l := newLabWith(t, 1, keys, 1, 2)
				a := l.ends[0]
				client := l.add(wire.ClientPeer(1<<40, 0), 0, 5, 1, 2)
				v := newThird(t, l)
				passed := 0
				l.filter = func(from, to *end, d []byte) bool {
					data := typeOf(d) == wire.DatagramData
					if from == client && (c.hello && typeOf(d) == wire.DatagramHello || c.data && data) {
						if passed++; passed > 10 && !c.withheld {
							return true // whoever is faster all the time keeps the peers apart
						}
						v.pass(l, a, d)
						return !data || !c.withheld
					}
					return true
				}
				a.onMessage = func(m Delivery) {
					if m.From == client.id {
						a.Send(l.now, client.id, 2, text(2, 300_000))
					}
				}
				client.Send(0, 1, 2, []byte("request"))
				if c.withheld {
					l.pass(20 * time.Second)
					if v.in == 0 || v.out == 0 || len(client.got) != c.answers {
						t.Errorf("%d bytes from the address and %d to it, %d answers", v.in, v.out, len(client.got))
					}
					return
				}
				l.run(10*time.Second, func() bool { return len(client.got) == 1 })
				if s, _ := a.PeerStats(client.id); s.Addr != client.addr || s.Sessions != 1 {
					t.Errorf("%d sessions, the client is said to be at %v", s.Sessions, s.Addr)
				}
			})
		})
	}
}

// TestMoveIsProvenOnce: a peer that has moved gets one PATH_CHALLENGE after the other until one
// arrives, and then everything.
func TestMoveIsProvenOnce(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		old := b.addr
		b.addr = addressOf(200)
		lost := 0
		l.filter = func(from, _ *end, _ []byte) bool {
			if from == a && lost < 2 { // all that can find it is a challenge
				lost++
				return false
			}
			return true
		}
		b.Send(l.now, 1, 1, []byte("moved"))
		l.run(time.Second, func() bool { return len(a.got) == 1 })
		if s, _ := a.PeerStats(2); s.Addr != old {
			t.Errorf("the peer is believed to be at %v", s.Addr)
		}
		a.Send(l.now, 2, 3, text(1, 200_000))
		l.run(5*time.Second, func() bool { return len(b.got) == 1 })
		if s, _ := a.PeerStats(2); s.Addr != b.addr || s.Sessions != 1 || lost != 2 {
			t.Errorf("%d sessions, the peer is said to be at %v", s.Sessions, s.Addr)
		}
		if m := &a.session(2).move; m.to.IsValid() || a.session(2).mute {
			t.Errorf("the move is not over: %+v", m)
		}
	})
}

// TestMoveBack: a peer that has moved is back where it belongs, and has nothing to say. Who has something
// for it finds it there before the session is given up.
func TestMoveBack(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		home := b.addr
		b.addr = addressOf(200)
		b.Send(l.now, 1, 1, []byte("moved"))
		l.run(time.Second, func() bool { s, _ := a.PeerStats(2); return s.Addr == b.addr })
		b.addr = home
		a.Send(l.now, 2, 1, []byte("are you there?"))
		l.run(time.Second, func() bool { s, _ := a.PeerStats(2); return len(b.got) == 1 && s.Addr == home })
		if s, _ := a.PeerStats(2); s.Sessions != 1 {
			t.Errorf("it took %d sessions", s.Sessions)
		}
	})
}

// TestBothMoveBack: two peers that have both moved are back where they belong at the same time, so that
// neither gets what the other sends to where it was.
func TestBothMoveBack(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		homes := [...]netip.AddrPort{a.addr, b.addr}
		arrived := func() bool {
			atA, _ := b.PeerStats(1)
			atB, _ := a.PeerStats(2)
			return atA.Addr == a.addr && atB.Addr == b.addr
		}
		a.addr = addressOf(200)
		a.Send(l.now, 2, 1, []byte("moved"))
		l.run(time.Second, arrived)
		b.addr = addressOf(201)
		b.Send(l.now, 1, 1, []byte("I, too"))
		l.run(time.Second, arrived)
		a.addr, b.addr = homes[0], homes[1]
		a.Send(l.now, 2, 1, []byte("back"))
		l.run(time.Second, func() bool { return len(b.got) == 2 && arrived() })
		if s, _ := a.PeerStats(2); s.Sessions != 1 {
			t.Errorf("it took %d sessions", s.Sessions)
		}
	})
}

// TestForgedPathResponse: a token that was not sent to the address proves nothing.
func TestForgedPathResponse(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	s := a.session(2)
	elsewhere := addressOf(200)
	from := func(addr netip.AddrPort, frame []byte) {
		a.Step(l.now, addr, b.session(1).datagram(frame), &a.out)
	}
	from(elsewhere, wire.AppendPing(nil))
	token := s.move.token
	for _, wrong := range []uint64{1, token + 1} {
		from(elsewhere, wire.AppendResponse(nil, wrong))
	}
	from(addressOf(201), wire.AppendPing(nil)) // another move
	from(addressOf(201), wire.AppendResponse(nil, token))
	if a.find(2).addr != b.addr {
		t.Errorf("the peer is believed to be at %v", a.find(2).addr)
	}
	from(addressOf(201), wire.AppendResponse(nil, s.move.token))
	if a.find(2).addr != addressOf(201) {
		t.Errorf("the peer is believed to be at %v", a.find(2).addr)
	}
}

// TestChallengesAreBounded: nothing is heard any more, so an end asks again and again, but not at an
// address from which little has come.
func TestChallengesAreBounded(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		v := newThird(t, l)
		l.filter = func(_, _ *end, _ []byte) bool { return false }
		v.pass(l, a, b.session(1).datagram(wire.AppendPing(nil)))
		a.Send(l.now, 2, 1, []byte("x"))
		l.pass(silenceMax - time.Second)
		if a.counters(2).Probes < 5 || v.out == 0 {
			t.Errorf("%d probes, %d bytes to the address", a.counters(2).Probes, v.out)
		}
	})
}

// TestNewAddressIsAnotherPath: what is known of the path is forgotten when a peer comes from another
// IP address, and kept when it only comes from another port.
func TestNewAddressIsAnotherPath(t *testing.T) {
	home := addressOf(2)
	for _, c := range []struct {
		name  string
		to    netip.AddrPort
		other bool
	}{
		{"another port", netip.AddrPortFrom(home.Addr(), 7001), false},
		{"another address", addressOf(200), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.connect(a, b)
			l.carryWithin(5*time.Second, a, b)
			l.pass(time.Second)
			b.addr = c.to
			if c.other {
				l.MTU = 1500
			}
			b.Send(l.now, 1, 1, []byte("moved"))
			l.run(time.Second, func() bool { return a.find(2).addr == c.to })
			s, _ := a.PeerStats(2)
			if forgotten := s.Datagram == wire.DatagramBase && s.Rate == 0; forgotten != c.other {
				t.Errorf("%+v", s)
			}
			l.carryWithin(5*time.Second, a, b)
			l.pass(time.Second)
			if want := map[bool]int{false: wire.DatagramMax, true: 1472}[c.other]; a.size(2) != want || a.counters(2).Shrunk != 0 || a.counters(2).Lost != 0 {
				t.Errorf("datagrams of %d bytes; %+v", a.size(2), a.counters(2))
			}
		})
	}
}
