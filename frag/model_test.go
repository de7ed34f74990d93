package frag

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vrnode/wire"
)

func TestReceivedAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r received
		r.reset()
		model := map[uint64]bool{}
		for i, n := range rapid.SliceOfN(rapid.Uint64Range(1000, 1060), 1, 200).Draw(t, "numbers") {
			if r.has(n) != model[n] {
				t.Fatalf("has(%d) is %v", n, r.has(n))
			}
			if model[n] {
				continue
			}
			largest := uint64(0)
			for m := range model {
				largest = max(largest, m)
			}
			want := len(model) == 0 || n == largest+1
			if got := r.add(time.Duration(i), n); got != want {
				t.Fatalf("add(%d) is %v, largest %d", n, got, largest)
			}
			model[n] = true
			for j := range r.count {
				if r.ranges[j].Low > r.ranges[j].High || j > 0 && r.ranges[j-1].Low <= r.ranges[j].High+1 {
					t.Fatalf("ranges %v", r.ranges[:r.count])
				}
			}
		}
	})
}

func TestReceivedForgetsTheLowest(t *testing.T) {
	var r received
	r.reset()
	for n := range uint64(1000) {
		r.add(0, 5000+2*n)
	}
	if r.count != wire.AckRangesMax || r.ranges[0].High != 5000+2*999 {
		t.Errorf("%d ranges, highest %d", r.count, r.ranges[0].High)
	}
	r.add(0, 1) // lower than all of them: not remembered
	if r.has(1) || r.count != wire.AckRangesMax {
		t.Error("a number below a full memory was remembered")
	}
	for range ackRepeats {
		r.acknowledged()
	}
	if r.count != 1 {
		t.Errorf("%d ranges are left after they were acknowledged %d times", r.count, ackRepeats)
	}
}

func TestBitmapAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100).Draw(t, "size")
		m, model := make(bitmap, bitmapSize(n)), make([]bool, n)
		for range 100 {
			i := rapid.IntRange(0, n-1).Draw(t, "i")
			if rapid.Bool().Draw(t, "add") {
				if m.add(i) == model[i] {
					t.Fatal("add")
				}
				model[i] = true
			} else {
				if m.remove(i) != model[i] {
					t.Fatal("remove")
				}
				model[i] = false
			}
			first := rapid.IntRange(0, n-1).Draw(t, "first")
			run := rapid.IntRange(0, n-first).Draw(t, "run")
			in := 0
			for _, has := range model[first : first+run] {
				if has {
					in++
				}
			}
			adds := rapid.Bool().Draw(t, "add run")
			if adds && m.addRun(first, run) != run-in || !adds && m.removeRun(first, run) != in {
				t.Fatalf("%d from %d, of which %d are in", run, first, in)
			}
			for i := range run {
				model[first+i] = adds
			}
			from := rapid.IntRange(0, n-1).Draw(t, "from")
			want := slices.Index(model[from:], true)
			if want >= 0 {
				want += from
			}
			if got := m.next(from); got != want {
				t.Fatalf("next(%d) is %d, not %d", from, got, want)
			}
		}
	})
}

func TestDeadlinesAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var d deadlines
	var peers []*peer
	for i := range 2000 {
		switch {
		case len(peers) == 0 || r.IntN(4) == 0:
			p := &peer{deadline: time.Duration(r.IntN(100))}
			peers = append(peers, p)
			d.add(p)
		case r.IntN(4) == 0:
			at := r.IntN(len(peers))
			d.remove(peers[at])
			peers = slices.Delete(peers, at, at+1)
		default:
			d.set(peers[r.IntN(len(peers))], time.Duration(r.IntN(100)))
		}
		if len(peers) == 0 {
			if d.first() != nil {
				t.Fatalf("step %d: not empty", i)
			}
			continue
		}
		least := slices.MinFunc(peers, func(a, b *peer) int { return int(a.deadline - b.deadline) })
		if d.first().deadline != least.deadline {
			t.Fatalf("step %d: first is %v, not %v", i, d.first().deadline, least.deadline)
		}
	}
}

func TestPool(t *testing.T) {
	var p pool
	for _, n := range []int{1, 127, 128, 129, 1 << 20, 1<<20 + 1, MessageMax + 8 + 2*2305} {
		b := p.take(n)
		if len(b) != n || cap(b) < n || cap(b) > max(2*n, 136) {
			t.Errorf("take(%d) has %d of %d", n, len(b), cap(b))
		}
		p.give(b)
		if again := p.take(n); &again[0] != &b[0] {
			t.Errorf("a buffer of %d is not used again", n)
		}
	}
	for range 100 {
		p.give(make([]byte, classSize(20)))
	}
	if p.kept > keptMax {
		t.Errorf("%d bytes are kept", p.kept)
	}
}

func TestRoundTrip(t *testing.T) {
	var r roundTrip
	if r.probeDelay() != 2*rttInitial || r.ackDelay() != 0 {
		t.Error("before the first sample")
	}
	r.sample(10*time.Millisecond, 0)
	r.sample(12*time.Millisecond, 2*time.Millisecond) // the peer waited 2 ms
	if r.smoothed != 10*time.Millisecond || r.least != 10*time.Millisecond {
		t.Errorf("smoothed %v, least %v", r.smoothed, r.least)
	}
	r.sample(11*time.Millisecond, 5*time.Millisecond) // that can not be
	if r.smoothed < 10*time.Millisecond {
		t.Errorf("smoothed %v", r.smoothed)
	}
	for range 100 {
		r.sample(100*time.Microsecond, 0)
	}
	if r.smoothed > 101*time.Microsecond || r.ackDelay() != ackDelayMin {
		t.Errorf("smoothed %v, acknowledgements are held back %v", r.smoothed, r.ackDelay())
	}
}

func TestSentDatagramsAreBounded(t *testing.T) {
	var s sentDatagrams
	s.begin(100)
	for range sentMax {
		if !s.hasRoom() {
			t.Fatal("no room below the bound")
		}
		s.note(ref{id: s.next})
		s.add(0, 100, 1, sentFlying, false)
	}
	if s.hasRoom() {
		t.Fatal("room above the bound")
	}
	s.land(101, sentDone)
	if s.hasRoom() {
		t.Error("room although the oldest is in flight")
	}
	s.land(100, sentLost)
	if !s.hasRoom() || s.oldest != 102 || s.firstFlying() != 102 {
		t.Errorf("oldest %d after the oldest was lost", s.oldest)
	}
	for n := s.oldest; n < s.next; n++ {
		if r := s.refs[s.at(n).refs&uint64(len(s.refs)-1)]; r.id != n {
			t.Fatalf("datagram %d has the frames of %d", n, r.id)
		}
	}
	if s.bytes != 100*(sentMax-2) || s.count != sentMax-2 {
		t.Errorf("%d bytes in %d datagrams are in flight", s.bytes, s.count)
	}
}
