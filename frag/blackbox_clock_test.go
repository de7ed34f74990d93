package frag

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// TestCase10Clock: ends whose clocks jump, stand still and go back, each by itself, are wrong about
// nothing, never wake up at once again, and talk to each other when the clocks go on.
func TestCase10Clock(t *testing.T) {
	for seed := range uint64(30) {
		l := newLabWith(t, seed, someKeys(seed), 1, 2)
		lossy(l)
		l.now = time.Hour
		seen := map[delivered]bool{}
		latest := [3]uint64{}
		for _, n := range l.ends {
			n.onMessage = func(m Delivery) {
				number := binary.LittleEndian.Uint64(m.Bytes[len(m.Bytes)-8:])
				d := delivered{n.id, m.From, n.session(m.From).index, number}
				if seen[d] || !bytes.Equal(m.Bytes, numbered(number, m.From, len(m.Bytes))) {
					t.Errorf("seed %d: %v got message %d twice, or damaged", seed, n.id, number)
				}
				seen[d] = true
				latest[n.id] = max(latest[n.id], number)
			}
		}
		number, furthest := uint64(0), l.now
		for range 300 {
			n := l.ends[l.rng.IntN(2)]
			now := l.now
			switch l.rng.IntN(12) {
			case 0:
				now -= time.Duration(l.rng.Int64N(int64(2 * time.Hour))) // before the beginning, too
			case 1:
				now += time.Duration(l.rng.Int64N(int64(time.Second)))
			case 2:
				now += time.Duration(l.rng.Int64N(int64(10 * time.Second)))
			}
			furthest = max(furthest, now)
			number++
			n.Send(now, 3-n.id, Lane(number%LanesMax), numbered(number, n.id, 8+l.rng.IntN(5000)))
			for range l.rng.IntN(3) {
				n.Tick(now, &n.out)
				if d := n.Deadline(); d <= now {
					t.Fatalf("seed %d: Deadline %v after Tick at %v", seed, d, now)
				}
			}
			l.collect(n)
			l.pass(time.Duration(l.rng.Int64N(int64(5 * time.Millisecond))))
		}
		l.now = furthest
		l.pass(2 * silenceMax)
		for _, n := range l.ends {
			number++
			n.Send(l.now, 3-n.id, 0, numbered(number, n.id, 100))
			l.run(time.Minute, func() bool { return latest[3-n.id] == number })
		}
		l.pass(4 * silenceMax)
		for _, n := range l.ends {
			if s := n.Stats(); s.Queued != 0 || s.Receiving != 0 || n.Deadline() != Never {
				t.Errorf("seed %d: %v has %d bytes to send, holds %d, and wakes at %v", seed, n.id, s.Queued, s.Receiving, n.Deadline())
			}
		}
	}
}

// TestCase10EndOfTime: extremes of a clock are times like others.
func TestCase10EndOfTime(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.now = time.Second
	l.connect(a, b)
	a.Send(l.now, 2, 3, text(1, 1<<20))
	var out Effects
	for _, now := range []time.Duration{l.now, l.now, l.now - time.Second, 0, -time.Hour, l.now, l.now + time.Hour, l.now, l.now + 1} {
		a.Tick(now, &out)
		if d := a.Deadline(); d <= now {
			t.Fatalf("Deadline %v after Tick at %v", d, now)
		}
		out.Reset()
	}
}

// TestCase10OlderDatagram: a datagram with an earlier time does not make the session look silent later.
func TestCase10OlderDatagram(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.now = time.Hour
	l.connect(a, b)
	b.Send(l.now, 1, 0, []byte("x"))
	b.Tick(l.now, &b.out)
	a.Step(0, b.addr, b.out.Datagrams[0].Bytes, &a.out)
	a.Send(0, 2, 0, []byte("y"))
	l.now += time.Millisecond
	l.tick(a)
	if !a.session(2).active {
		t.Error("the session was given up")
	}
}

// TestCase11Determinism: with the same seed every byte of every datagram is sent at the same time.
func TestCase11Determinism(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		run := func(seed uint64) (trace uint64, sent int) {
			l := newLabWith(t, seed, keys, 1, 2, 3, wire.ClientPeer(1<<40, 0))
			lossy(l)
			for i, n := range l.ends {
				for j, m := range l.ends {
					n.Send(0, m.id, Lane((i+j)%LanesMax), text(uint64(i+j), 50_000*(1+i)))
					n.SendLatest(0, m.id, uint8(j), []byte("latest"))
				}
			}
			l.pass(300 * time.Millisecond)
			return l.trace.Sum64(), l.sent
		}
		once, sent := run(1)
		if again, _ := run(1); once != again || sent < 100 {
			t.Errorf("two runs with one seed differ, or there is little to differ in: %d datagrams", sent)
		}
		if other, _ := run(2); once == other {
			t.Error("two seeds give one trace")
		}
	})
}
