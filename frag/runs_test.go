package frag

import (
	"strings"
	"testing"
	"time"

	"vrnode/wire"
)

// A run is packed, and what join says of each datagram is what udp is told.
func packRun(r *runs, sent *sentDatagrams, now time.Duration, sizes ...int) (joined []bool) {
	for _, size := range sizes {
		sent.add(now, size, 0, sentFlying, false)
		joined = append(joined, r.join(now, sent, size))
	}
	return joined
}

func newSent() *sentDatagrams {
	s := new(sentDatagrams)
	s.begin(100)
	return s
}

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		want  string // which of them are joined with the one before
	}{
		{"equal", []int{1000, 1000, 1000}, "_jj"},
		{"a shorter one is the last", []int{1000, 1000, 500, 500, 500}, "_jj_j"},
		{"a longer one begins another", []int{500, 1000, 1000}, "__j"},
	} {
		var r runs
		var got strings.Builder
		for _, j := range packRun(&r, newSent(), 0, c.sizes...) {
			got.WriteString(map[bool]string{false: "_", true: "j"}[j])
		}
		if got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.String(), c.want)
		}
	}
	// A run is bounded, and one that has come to rest is not continued.
	var r runs
	s, longest, length := newSent(), 0, 0
	for range 200 {
		if length++; !packRun(&r, s, 0, 1200)[0] {
			length = 1
		}
		longest = max(longest, length)
	}
	if longest != runBytesMax/1200 {
		t.Errorf("a run has up to %d datagrams", longest)
	}
	r.rest()
	if packRun(&r, s, 0, 1200)[0] {
		t.Error("a run goes on after a rest")
	}
}

func TestPadded(t *testing.T) {
	r := runs{size: 1200}
	for size, want := range map[int]int{1: 1, 899: 899, 900: 1200, 1199: 1200, 1200: 1200, 1201: 1201} {
		if got := r.padded(size); got != want {
			t.Errorf("%d bytes become %d, want %d", size, got, want)
		}
	}
	r.rest()
	if got := r.padded(1000); got != 1000 {
		t.Errorf("without a run 1000 bytes become %d", got)
	}
}

// TestBulkGoesInRuns: of what goes out at once of bulk nothing is alone, but where a message ends in
// the middle of a datagram.
func TestBulkGoesInRuns(t *testing.T) {
	const messages = 20
	p := newPair(t)
	batches, runs := 0, 0
	p.drop = func(batch []wire.Datagram, i int) bool {
		d := batch[i]
		if i == 0 {
			batches++
		}
		if !d.Joined {
			runs++
		}
		if i > 0 && d.Joined && (len(d.Bytes) > len(batch[i-1].Bytes) || d.Addr != batch[i-1].Addr) {
			t.Errorf("datagram %d, of %d bytes, is joined with one of %d", i, len(d.Bytes), len(batch[i-1].Bytes))
		}
		return false
	}
	for range messages {
		p.send(t, 3, text(2, 64<<10))
	}
	if sent := p.a.stats.DatagramsOut; runs > batches+messages || sent < uint64(4*runs) {
		t.Errorf("%d datagrams in %d batches and %d runs", sent, batches, runs)
	}
}

// A thief takes away datagrams by how they have left.
type thief struct {
	runs runs
	sent *sentDatagrams
	now  time.Duration
	// joined and alone are how many of 100 runs of a kind are lost, and part how many percent of the
	// datagrams of such a run.
	joined, alone, part int
	parted              int // verdicts
}

// send sends a run of datagrams, and returns the number of the first.
func (l *thief) send() (first uint64) {
	first = l.sent.next
	l.runs.rest()
	for range 50 {
		packRun(&l.runs, l.sent, l.now, 1200)
	}
	l.now += time.Millisecond
	return first
}

// burst sends a run of datagrams, and hears of its fate.
func (l *thief) burst(number int) {
	first := l.send()
	for n := first; n < l.sent.next; n++ {
		d, share := l.sent.at(n), 0
		switch d.run {
		case runJoined:
			share = l.joined
		case runAlone:
			share = l.alone
		}
		if number*37%100 < share && int(n-first)*2 < l.part {
			l.runs.onLost(d)
			l.sent.land(n, sentLost)
		} else {
			l.runs.onArrived(d)
			l.sent.land(n, sentDone)
		}
	}
	if l.runs.judge(l.now) {
		l.parted++
	}
	l.sent.trim(l.now, &reordering{})
}

func TestVerdictOnRuns(t *testing.T) {
	for _, c := range []struct {
		name                string
		joined, alone, part int
		harm                bool
	}{
		{"nothing is lost", 0, 0, 100, false},
		{"all runs are lost", 100, 0, 100, true},
		{"a part of every run is lost", 100, 0, 30, true},
		{"a third of the runs", 33, 0, 100, true},
		{"everything is lost alike", 30, 30, 100, false},
		{"a run now and then, in a full queue", 6, 0, 100, false},
		{"what is alone is lost", 0, 50, 100, false},
	} {
		l := thief{sent: newSent(), joined: c.joined, alone: c.alone, part: c.part}
		for i := range 200 {
			l.burst(i)
		}
		if harm := l.runs.state == runsParted; harm != c.harm || harm != (l.parted == 1) {
			t.Errorf("%s: state %d, %d verdicts", c.name, l.runs.state, l.parted)
		}
		if !c.harm {
			continue
		}
		// No datagram is joined until the time is over. Then runs get another chance, and are found
		// out again if they still do harm.
		for i := 0; l.now < partedFor; i++ {
			l.burst(i)
			if l.sent.at(l.sent.next-1).run == runJoined {
				t.Fatalf("%s: joined after %v", c.name, l.now)
			}
		}
		l.now += partedFor
		for i := range 200 {
			l.burst(i)
		}
		if l.parted != 2 {
			t.Errorf("%s: %d verdicts after a second try", c.name, l.parted)
		}
		l.now, l.joined = l.now+partedFor, 0
		for i := range 200 {
			l.burst(i)
		}
		if l.runs.state != runsTrusted || l.runs.kind != runJoined {
			t.Errorf("%s: state %d when all is well again", c.name, l.runs.state)
		}
	}
}

// TestLateArrivalsAreNoLoss: what was taken for lost and arrives does not count against a run.
func TestLateArrivalsAreNoLoss(t *testing.T) {
	l := thief{sent: newSent()}
	for range 20 {
		for n := l.send(); n < l.sent.next; n++ {
			d := l.sent.at(n)
			l.runs.onLost(d)
			l.sent.land(n, sentLost)
			l.runs.onArrived(d)
			l.sent.land(n, sentDone)
		}
		if l.runs.judge(l.now); l.runs.state != runsTrusted || l.runs.joined.lost != 0 {
			t.Fatalf("state %d, %+v", l.runs.state, l.runs.joined)
		}
		l.sent.trim(l.now, &reordering{})
	}
}

// TestDamagedRuns: a network that damages whatever was joined is found out, and bulk arrives.
func TestDamagedRuns(t *testing.T) {
	p := newPair(t)
	message := text(1, 1<<20)
	p.drop = func(batch []wire.Datagram, i int) bool {
		return batch[i].Joined || i+1 < len(batch) && batch[i+1].Joined
	}
	for range 4 {
		p.send(t, 3, message)
	}
	s, _ := p.a.PeerStats(2)
	if !s.Parted || s.Partings != 1 {
		t.Errorf("parted %v, %d times", s.Parted, s.Partings)
	}
	if lost := s.Lost; lost > 2000 {
		t.Errorf("%d datagrams were lost until then", lost)
	}
}
