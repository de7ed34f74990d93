package frag

import (
	"bytes"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// TestCase03Restart: a peer that was killed and started again is talked to after two round trips, and
// nothing of its past is delivered to it or from it, though all of that comes back for a minute.
func TestCase03Restart(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		for name, incarnation := range map[string]wire.Incarnation{"later": 9, "same": 5, "clock went back": 2} {
			t.Run(name, func(t *testing.T) {
				l := newLabWith(t, 1, keys)
				a, b := l.add(1, 5, 1, 1, 2), l.add(2, 5, 2, 1, 2)
				old := l.record()
				l.connect(a, b)
				a.Send(l.now, 2, 1, []byte("before"))
				b.Send(l.now, 1, 1, text(1, 20_000))
				l.run(time.Second, func() bool { return len(a.got) == 1 && len(b.got) == 1 })
				l.filter = nil

				b.start(incarnation, 77, 1, 2)
				restart := l.now
				a.Send(l.now, 2, 1, []byte("lost in the restart"))
				l.run(time.Second, func() bool {
					return a.session(2).active && a.session(2).remote.Nonce != 0 && a.counters(2).Sessions == 2
				})
				// One round trip for the RESET, one for the handshake.
				if took := l.now - restart; took > 4*l.Delay.Mean {
					t.Errorf("a new session took %v", took)
				}
				a.Send(l.now, 2, 1, []byte("after"))
				l.run(time.Second, func() bool { return len(b.got) == 1 })
				if string(b.got[0].bytes) != "after" {
					t.Errorf("%q was delivered", b.got[0].bytes)
				}
				b.Send(l.now, 1, 1, []byte("answer"))
				a.got = nil
				l.run(time.Second, func() bool { return len(a.got) == 1 })

				sessions := a.counters(2).Sessions
				for range 60 {
					for _, f := range *old {
						l.inject(f.from, f.to, bytes.Clone(f.bytes), time.Duration(l.rng.Int64N(int64(time.Second))))
					}
					l.pass(time.Second)
				}
				if len(a.got) != 1 || len(b.got) != 1 {
					t.Error("old datagrams delivered something")
				}
				if a.counters(2).Sessions != sessions || b.counters(1).Sessions != 1 {
					t.Error("old datagrams made a session")
				}
			})
		}
	})
}

// TestCase03ForgedReset: whoever does not know the number of a datagram in flight ends no session.
func TestCase03ForgedReset(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.Delay.Mean = 10 * time.Millisecond
	a.Send(l.now, 2, 1, []byte("in flight"))
	l.tick(a)
	s := a.session(2)
	reset := func(r wire.Reset) {
		d := wire.AppendReset(make([]byte, wire.DatagramHeaderSize), &r)
		wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramReset, Length: uint16(len(d) - wire.DatagramHeaderSize)}, wire.ResetBinding())
		a.Step(l.now, b.addr, d, &a.out)
	}
	number := s.sent.next - 1
	reset(wire.Reset{Sender: 2, To: s.remoteIndex, Number: number + 1})
	reset(wire.Reset{Sender: 2, To: s.remoteIndex, Number: number - 1000})
	reset(wire.Reset{Sender: 2, To: s.remoteIndex, Number: 0})
	reset(wire.Reset{Sender: 2, To: s.remoteIndex + 1<<16, Number: number})
	reset(wire.Reset{Sender: 3, To: s.remoteIndex, Number: number})
	if !s.active || a.Stats().Dropped(ReasonStaleHandshake) != 5 {
		t.Fatalf("a forged RESET was believed; %d were dropped", a.Stats().Dropped(ReasonStaleHandshake))
	}
	reset(wire.Reset{Sender: 2, To: s.remoteIndex, Number: number})
	if s.active || !a.find(2).opening.active {
		t.Error("a true RESET was not believed")
	}
}
