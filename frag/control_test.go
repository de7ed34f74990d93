package frag

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/netem/link"
	"vrnode/wire"
)

const (
	megabit    = 1_000_000
	wanRate    = 100 * megabit
	wanTrip    = 50 * time.Millisecond
	urgentSize = 64
)

// bottleneck returns the settings of a link with so many bits per second, half of a round trip, a
// queue for a multiple of what is sent in a round trip, and loss in front of it.
func bottleneck(bits int64, trip time.Duration, queue, loss float64) link.Settings {
	product := float64(bits) / 8 * trip.Seconds()
	return link.Settings{
		MTU:   1500,
		Rate:  link.Rate{Bits: bits, Queue: max(int(queue*product), link.QueueMin)},
		Delay: link.Delay{Mean: trip / 2},
		Loss:  link.Loss{Random: loss},
	}
}

// narrow puts a bottleneck between two ends and opens a session. The way back only has the delay.
func (l *lab) narrow(from, to *end, s link.Settings) *link.Link {
	neck := link.New(s, l.rng.Uint64())
	l.Delay.Mean = s.Delay.Mean
	l.own[way{from, to}] = neck
	l.connect(from, to)
	return neck
}

// A haul is bulk on its way, as much as it takes, and urgent messages beside it.
type haul struct {
	l        *lab
	from, to *end
	message  []byte
	arrived  int // bytes of bulk
	// latencies are those of the urgent messages that have arrived.
	latencies []time.Duration
}

func (l *lab) haul(from, to *end) *haul {
	h := &haul{l: l, from: from, to: to, message: text(1, 16<<10)}
	to.onMessage = func(m Delivery) {
		if len(m.Bytes) == urgentSize {
			h.latencies = append(h.latencies, l.now-time.Duration(binary.LittleEndian.Uint64(m.Bytes)))
			return
		}
		h.arrived += len(m.Bytes)
	}
	return h
}

// share lets the hauls go on for a time, and returns what arrived of each, in bits per second.
func share(d time.Duration, hauls ...*haul) []float64 {
	l := hauls[0].l
	before := make([]int, len(hauls))
	for i, h := range hauls {
		before[i] = h.arrived
	}
	for end := l.now + d; l.now < end; {
		for _, h := range hauls {
			for h.from.Stats().Queued < queueBytesMax/2 && h.from.Send(l.now, h.to.id, 3, h.message) {
			}
		}
		l.pass(min(end-l.now, max(d/200, time.Millisecond)))
	}
	rates := make([]float64, len(hauls))
	for i, h := range hauls {
		rates[i] = float64(8*(h.arrived-before[i])) / d.Seconds()
	}
	return rates
}

func (h *haul) rate(d time.Duration) float64 { return share(d, h)[0] }

// ask sends urgent messages one by one beside the bulk, and returns their latencies, the least first.
func (h *haul) ask(count int, every time.Duration) []time.Duration {
	h.latencies = nil
	for range count {
		m := make([]byte, urgentSize)
		binary.LittleEndian.PutUint64(m, uint64(h.l.now))
		h.from.Send(h.l.now, h.to.id, 0, m)
		h.rate(every)
	}
	h.l.run(time.Second, func() bool { return len(h.latencies) == count })
	slices.Sort(h.latencies)
	return h.latencies
}

// TestBulkFillsThePath: what chance takes away is not missed, and nothing waits in the queue.
func TestBulkFillsThePath(t *testing.T) {
	race.SkipLong(t)
	for _, c := range []struct {
		name  string
		path  link.Settings
		least float64       // of what the path lets through
		slow  time.Duration // of urgent messages, at most
		lost  float64       // beyond chance, at most
	}{
		{"no loss", bottleneck(wanRate, wanTrip, 1, 0), 0.92, wanTrip * 3 / 4, 0.01},
		{"1 % loss", bottleneck(wanRate, wanTrip, 1, 0.01), 0.92, wanTrip * 3 / 4, 0.01},
		{"5 % loss", bottleneck(wanRate, wanTrip, 1, 0.05), 0.92, wanTrip * 3 / 4, 0.01},
		{"20 % loss", bottleneck(wanRate, wanTrip, 1, 0.2), 0.8, 5 * wanTrip / 2, 0.02},
		{"long queue", bottleneck(wanRate, wanTrip, 8, 0.01), 0.92, wanTrip * 3 / 4, 0.01},
		{"short queue", bottleneck(wanRate, wanTrip, 0.05, 0), 0.88, wanTrip * 3 / 4, 0.06},
		{"hardly a queue", bottleneck(wanRate, wanTrip, 0.015, 0), 0.85, wanTrip * 3 / 2, 0.08},
		{"slow", bottleneck(megabit, wanTrip, 4, 0), 0.88, 3 * wanTrip, 0.02},
		{"local", bottleneck(1000*megabit, 100*time.Microsecond, 8, 0), 0.9, 250 * time.Microsecond, 0.01},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.narrow(a, b, c.path)
			h := l.haul(a, b)
			span := 100 * max(c.path.Delay.Mean, time.Duration(2*8*1e9*1200/c.path.Rate.Bits))
			h.rate(span) // startup
			before := a.counters(2)
			rate := h.rate(span)
			slow := h.ask(100, max(c.path.Delay.Mean/4, time.Millisecond/2))[90]
			after := a.counters(2)
			let := float64(c.path.Rate.Bits) * (1 - c.path.Loss.Random)
			lost := float64(after.Lost-before.Lost)/float64(after.Sent-before.Sent) - c.path.Loss.Random
			t.Logf("%.3f of what gets through is used, %.4f are lost beyond chance, urgent messages take up to %v", rate/let, lost, slow)
			if rate < c.least*let {
				t.Errorf("%.3f of what gets through is used", rate/let)
			}
			if slow > c.slow {
				t.Errorf("urgent messages take up to %v", slow)
			}
			if lost > c.lost {
				t.Errorf("%.3f are lost beyond chance", lost)
			}
		})
	}
}

// TestUrgentNeverWaitsBehindBulk: a bound for each of many urgent messages while bulk takes all
// that the path carries. It is the way there, and the queue of a probe: a quarter of what the path
// carries in a round trip, at most for as long as one.
func TestUrgentNeverWaitsBehindBulk(t *testing.T) {
	race.SkipLong(t)
	for _, c := range []struct {
		bits  int64
		trip  time.Duration
		queue float64
		slack time.Duration // runs of datagrams on their way out and through the bottleneck
	}{
		{100 * megabit, 50 * time.Millisecond, 8, 2 * time.Millisecond},
		{1000 * megabit, 10 * time.Millisecond, 8, time.Millisecond},
		{1000 * megabit, time.Millisecond, 64, 2 * time.Millisecond},
		{10_000 * megabit, 100 * time.Microsecond, 64, 2 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d Mbit/s, %v", c.bits/megabit, c.trip), func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.narrow(a, b, bottleneck(c.bits, c.trip, c.queue, 0))
			h := l.haul(a, b)
			h.rate(50 * max(c.trip, time.Millisecond)) // startup
			latencies := h.ask(300, max(c.trip/7, 77*time.Microsecond))
			most, bound := latencies[299], c.trip/2+c.trip/4+c.slack
			t.Logf("urgent messages take %v in the median and %v at most; the bound is %v", latencies[150], most, bound)
			if most > bound {
				t.Errorf("an urgent message takes %v, more than %v", most, bound)
			}
		})
	}
}

// TestTwoShareFairly: who comes later gets its share, and the queue does not stand.
func TestTwoShareFairly(t *testing.T) {
	race.SkipLong(t)
	for seed, path := range []link.Settings{
		bottleneck(wanRate, wanTrip, 0.5, 0.01),
		bottleneck(wanRate, wanTrip, 1, 0),
		bottleneck(wanRate, wanTrip, 1, 0.05),
		bottleneck(wanRate, wanTrip, 4, 0.01),
	} {
		l := newLab(t, uint64(seed), 1, 2, 3, 4)
		a, b, c, d := l.ends[0], l.ends[1], l.ends[2], l.ends[3]
		neck := l.narrow(a, b, path)
		l.own[way{c, d}] = neck
		l.connect(c, d)
		first, second := l.haul(a, b), l.haul(c, d)
		first.rate(time.Second)
		share(10*time.Second, first, second)
		r := share(3*time.Second, first, second)
		median := second.ask(50, 10*time.Millisecond)[25]
		if min(r[0], r[1]) < 0.4*(r[0]+r[1]) || r[0]+r[1] < 0.92*(1-path.Loss.Random)*wanRate {
			t.Errorf("seed %d: they get %.3f and %.3f of the path", seed, r[0]/wanRate, r[1]/wanRate)
		}
		if median > wanTrip/2+wanTrip/3 {
			t.Errorf("seed %d: a queue stands: urgent messages take %v", seed, median)
		}
	}
}

// TestFixedRate: it neither slows down at loss nor sends more than it was told.
func TestFixedRate(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	a.Endpoint = New(Config{Self: 1, Incarnation: 1, Seed: 1, Replicas: []Address{{2, b.addr}}, FixedRate: 40 * megabit / 8})
	l.narrow(a, b, bottleneck(wanRate, wanTrip, 1, 0.3))
	before := a.counters(2)
	rate := l.haul(a, b).rate(5 * time.Second)
	sent := float64(8*(a.counters(2).SentBytes-before.SentBytes)) / 5
	if sent < 39*megabit || sent > 41*megabit || rate < 0.9*0.7*sent {
		t.Errorf("%.1f Mbit/s are sent, %.1f arrive", sent/megabit, rate/megabit)
	}
	if s, _ := a.PeerStats(2); s.Rate != 40*megabit/8 {
		t.Errorf("%+v", s)
	}
}

// TestPathChanges: the rate follows the path, up and down, and so does what is in flight.
func TestPathChanges(t *testing.T) {
	race.SkipLong(t)
	usual := bottleneck(wanRate, wanTrip, 1, 0.01)
	half, far, near := usual, usual, usual
	half.Rate.Bits /= 2
	far.Delay.Mean = 175 * time.Millisecond
	near.Delay.Mean = time.Millisecond
	// Too few datagrams are on their way at a time to tell a queue.
	slow := bottleneck(megabit, 10*time.Millisecond, 40, 0)
	slowAndFar := slow
	slowAndFar.Delay.Mean = 300 * time.Millisecond
	for _, c := range []struct {
		name        string
		usual, path link.Settings
		soon        time.Duration
		want        float64
	}{
		{"half", usual, half, time.Second, 0.9},
		{"far", usual, far, 5 * time.Second, 0.85},
		{"near", usual, near, time.Second, 0.9},
		{"slow and far", slow, slowAndFar, leastLife + 10*time.Second, 0.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 2, 1, 2)
			a, b := l.ends[0], l.ends[1]
			neck := l.narrow(a, b, c.usual)
			h := l.haul(a, b)
			h.rate(2 * time.Second)
			for _, way := range []struct {
				name string
				path link.Settings
				soon time.Duration
				want float64
			}{{c.name, c.path, c.soon, c.want}, {"back", c.usual, 5 * time.Second, 0.85}} {
				neck.Set(l.now, way.path)
				h.rate(way.soon)
				rate := h.rate(3 * time.Second)
				if rate < way.want*float64(way.path.Rate.Bits) {
					t.Errorf("%s: %.3f of the path are used after %v", way.name, rate/float64(way.path.Rate.Bits), way.soon)
				}
			}
		})
	}
}

// TestReorderingIsNoLoss: where datagrams overtake each other by the hundred, they are soon no
// longer taken for lost.
func TestReorderingIsNoLoss(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	path := bottleneck(wanRate, wanTrip, 1, 0)
	path.Delay.Jitter = 15 * time.Millisecond
	l.narrow(a, b, path)
	h := l.haul(a, b)
	h.rate(3 * time.Second)
	before := a.counters(2)
	rate := h.rate(2 * time.Second)
	after := a.counters(2)
	lost := float64(after.Lost-before.Lost) / float64(after.Sent-before.Sent)
	if rate < 0.8*wanRate || lost > 0.01 {
		t.Errorf("%.3f of the path are used, %.3f taken for lost", rate/wanRate, lost)
	}
}

// TestLateIsNotLost: half of what is sent in two round trips comes much later than the rest, and is
// taken for lost. What the control made of it is undone when it has arrived.
func TestLateIsNotLost(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	neck := l.narrow(a, b, bottleneck(wanRate, wanTrip, 1, 0))
	h := l.haul(a, b)
	h.rate(3 * time.Second)
	begin, before, number := l.now, a.counters(2).Lost, 0
	l.filter = func(from, to *end, d []byte) bool {
		number++
		if from != a || l.now > begin+2*wanTrip || number%4 < 2 {
			return true
		}
		arrivals, _ := neck.Send(l.now, len(d))
		for _, arrival := range arrivals {
			l.inject(a, b, bytes.Clone(d), arrival.At-l.now+wanTrip)
		}
		return false
	}
	h.rate(wanTrip * 5 / 2)
	lost, c := a.counters(2).Lost-before, a.session(2).control.(*control)
	if lost < 200 || c.undo.rounds == 0 {
		t.Fatalf("%d are taken for lost, and nothing has come of it", lost)
	}
	h.rate(wanTrip)
	if c.undo.rounds != 0 || 8*c.rate < 0.9*wanRate {
		t.Errorf("%d were taken for lost, the rate is still %.3f of the path's", lost, float64(8*c.rate)/wanRate)
	}
}

// TestUrgentIsPacedInTheEnd: lane 1 may go ahead of the pace, but not for long.
func TestUrgentIsPacedInTheEnd(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	path := bottleneck(10*megabit, wanTrip, 8, 0)
	neck := l.narrow(a, b, path)
	b.onMessage = func(Delivery) {}
	message := text(1, 16<<10)
	for end := l.now + 10*time.Second; l.now < end; {
		for a.Stats().Queued < 1<<20 && a.Send(l.now, 2, 1, message) {
		}
		l.pass(5 * time.Millisecond)
	}
	lost := neck.Counters().Lost[link.LostQueue]
	s, _ := a.PeerStats(2)
	if product := int(path.Rate.Bits / 8 * int64(wanTrip) / int64(time.Second)); lost > 0 || s.InFlight > product*2+flightUrgent {
		t.Errorf("%d datagrams overran the queue, %d bytes are in flight", lost, s.InFlight)
	}
}

// TestQuanta: bulk leaves in runs of full datagrams, short enough for what is urgent to get
// between. Nothing wakes the sender but what arrives and the pace.
func TestQuanta(t *testing.T) {
	for _, c := range []struct {
		bits     int64
		trip     time.Duration
		min, max int // datagrams
	}{
		{10 * megabit, wanTrip, 1, 2},
		{100 * megabit, wanTrip, 2, 7},
		{1000 * megabit, 10 * time.Millisecond, 18, 50},
	} {
		l := newLab(t, 1, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.narrow(a, b, bottleneck(c.bits, c.trip, 1, 0))
		h := l.haul(a, b)
		h.rate(40 * c.trip)
		runs := map[time.Duration]int{}
		l.filter = func(from, to *end, d []byte) bool {
			if from == a {
				runs[l.now]++
			}
			return true
		}
		ticks, received := a.ticks, a.counters(2).Received
		h.rate(10 * c.trip)
		ticks, received = a.ticks-ticks, a.counters(2).Received-received
		sent, longest := 0, 0
		for _, n := range runs {
			sent += n
			longest = max(longest, n)
		}
		mean := float64(sent) / float64(len(runs))
		if mean < float64(c.min) || longest > c.max {
			t.Errorf("%d Mbit/s: runs of %.1f datagrams, at most %d", c.bits/megabit, mean, longest)
		}
		if ticks > len(runs)+int(received)+200 {
			t.Errorf("%d Mbit/s: woken %d times for %d runs and %d datagrams", c.bits/megabit, ticks, len(runs), received)
		}
	}
}

// A path feeds a control with rounds of its own making.
type path struct {
	control
	now   time.Duration
	total uint64
}

func newPath() *path {
	p := new(path)
	p.begin()
	return p
}

const pathTrip = 10 * time.Millisecond

// round is one in which so many datagrams arrive after such a time, and some are lost.
func (p *path) round(count, lost int, rtt time.Duration, limited bool) {
	p.now += rtt
	since := p.total
	bytes := count * wire.DatagramBase
	p.total += uint64(bytes)
	p.onLost(lost * wire.DatagramBase)
	p.onAck(p.now, ackNews{
		trip:        rtt,
		arrived:     arrivals{bytes: bytes, count: count, ages: time.Duration(count) * rtt},
		measurement: measurement{took: rtt, limited: limited, since: since, total: p.total},
		flight:      p.window(),
		length:      wire.DatagramBase,
	})
}

// steady returns a path on which so many datagrams arrive in each round.
func steady(count int) *path {
	p := newPath()
	for range 20 {
		p.round(count, 0, pathTrip, false)
	}
	return p
}

func TestControlAtCongestion(t *testing.T) {
	want := steady(100).rate
	for _, c := range []struct {
		name string
		do   func(p *path)
		rate float64 // of what it was
	}{
		{"some loss", func(p *path) { p.round(90, 10, pathTrip, false) }, 1},
		{"much loss", func(p *path) { p.round(50, 50, pathTrip, false) }, 0.5},
		{"loss of a few", func(p *path) { p.round(8, 8, pathTrip, false) }, 1},
		{"a queue", func(p *path) { p.round(75, 0, pathTrip*3/2, false) }, 0.5},
		{"a queue, not enough to send", func(p *path) { p.round(75, 0, pathTrip*3/2, true) }, 0.5},
		{"one slow datagram", func(p *path) { p.round(1, 0, 2*pathTrip, true) }, 1},
		{"not enough to send", func(p *path) {
			for range 50 {
				p.round(40, 0, pathTrip, true)
			}
		}, 1},
		{"a slower path", func(p *path) {
			for range ratesKept {
				p.round(80, 0, pathTrip, false)
			}
		}, 0.8},
		{"loss that was none", func(p *path) {
			p.round(50, 50, pathTrip, false)
			p.onFound(25 * wire.DatagramBase)
		}, 1},
		{"loss that was loss after all", func(p *path) {
			p.round(50, 50, pathTrip, false)
			p.onFound(20 * wire.DatagramBase)
		}, 0.5},
	} {
		p := steady(100)
		if c.do(p); p.rate != int64(c.rate*float64(want)) {
			t.Errorf("%s: the rate goes from %d to %d", c.name, want, p.rate)
		}
	}
}

// TestLossThatWasNoneGoesOnWithStartup: what ended startup was a mistake.
func TestLossThatWasNoneGoesOnWithStartup(t *testing.T) {
	p := newPath()
	p.round(50, 0, pathTrip, false)
	p.round(50, 50, pathTrip, false)
	if p.phase == startup {
		t.Fatal("startup outlives the loss of half of a round")
	}
	if p.onFound(50 * wire.DatagramBase); p.phase != startup {
		t.Error("startup is over although nothing was lost")
	}
}

func TestControlIsBounded(t *testing.T) {
	p := newPath()
	if p.window() != flightInitial || p.pace() != 0 {
		t.Error("before anything is known")
	}
	p.onAck(0, ackNews{measurement: measurement{took: time.Second, total: 1}, length: wire.DatagramBase})
	p.congested = true
	if p.window() != flightInitial || p.pace() != 0 {
		t.Error("before a round trip is known")
	}
	for range 100 {
		p.round(1<<20, 0, time.Microsecond, false)
	}
	p.least = leastLife
	if p.window() != flightMax || p.pace() < 0 || p.quantum() != quantumBytesMax {
		t.Errorf("a window of %d, a pace of %d, a quantum of %d", p.window(), p.pace(), p.quantum())
	}
	for range 100 {
		p.round(1, 100, pathTrip, false)
	}
	if p.window() < flightMin*wire.DatagramBase || p.pace() <= 0 || p.quantum() != wire.DatagramBase/2 {
		t.Errorf("a window of %d, a pace of %d, a quantum of %d", p.window(), p.pace(), p.quantum())
	}
}

func TestPacer(t *testing.T) {
	const pace, quantum = 1_000_000, 3000
	p := pacer{}
	for now := time.Duration(0); now < time.Second; now += time.Millisecond {
		p.open(now, pace, quantum)
		for p.run > 0 {
			p.sent(1000)
		}
		if next := p.until(0, pace); next <= now || next > now+4*time.Millisecond {
			t.Fatalf("at %v the next run begins at %v", now, next)
		}
	}
	if sent := time.Second; p.at < sent-2*time.Millisecond {
		t.Errorf("the account is of %v", p.at)
	}
	p.open(10*time.Second, pace, quantum)
	if p.run != 2*quantum {
		t.Errorf("after a pause %d bytes may go out at once", p.run)
	}
	p.sent(100_000)
	if until := p.until(flightUrgent, pace); until != 10*time.Second+time.Duration(100_000-quantum-flightUrgent+1)*time.Microsecond {
		t.Errorf("the debt is down to %d at %v", flightUrgent, until)
	}
	p.open(11*time.Second, 0, quantum)
	if p.debt != 0 {
		t.Error("a debt without a pace")
	}
}

func TestReorderingLearnsAndForgets(t *testing.T) {
	var r reordering
	r.begin()
	r.wrong(500)
	for range 100 {
		r.wrong(2)
	}
	if r.count != 501 || r.patience != patienceMax {
		t.Errorf("learned %+v", r)
	}
	for range 20 * rightMax {
		r.lost()
	}
	if r.count != reorderMin || r.patience != 1 {
		t.Errorf("after many losses %+v", r)
	}
}

// TestPathWidens: a probe that finds more is followed by the next one at once.
func TestPathWidens(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	const trip = 10 * time.Millisecond
	neck := l.narrow(a, b, bottleneck(10*megabit, trip, 1, 0))
	h := l.haul(a, b)
	h.rate(time.Second)
	neck.Set(l.now, bottleneck(100*megabit, trip, 1, 0))
	h.rate(50 * trip)
	if rate := h.rate(time.Second); rate < 0.9*100*megabit {
		t.Errorf("%.3f of the path are used", rate/100/megabit)
	}
}

// TestLittleToSendIsNoSlowPath: what is known of the path does not follow from how little was sent.
func TestLittleToSendIsNoSlowPath(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.narrow(a, b, bottleneck(wanRate, wanTrip, 1, 0))
	h := l.haul(a, b)
	trickle := func() {
		for range 100 {
			a.Send(l.now, 2, 2, text(1, 1000))
			l.pass(wanTrip / 2)
		}
	}
	trickle()
	h.rate(20 * wanTrip) // startup
	for range 2 {
		if rate := h.rate(20 * wanTrip); rate < 0.85*wanRate {
			t.Errorf("%.3f of the path are used after little was", rate/wanRate)
		}
		l.run(5*time.Second, func() bool { return a.Stats().Queued == 0 })
		trickle()
	}
}

// TestDeliveryRate: acknowledgements that come all at once do not show a fast path.
func TestDeliveryRate(t *testing.T) {
	const (
		ms   = time.Millisecond
		size = 1000
	)
	var s sentDatagrams
	s.begin(0)
	send := func(now time.Duration) { s.add(now, size, 0, sentFlying, false) }
	acked := func(now time.Duration, low, high uint64) measurement {
		for n := low; n <= high; n++ {
			s.land(n, sentDone)
		}
		s.delivered.arrived(now, int(high-low+1)*size)
		return s.delivered.measure(now, s.at(high))
	}
	for i := range 10 {
		send(time.Duration(i) * ms)
	}
	if m := acked(10*ms, 0, 0); m.rate(ms) != size*100 || m.limited || m.since != 0 || m.total != size {
		t.Errorf("after the first: %+v", m)
	}
	send(10 * ms)
	if m := acked(11*ms, 1, 10); m.rate(ms) != size*1000 || m.since != size || m.total != 11*size {
		t.Errorf("ten at once: %+v", m)
	}
	send(11 * ms)
	s.delivered.limit(s.bytes)
	send(11*ms + ms/2)
	if m := acked(12*ms, 11, 11); m.limited {
		t.Errorf("sent before there was nothing more to send: %+v", m)
	}
	if m := acked(12*ms, 12, 12); !m.limited {
		t.Errorf("sent when there was nothing more: %+v", m)
	}
	if m := s.delivered.measure(12*ms, s.at(12)); m.rate(2*ms) != 0 {
		t.Errorf("within less than a round trip: %+v", m)
	}
	send(time.Second)
	if m := acked(time.Second+10*ms, 13, 13); m.limited || m.rate(ms) != size*100 {
		t.Errorf("after a pause: %+v", m)
	}
}

// TestNoAllocationWhenPaced: on a path so long that bulk is paced.
func TestNoAllocationWhenPaced(t *testing.T) {
	p := newPair(t)
	message := text(1, 64<<10)
	carry := func() {
		p.a.Send(p.now, 2, 3, message)
		for range 4 {
			p.a.Tick(p.now, &p.ab)
			p.now += time.Millisecond
			for _, d := range p.ab.Datagrams {
				p.b.Step(p.now, addressOf(1), d.Bytes, &p.ba)
			}
			p.ab.Reset()
			p.b.Tick(p.now, &p.ba)
			p.now += time.Millisecond
			for _, d := range p.ba.Datagrams {
				p.a.Step(p.now, addressOf(2), d.Bytes, &p.ab)
			}
			p.ba.Reset()
		}
	}
	p.a.find(2).session.control.begin() // forget how short the path was
	for range 2000 {
		carry()
	}
	if p.a.find(2).session.control.pace() == 0 {
		t.Fatal("there is no pace")
	}
	if n := testing.AllocsPerRun(20, carry); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSlackOfAFastPath: what goes out at once is bounded in bytes, what may wait is not.
func TestSlackOfAFastPath(t *testing.T) {
	c := control{phase: cruise, rate: 2e9, least: 20 * time.Microsecond, length: 1472}
	if w, least := c.window(), bytesWithin(c.least+quantumMin, c.rate)-c.length; w < least || c.quantum() != quantumBytesMax {
		t.Errorf("a window of %d bytes, want %d; %d at once", w, least, c.quantum())
	}
}
