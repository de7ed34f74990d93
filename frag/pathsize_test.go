package frag

import (
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/netem/link"
	"vrnode/wire"
)

// size returns how long the datagrams from one end to another may be.
func (n *end) size(to wire.Peer) int { return n.session(to).path.size }

// carryWithin has the lab carry a long message within a time.
func (l *lab) carryWithin(d time.Duration, from, to *end) {
	l.t.Helper()
	to.got = nil
	if !from.Send(l.now, to.id, 3, text(7, 1<<20)) {
		l.t.Fatal("refused")
	}
	if took := l.run(d, func() bool { return len(to.got) == 1 }); took > d {
		l.t.Fatalf("a message takes %v", took)
	}
}

// TestPathSizeIsFound: the longest datagrams that the path carries, one after the other way round,
// with loss and without. What a probe finds out is no loss.
func TestPathSizeIsFound(t *testing.T) {
	for i, c := range []struct {
		mtu  int
		loss float64
		want int
	}{
		{0, 0, 8972}, {9000, 0, 8972}, {8999, 0, 8952}, {8000, 0, 4052}, {1500, 0, 1472}, {1499, 0, 1452}, {1400, 0, 1372},
		{1280, 0, 1232}, {1259, 0, 1200}, {1228, 0, 1200}, {9000, 0.1, 8972}, {1500, 0.1, 1472},
	} {
		l := newLabWith(t, 3, someKeys(uint64(i)), 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.Delay.Mean = 2 * time.Millisecond
		l.MTU = c.mtu
		l.connect(a, b)
		l.Loss.Random = c.loss
		l.carryWithin(5*time.Second, a, b)
		l.pass(time.Second)
		if a.size(2) != c.want {
			t.Errorf("an MTU of %d, loss %g: datagrams of %d bytes, want %d", c.mtu, c.loss, a.size(2), c.want)
		}
		if s := a.counters(2); c.loss == 0 && (s.Lost != 0 || s.Probes != 0 || s.Shrunk != 0) {
			t.Errorf("an MTU of %d: %+v", c.mtu, s)
		}
		sent := a.counters(2).Sent
		if l.pass(time.Hour); a.counters(2).Sent != sent {
			t.Errorf("an MTU of %d: %d datagrams of an idle session", c.mtu, a.counters(2).Sent-sent)
		}
	}
}

// TestShortMessagesNeedNoPathSize: nothing is tried until a message does not fit.
func TestShortMessagesNeedNoPathSize(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	longest := 0
	l.filter = func(from, to *end, d []byte) bool { longest = max(longest, len(d)); return true }
	for range 100 {
		a.Send(l.now, 2, 0, text(1, wire.SingleMax))
		l.pass(time.Millisecond)
	}
	if longest > wire.DatagramBase || a.size(2) != wire.DatagramBase {
		t.Errorf("a datagram of %d bytes", longest)
	}
}

// TestPathSizeRaises: a path that has become better is used when it is looked at again, and not
// before.
func TestPathSizeRaises(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.MTU = 1500
	l.connect(a, b)
	l.carryWithin(time.Second, a, b)
	l.pass(time.Second)
	l.MTU = 9000
	l.pass(pathRaise - 10*time.Second)
	l.carryWithin(time.Second, a, b)
	l.pass(time.Second)
	if a.size(2) != 1472 {
		t.Errorf("datagrams of %d bytes before it is time", a.size(2))
	}
	l.pass(10 * time.Second)
	l.carryWithin(time.Second, a, b)
	l.pass(time.Second)
	if a.size(2) != 8972 {
		t.Errorf("datagrams of %d bytes after %v", a.size(2), pathRaise)
	}
}

// TestPathShrinksInTheMiddle of a transfer: what is under way is cut anew and arrives, whether or
// not short messages still do beside it, and the longer length is found in the end.
func TestPathShrinksInTheMiddle(t *testing.T) {
	for _, beside := range []bool{false, true} {
		for _, mtu := range []int{1500, 1228} {
			l := newLab(t, 5, 1, 2)
			a, b := l.ends[0], l.ends[1]
			path := bottleneck(wanRate, 10*time.Millisecond, 1, 0)
			path.MTU = 9000
			neck := l.narrow(a, b, path)
			l.carryWithin(time.Second, a, b)
			if a.size(2) != 8972 {
				t.Fatalf("datagrams of %d bytes", a.size(2))
			}
			bulk := 0
			b.onMessage = func(m Delivery) {
				if len(m.Bytes) == 1<<20 {
					bulk++
				}
			}
			for range 4 {
				a.Send(l.now, 2, 3, text(2, 1<<20))
			}
			l.pass(20 * time.Millisecond)
			path.MTU = mtu
			neck.Set(l.now, path)
			shrunk := l.now
			for a.size(2) != wire.DatagramBase && l.now < shrunk+time.Second {
				if beside {
					a.Send(l.now, 2, 0, text(1, 100))
				}
				l.pass(time.Millisecond)
			}
			t.Logf("an MTU of %d, short messages %t: noticed after %v", mtu, beside, l.now-shrunk)
			if l.now > shrunk+500*time.Millisecond || a.counters(2).Shrunk != 1 {
				t.Errorf("an MTU of %d, short messages %t: datagrams of %d bytes after %v", mtu, beside, a.size(2), l.now-shrunk)
			}
			took := l.run(5*time.Second, func() bool { return bulk == 4 })
			t.Logf("an MTU of %d, short messages %t: the rest takes %v", mtu, beside, took)
			if took > time.Second {
				t.Errorf("an MTU of %d, short messages %t: the rest takes %v", mtu, beside, took)
			}
			b.onMessage = nil
			l.pass(pathPause)
			l.carryWithin(5*time.Second, a, b)
			l.pass(time.Second)
			if want := map[int]int{1500: 1472, 1228: 1200}[mtu]; a.size(2) != want || a.counters(2).Shrunk != 1 {
				t.Errorf("an MTU of %d: datagrams of %d bytes in the end, shrunk %d times", mtu, a.size(2), a.counters(2).Shrunk)
			}
		}
	}
}

// TestLossIsNoBlackHole: nor is a full queue, or an end that stands still for a moment.
func TestLossIsNoBlackHole(t *testing.T) {
	race.SkipLong(t)
	bursts := bottleneck(wanRate, wanTrip, 1, 0)
	bursts.Loss.Burst = link.Burst{Turn: 0.01, Mend: 0.1, Bad: 1}
	for name, path := range map[string]link.Settings{
		"loss":        bottleneck(wanRate, wanTrip, 1, 0.2),
		"bursts":      bursts,
		"short queue": bottleneck(wanRate, wanTrip, 0.05, 0),
	} {
		l := newLab(t, 1, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.narrow(a, b, path)
		l.haul(a, b).rate(10 * time.Second)
		if n := a.counters(2).Shrunk; n != 0 || a.size(2) != 1472 {
			t.Errorf("%s: shrunk %d times, datagrams of %d bytes", name, n, a.size(2))
		}
	}
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.carryWithin(time.Second, a, b)
	h := l.haul(a, b)
	from := l.now
	l.filter = func(*end, *end, []byte) bool { return (l.now-from)%(100*time.Millisecond) > 15*time.Millisecond }
	h.rate(time.Second)
	if n := a.counters(2).Shrunk; n != 0 {
		t.Errorf("a pause is taken for a black hole %d times", n)
	}
}

// TestTooBig: what the host itself refuses is not tried again, and what the interface no longer
// takes is given up at once.
func TestTooBig(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	mtu, refused := 1472, 0
	l.filter = func(from, to *end, d []byte) bool {
		if len(d) > mtu {
			refused++
			from.TooBig(l.now, to.addr, len(d))
		}
		return len(d) <= mtu
	}
	l.Delay.Mean = 5 * time.Millisecond
	l.connect(a, b)
	l.carryWithin(time.Second, a, b)
	if a.size(2) != 1472 || refused != 3 {
		t.Errorf("datagrams of %d bytes after %d were refused", a.size(2), refused)
	}
	mtu = 1400
	a.Send(l.now, 2, 3, text(1, 1<<20))
	l.pass(100 * time.Millisecond)
	if a.size(2) != 1372 || a.counters(2).Shrunk != 1 || a.counters(2).Probes != 0 {
		t.Errorf("datagrams of %d bytes, %+v", a.size(2), a.counters(2))
	}
	a.TooBig(l.now, addressOf(77), 1)
	a.TooBig(l.now, b.addr, 1)
	l.carryWithin(time.Second, a, b)
	if a.size(2) < wire.DatagramBase {
		t.Errorf("datagrams of %d bytes", a.size(2))
	}
}
