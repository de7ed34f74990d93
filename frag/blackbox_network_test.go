package frag

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/netem/link"
	"vrnode/wire"
)

// TestCase04MTU: the path gets narrower and wider, without a word to the ends, while messages are
// under way. They arrive, and do not begin anew.
func TestCase04MTU(t *testing.T) {
	const size, count = 1 << 20, 2
	for _, c := range []struct {
		name string
		mtus []int // before, half-way, and near the end
	}{
		{"jumbo frames, a tunnel, Ethernet", []int{9000, 1400, 1500}},
		{"a black hole from 1300 on", []int{0, 1300, 1300}},
		{"nothing gets through for a while", []int{1500, 576, 1500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, keys []noise.Key) {
				l := newLabWith(t, 1, keys, 1, 2)
				l.MTU, l.Delay.Mean = c.mtus[0], 2*time.Millisecond
				l.Rate = link.Rate{Bits: 50_000_000, Queue: 64 << 10} // so that it is under way for a while
				a, b := l.ends[0], l.ends[1]
				l.connect(a, b)
				for i := range uint64(count) {
					a.Send(l.now, 2, 3, text(i, size))
				}
				for i, share := range []float64{0.5, 0.9} {
					l.run(time.Minute, func() bool { return float64(b.Stats().BytesIn) > share*count*size })
					l.MTU = c.mtus[1+i]
					if l.MTU < wire.HelloSize+link.Overhead {
						l.pass(time.Second)
						l.MTU = c.mtus[2+i]
					}
				}
				l.run(time.Minute, func() bool { return len(b.got) == count })
				l.pass(time.Second)
				if len(b.got) != count || !bytes.Equal(b.got[0].bytes, text(0, size)) && !bytes.Equal(b.got[0].bytes, text(1, size)) {
					t.Errorf("%d messages were delivered, or damaged ones", len(b.got))
				}
				if s, _ := a.PeerStats(2); s.Sessions != 1 {
					t.Errorf("%d sessions", s.Sessions)
				}
				// Headers are a twentieth. Whoever begins anew half-way receives half of it twice.
				if n := b.Stats().BytesIn; n > count*size*5/4 {
					t.Errorf("%d bytes arrived of messages of %d", n, count*size)
				}
			})
		})
	}
}

// pings sends n small messages, one per interval, and returns how long they take there and back, the
// shortest first. meanwhile is called before each.
func (l *lab) pings(a, b *end, n int, interval time.Duration, meanwhile func()) []time.Duration {
	l.t.Helper()
	sent := make([]time.Duration, n)
	var took []time.Duration
	a.onMessage = func(m Delivery) {
		if len(m.Bytes) == 64 {
			took = append(took, l.now-sent[binary.LittleEndian.Uint64(m.Bytes)])
		}
	}
	b.onMessage = func(m Delivery) {
		if len(m.Bytes) == 64 {
			b.Send(l.now, a.id, 0, m.Bytes)
		}
	}
	ping := make([]byte, 64)
	for i := range sent {
		meanwhile()
		binary.LittleEndian.PutUint64(ping, uint64(i))
		sent[i] = l.now
		a.Send(l.now, b.id, 0, ping)
		l.pass(interval)
	}
	l.run(10*time.Second, func() bool { return len(took) == n })
	slices.Sort(took)
	return took
}

// TestCase05Priority: beside bulk that never ends, small messages wait for what is on the link, and
// for nothing that is not: mebibytes of bulk are queued behind it.
func TestCase05Priority(t *testing.T) {
	for _, c := range []struct {
		name     string
		delay    time.Duration
		rate     link.Rate
		interval time.Duration
	}{
		{"1 Gbit/s", 50 * time.Microsecond, link.Rate{Bits: 1e9, Queue: 256 << 10}, 100 * time.Microsecond},
		{"100 Mbit/s with 40 ms of queue", time.Millisecond, link.Rate{Bits: 1e8, Queue: 500_000}, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, keys []noise.Key) {
				l := newLabWith(t, 1, keys, 1, 2)
				l.Delay.Mean, l.Rate = c.delay, c.rate
				a, b := l.ends[0], l.ends[1]
				l.connect(a, b)
				const n = 400
				idle := l.pings(a, b, n, c.interval, func() {})
				bulk := text(1, 1<<20)
				before := b.Stats()
				busy := l.pings(a, b, n, c.interval, func() {
					for a.Send(l.now, 2, 3, bulk) {
					}
				})
				queue := time.Duration(int64(c.rate.Queue) * 8 * int64(time.Second) / c.rate.Bits)
				p := func(all []time.Duration, share float64) time.Duration { return all[int(share*float64(len(all)))] }
				t.Logf("idle: p50 %v, p99 %v; beside bulk: p50 %v, p99 %v, longest %v; the queue of the link is %v long",
					p(idle, 0.5), p(idle, 0.99), p(busy, 0.5), p(busy, 0.99), busy[n-1], queue)
				if p(busy, 0.5) > p(idle, 0.5)+queue+100*time.Microsecond {
					t.Errorf("half of the small messages take more than %v", p(busy, 0.5))
				}
				// What is lost in a full queue is sent again a round trip later.
				if p(busy, 0.99) > 3*(p(idle, 0.99)+queue) {
					t.Errorf("one of a hundred small messages takes more than %v", p(busy, 0.99))
				}
				if arrived := b.Stats().BytesIn - before.BytesIn; arrived < uint64(n*c.interval.Seconds()*float64(c.rate.Bits)/8)/2 {
					t.Errorf("bulk starves: %d bytes", arrived)
				}
			})
		})
	}
}

// TestCase07SlowReader: a receiver that has no room for bulk makes the sender stop sending it, and then
// refuse it. Nothing else is slower, and when there is room, the bulk arrives.
func TestCase07SlowReader(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		l.Delay.Mean = time.Millisecond
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		full := &b.session(1).in[3]
		full.bytes += windowBytes[3]
		bulk := 0
		for a.Send(l.now, 2, 3, numbered(uint64(bulk), 1, 1<<20)) {
			bulk++
		}
		if s := a.Stats(); s.Queued > queueBytesMax {
			t.Errorf("%d bytes are queued", s.Queued)
		}
		got := [LanesMax]int{}
		b.onMessage = func(m Delivery) { got[m.Bytes[0]%LanesMax]++ }
		before := a.Stats()
		for i := range 200 {
			for lane := range byte(3) {
				small := bytes.Repeat([]byte{lane}, 100+3000*(i%2))
				if !a.Send(l.now, 2, Lane(lane), small) {
					t.Fatalf("lane %d is full", lane)
				}
				want := got[lane] + 1
				if took := l.run(time.Second, func() bool { return got[lane] == want }); took > 3*l.Delay.Mean {
					t.Fatalf("message %d of lane %d took %v", i, lane, took)
				}
			}
			l.pass(time.Millisecond)
		}
		if got[3] != 0 || a.Send(l.now, 2, 3, []byte("more")) && a.Stats().Queued > queueBytesMax {
			t.Errorf("%d messages of bulk were delivered", got[3])
		}
		if b.Stats().Dropped(ReasonBudget) == 0 || b.Stats().Receiving != 0 {
			t.Errorf("nothing was refused, or %d bytes are held", b.Stats().Receiving)
		}
		// It asks whether there is room now and then, and does not insist.
		if n := a.Stats().BytesOut - before.BytesOut; n > 16<<20 {
			t.Errorf("%d bytes were sent to who has no room", n)
		}
		if s, _ := a.PeerStats(2); s.Sessions != 1 {
			t.Errorf("%d sessions", s.Sessions)
		}
		full.bytes -= windowBytes[3]
		arrived := map[uint64]bool{}
		b.onMessage = func(m Delivery) {
			if len(m.Bytes) == 1<<20 {
				arrived[binary.LittleEndian.Uint64(m.Bytes[len(m.Bytes)-8:])] = true
			}
		}
		l.run(time.Minute, func() bool { return len(arrived) == bulk })
	})
}

// TestCase08Outage: nothing gets through, one way or both, and then it does. Both ends notice at once,
// nothing is lost and the session is the same.
func TestCase08Outage(t *testing.T) {
	for _, c := range []struct {
		name        string
		there, back bool // is out of order
	}{{"both ways", true, true}, {"the way there", true, false}, {"the way back", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, keys []noise.Key) {
				l := newLabWith(t, 5, keys, 1, 2)
				a, b := l.ends[0], l.ends[1]
				l.connect(a, b)
				for _, w := range []struct {
					way
					down bool
				}{{way{a, b}, c.there}, {way{b, a}, c.back}} {
					s := l.Settings
					s.Down = w.down
					l.own[w.way] = link.New(s, 1)
				}
				got := map[string]int{}
				for _, n := range l.ends {
					n.onMessage = func(m Delivery) { got[fmt.Sprintf("%v %x", n.id, m.Bytes[:8])]++ }
				}
				for i := range uint64(2) {
					from, to := l.ends[i], wire.Peer(2-i)
					from.Send(l.now, to, 3, text(2*i, 300<<10))
					from.Send(l.now, to, 1, text(2*i+1, 5000))
				}
				sent := l.sent
				l.pass(2 * time.Second)
				if n := l.sent - sent; n > 400 {
					t.Errorf("%d datagrams were sent into the outage", n)
				}
				clear(l.own)
				if took := l.run(2*time.Second, func() bool { return len(got) == 4 }); took > probeMaxUrgent+20*time.Millisecond {
					t.Errorf("recovery took %v", took)
				}
				l.pass(time.Second)
				for m, times := range got {
					if times != 1 {
						t.Errorf("message %s was delivered %d times", m, times)
					}
				}
				if s, _ := a.PeerStats(2); s.Sessions != 1 {
					t.Errorf("%d sessions", s.Sessions)
				}
			})
		})
	}
}

// TestCase08AcknowledgementsLost: of the way back, nearly a third is lost. What is lost is sent again,
// and little else.
func TestCase08AcknowledgementsLost(t *testing.T) {
	l := newLab(t, 5, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	lost := 0
	l.filter = func(from, to *end, d []byte) bool {
		if from == b {
			return l.rng.Float64() > 0.3
		}
		if l.rng.Float64() < 0.05 {
			lost++
			return false
		}
		return true
	}
	a.Send(l.now, 2, 3, text(1, 1<<20))
	took := l.run(time.Second, func() bool { return len(b.got) == 1 && a.Stats().Queued == 0 })
	again := int(a.counters(2).Retransmitted)
	probes := int(a.counters(2).Probes)
	t.Logf("took %v, %d datagrams lost, %d fragments again, %d probes", took, lost, again, probes)
	if again > lost*5/4+2*probes { // a probe repeats two, whether they arrived or not
		t.Errorf("%d fragments were sent again where %d were lost", again, lost)
	}
}

// TestCase09SocketFaults: whatever a socket does with a batch of datagrams, all messages arrive, and a
// peer that can be reached does not wait for one that can not.
func TestCase09SocketFaults(t *testing.T) {
	const fault = 700 * time.Millisecond // long enough for sessions to notice, short enough for them to last
	for _, c := range []struct {
		name string
		// take tells how a socket deals with the datagrams of a batch: true, it has taken it.
		take func(l *lab, from *end, batch []wire.Datagram, i int) bool
	}{
		{"one in ten is refused", func(l *lab, _ *end, _ []wire.Datagram, _ int) bool { return l.rng.IntN(10) > 0 }},
		{"three of a batch are taken", func(_ *lab, _ *end, _ []wire.Datagram, i int) bool { return i < 3 }},
		{"all but the first of a batch are refused", func(_ *lab, _ *end, _ []wire.Datagram, i int) bool { return i == 0 }},
		{"the last of a batch is refused", func(_ *lab, _ *end, batch []wire.Datagram, i int) bool { return i == 0 || i < len(batch)-1 }},
		{"nothing is taken for a while", func(l *lab, _ *end, _ []wire.Datagram, _ int) bool { return l.now > fault }},
		{"long ones are refused for a while", func(l *lab, _ *end, batch []wire.Datagram, i int) bool {
			return l.now > fault || len(batch[i].Bytes) < 1000
		}},
		{"nothing to one peer for a while", func(l *lab, from *end, batch []wire.Datagram, i int) bool {
			if l.now <= fault {
				return from.id != 1 || batch[i].Addr != addressOf(2)
			}
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, keys []noise.Key) {
				l := newLabWith(t, 1, keys, 1, 2, 3)
				l.watch = func(from *end) {
					batch, taken := slices.Clone(from.out.Datagrams), from.out.Datagrams[:0]
					for i := range batch {
						if c.take(l, from, batch, i) {
							taken = append(taken, batch[i])
						}
					}
					from.out.Datagrams = taken
				}
				tr := newTraffic(l, 60, everySize...)
				if c.name == "nothing to one peer for a while" {
					l.run(fault, func() bool { tr.send(); return len(tr.got[way{l.ends[0], l.ends[2]}]) == tr.count })
				}
				tr.finish(time.Minute)
			})
		})
	}
}
