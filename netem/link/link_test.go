package link_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vrnode/netem/link"
)

const (
	ms   = time.Millisecond
	many = 100_000
)

// burst is a lossy link whose bursts of loss last five datagrams on average.
var burst = link.Burst{Turn: 0.01, Mend: 0.2, Bad: 1}

// everything is a link that does all at once.
var everything = link.Settings{
	MTU: 1500, Rate: link.Rate{Bits: 20_000_000, Queue: 64 << 10}, Loss: link.Loss{Burst: burst},
	Duplicate: 0.01, Corrupt: 0.01, Reorder: 0.25,
	Delay: link.Delay{Mean: 5 * ms, Jitter: ms, Distribution: link.Normal},
}

// send sends datagrams of a size at equal intervals.
func send(l *link.Link, n int, every time.Duration, size int) (arrivals [][]link.Delivery) {
	for i := range n {
		out, _ := l.Send(time.Duration(i)*every, size)
		arrivals = append(arrivals, slices.Clone(out))
	}
	return arrivals
}

func TestPerfectLink(t *testing.T) {
	for i, out := range send(link.New(link.Settings{}, 1), 1000, ms, 100) {
		if want := []link.Delivery{{At: time.Duration(i) * ms, Flip: link.NoFlip}}; !slices.Equal(out, want) {
			t.Fatalf("datagram %d: %v, want %v", i, out, want)
		}
	}
}

// TestAchieved sends many datagrams over links of all kinds and compares what they did with what
// they were asked to do.
func TestAchieved(t *testing.T) {
	for name, s := range map[string]link.Settings{
		"loss":        {Loss: link.Loss{Random: 0.05}},
		"burst loss":  {Loss: link.Loss{Burst: burst}},
		"soft bursts": {Loss: link.Loss{Burst: link.Burst{Turn: 0.05, Mend: 0.3, Bad: 0.7, Good: 0.01}}},
		"duplicate":   {Duplicate: 0.05},
		"corrupt":     {Corrupt: 0.01},
		"delay":       {Delay: link.Delay{Mean: 20 * ms}},
		"uniform":     {Delay: link.Delay{Mean: 20 * ms, Jitter: 5 * ms}},
		"normal":      {Delay: link.Delay{Mean: 20 * ms, Jitter: 5 * ms, Distribution: link.Normal}},
		"pareto":      {Delay: link.Delay{Mean: 20 * ms, Jitter: 5 * ms, Distribution: link.Pareto}},
		"reorder":     {Delay: link.Delay{Mean: 20 * ms}, Reorder: 0.25},
		"grid":        {Delay: link.Delay{Mean: 5 * ms}, Loss: link.Loss{Random: 0.3}, Reorder: 0.25, Duplicate: 0.01, Corrupt: 0.01},
		"everything":  everything,
		"down":        {Down: true, Loss: link.Loss{Random: 0.5}},
	} {
		t.Run(name, func(t *testing.T) {
			l := link.New(s, 42)
			send(l, many, 5*ms, 100)
			c := l.Counters()
			for _, d := range s.Deviations(&c, 0) {
				t.Error(d)
			}
			if c.Lost[link.LostLimit]+c.Lost[link.LostQueue] > 0 {
				t.Errorf("losses that nobody asked for: %v", c.Lost)
			}
		})
	}
}

// TestNotAchieved compares what a perfect link did with what others would have been asked to do.
func TestNotAchieved(t *testing.T) {
	for name, s := range map[string]link.Settings{
		"loss":       {Loss: link.Loss{Random: 0.01}},
		"burst loss": {Loss: link.Loss{Burst: burst}},
		"duplicate":  {Duplicate: 0.01},
		"corrupt":    {Corrupt: 0.01},
		"delay":      {Delay: link.Delay{Mean: 5 * ms}},
		"down":       {Down: true},
	} {
		l := link.New(link.Settings{}, 1)
		send(l, 10_000, ms, 100)
		c := l.Counters()
		if len(s.Deviations(&c, 2*ms)) != 1 {
			t.Errorf("%s: deviations %v, want one", name, s.Deviations(&c, 2*ms))
		}
		few := link.New(link.Settings{}, 1)
		if c := few.Counters(); s.Deviations(&c, 0) != nil {
			t.Errorf("%s: deviations without a datagram", name)
		}
	}
}

func TestDistributions(t *testing.T) {
	const mean, jitter = 100 * ms, 10 * ms
	for _, c := range []struct {
		of                   link.Distribution
		deviation            float64 // in units of jitter
		least, most, over3To float64
	}{
		{link.Uniform, 1 / math.Sqrt(3), -1, 1, 0},
		{link.Normal, 1, -4, 4, 0.002},
		{link.Pareto, 0.80, -2. / 3, 4, 0.04},
	} {
		l := link.New(link.Settings{Delay: link.Delay{Mean: mean, Jitter: jitter, Distribution: c.of}}, 3)
		var squares, least, most float64
		over := 0
		for i, out := range send(l, many, ms, 100) {
			x := float64(out[0].At-time.Duration(i)*ms-mean) / float64(jitter)
			squares += x * x
			least, most = min(least, x), max(most, x)
			if x > 3 {
				over++
			}
		}
		if got := math.Sqrt(squares / many); math.Abs(got-c.deviation) > 0.1 {
			t.Errorf("%v: standard deviation %.3f, want about %.3f", c.of, got, c.deviation)
		}
		if least < c.least-0.001 || most > c.most+0.001 {
			t.Errorf("%v: between %.3f and %.3f, want between %.3f and %.3f", c.of, least, most, c.least, c.most)
		}
		if got := float64(over) / many; got > c.over3To {
			t.Errorf("%v: %.4f of all are above 3, want at most %.4f", c.of, got, c.over3To)
		}
	}
}

// TestBursts measures how long the bursts of the model of Gilbert and Elliott are.
func TestBursts(t *testing.T) {
	l := link.New(link.Settings{Loss: link.Loss{Burst: burst}}, 7)
	bursts, lost, inside := 0, 0, false
	for range many {
		out, _ := l.Send(0, 100)
		if gone := len(out) == 0; gone {
			lost++
			if !inside {
				bursts++
			}
			inside = true
		} else {
			inside = false
		}
	}
	if mean := float64(lost) / float64(bursts); math.Abs(mean-5) > 0.4 {
		t.Errorf("bursts of %.2f on average, want about 5", mean)
	}
}

// TestRate fills a bottleneck: datagrams leave at its rate, wait for one another, and are lost
// when the queue is full.
func TestRate(t *testing.T) {
	const size = 1000 - link.Overhead // 1 ms each at 8 Mbit/s
	l := link.New(link.Settings{Rate: link.Rate{Bits: 8_000_000, Queue: 10_000}, Delay: link.Delay{Mean: 5 * ms}}, 1)
	for i := range 12 {
		out, why := l.Send(0, size)
		if i < 10 && (len(out) != 1 || out[0].At != time.Duration(i+1)*ms+5*ms) {
			t.Fatalf("datagram %d: %v, want one at %v", i, out, time.Duration(i+6)*ms)
		}
		if i >= 10 && (len(out) != 0 || why != link.LostQueue) {
			t.Fatalf("datagram %d: %v %v, want it lost: the queue is full", i, out, why)
		}
	}
	if out, _ := l.Send(time.Second, size); len(out) != 1 || out[0].At != time.Second+6*ms {
		t.Fatalf("on an idle link: %v, want one 6 ms later", out)
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings link.Settings
		size     int
		want     link.Reason
	}{
		{"fits", link.Settings{MTU: 1500}, 1472, 0},
		{"too long", link.Settings{MTU: 1500}, 1473, link.LostTooLong},
		{"down", link.Settings{Down: true}, 10, link.LostDown},
		{"lost", link.Settings{Loss: link.Loss{Random: 1}}, 10, link.LostRandom},
		{"no room", link.Settings{Rate: link.Rate{Bits: 8000, Queue: 1514}}, 1514, link.LostQueue},
	} {
		out, why := link.New(c.settings, 1).Send(0, c.size)
		if why != c.want || (why == 0) != (len(out) == 1) {
			t.Errorf("%s: %v %v, want %v", c.name, out, why, c.want)
		}
	}
}

func TestLimit(t *testing.T) {
	l := link.New(link.Settings{Delay: link.Delay{Mean: 10 * ms}, Limit: 3}, 1)
	var got []link.Reason
	for _, at := range []time.Duration{0, 1 * ms, 2 * ms, 3 * ms, 10 * ms, 10 * ms} {
		_, why := l.Send(at, 10)
		got = append(got, why)
	}
	if want := []link.Reason{0, 0, 0, link.LostLimit, 0, link.LostLimit}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDuplicateOfALostOne(t *testing.T) {
	out, _ := link.New(link.Settings{Loss: link.Loss{Random: 1}, Duplicate: 1}, 1).Send(0, 10)
	if len(out) != 1 {
		t.Errorf("%d copies of a datagram that was doubled and lost, want 1 as in netem", len(out))
	}
}

// TestReorder wants those that go ahead to arrive at once and the others in order.
func TestReorder(t *testing.T) {
	l := link.New(link.Settings{Delay: link.Delay{Mean: 10 * ms}, Reorder: 0.25}, 1)
	for i, out := range send(l, 1000, ms, 10) {
		if at := out[0].At - time.Duration(i)*ms; at != 0 && at != 10*ms {
			t.Fatalf("datagram %d takes %v, want nothing or 10 ms", i, at)
		}
	}
	if c := l.Counters(); c.Ahead == 0 || c.Overtook != c.Ahead {
		t.Errorf("%d went ahead and %d overtook, want the same", c.Ahead, c.Overtook)
	}
}

// TestSet changes a link under traffic. A change of one chance must not change the fate that
// another one deals.
func TestSet(t *testing.T) {
	steady := link.New(link.Settings{Loss: link.Loss{Random: 0.1}}, 5)
	changing := link.New(link.Settings{Loss: link.Loss{Random: 0.1}}, 5)
	for i := range 10_000 {
		now := time.Duration(i) * ms
		switch i {
		case 2000:
			changing.Set(now, link.Settings{Loss: link.Loss{Random: 0.1}, Corrupt: 0.5, Delay: link.Delay{Mean: ms}})
		case 4000:
			changing.Set(now, link.Settings{Down: true, Loss: link.Loss{Random: 0.1}})
		case 6000:
			changing.Set(now, link.Settings{Loss: link.Loss{Random: 0.1}, Rate: link.Rate{Bits: 8_000_000, Queue: 2000}})
		}
		a, _ := steady.Send(now, 100)
		b, why := changing.Send(now, 100)
		if down := i >= 4000 && i < 6000; down {
			if why != link.LostDown {
				t.Fatalf("datagram %d: %v, want it lost on a link that is down", i, b)
			}
		} else if len(a) != len(b) {
			t.Fatalf("datagram %d: %v with changes, %v without", i, b, a)
		}
	}
}

func TestSetRate(t *testing.T) {
	slow, fast := link.Rate{Bits: 80_000, Queue: 100_000}, link.Rate{Bits: 8_000_000, Queue: 100_000}
	l := link.New(link.Settings{Rate: slow}, 1)
	for range 50 {
		l.Send(0, 1000-link.Overhead) // 100 ms each
	}
	l.Set(time.Second, link.Settings{Rate: fast}) // 40 of them wait, 1 ms each
	if out, _ := l.Send(time.Second, 1000-link.Overhead); len(out) != 1 || out[0].At != time.Second+41*ms {
		t.Errorf("%v, want one behind 40 at the new rate", out)
	}
	l.Set(time.Second, link.Settings{})
	if out, _ := l.Send(time.Second, 1000); len(out) != 1 || out[0].At != time.Second {
		t.Errorf("%v, want one at once", out)
	}
}

func TestSameSeedSameFate(t *testing.T) {
	a, b, other := link.New(everything, 9), link.New(everything, 9), link.New(everything, 10)
	differ := 0
	for i := range 10_000 {
		now := time.Duration(i) * ms / 4
		first, why := a.Send(now, 700)
		second, whySecond := b.Send(now, 700)
		if !slices.Equal(first, second) || why != whySecond {
			t.Fatalf("datagram %d: %v %v and %v %v from one seed", i, first, why, second, whySecond)
		}
		if third, _ := other.Send(now, 700); !slices.Equal(first, third) {
			differ++
		}
	}
	if a.Counters() != b.Counters() {
		t.Error("counters differ")
	}
	if differ == 0 {
		t.Error("another seed deals the same fates")
	}
}

// TestFateIsNotOfTime sends the same datagrams at other times: what is lost, doubled and corrupted
// stays the same.
func TestFateIsNotOfTime(t *testing.T) {
	s := everything
	s.Rate = link.Rate{}
	a, b := link.New(s, 9), link.New(s, 9)
	now := time.Duration(0)
	for i := range 10_000 {
		now += time.Duration(i%7) * ms
		first, _ := a.Send(time.Duration(i)*ms, 700)
		second, _ := b.Send(now, 700)
		if len(first) != len(second) || len(first) > 0 && first[0].Flip != second[0].Flip {
			t.Fatalf("datagram %d: %v and %v", i, first, second)
		}
	}
}

func drawSettings(t *rapid.T) link.Settings {
	chance := func(name string) float64 {
		return rapid.SampledFrom([]float64{0, 0, 0.01, 0.3, 1}).Draw(t, name)
	}
	s := link.Settings{
		Duplicate: chance("duplicate"), Corrupt: chance("corrupt"), Reorder: chance("reorder"),
		MTU:   rapid.SampledFrom([]int{0, 576, 1500}).Draw(t, "mtu"),
		Limit: rapid.SampledFrom([]int{0, 1, 20}).Draw(t, "limit"),
		Delay: link.Delay{
			Mean:         time.Duration(rapid.IntRange(0, 50).Draw(t, "mean")) * ms,
			Jitter:       time.Duration(rapid.IntRange(0, 50).Draw(t, "jitter")) * ms,
			Distribution: rapid.SampledFrom(link.Distributions()).Draw(t, "distribution"),
		},
	}
	if rapid.Bool().Draw(t, "bursts") {
		s.Loss.Burst = link.Burst{Turn: 0.1, Mend: 0.3, Bad: chance("bad"), Good: chance("good")}
	} else {
		s.Loss.Random = chance("loss")
	}
	if rapid.Bool().Draw(t, "bottleneck") {
		s.Rate = link.Rate{Bits: rapid.Int64Range(link.BitsMin, 100_000_000).Draw(t, "bits"), Queue: rapid.IntRange(link.QueueMin, 100_000).Draw(t, "queue")}
	}
	return s
}

// TestRules sends over any link and wants what holds for all of them.
func TestRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		l := link.New(s, rapid.Uint64().Draw(t, "seed"))
		var now, latest time.Duration
		var arrivals []time.Duration
		for range rapid.IntRange(1, 200).Draw(t, "datagrams") {
			now += time.Duration(rapid.IntRange(0, 3000).Draw(t, "wait")) * time.Microsecond
			size := rapid.IntRange(0, 2000).Draw(t, "size")
			out, why := l.Send(now, size)
			if len(out) > 2 || (len(out) == 0) != (why != 0) {
				t.Fatalf("%v %v", out, why)
			}
			if len(out) > 0 && s.MTU > 0 && size+link.Overhead > s.MTU {
				t.Fatalf("%d bytes got through an MTU of %d", size, s.MTU)
			}
			longest := s.Longest()
			for _, d := range out {
				if d.At < now || d.At > now+longest {
					t.Fatalf("sent at %v, arrives at %v, longest delay %v", now, d.At, longest)
				}
				if d.Flip != link.NoFlip && (d.Flip < 0 || d.Flip >= 8*size || s.Corrupt == 0) {
					t.Fatalf("bit %d of %d bytes flipped", d.Flip, size)
				}
				if d.At < latest && s.Delay.Jitter == 0 && s.Reorder == 0 {
					t.Fatalf("arrives at %v, before an earlier one at %v", d.At, latest)
				}
				latest = max(latest, d.At)
				arrivals = append(arrivals, d.At)
			}
			arrivals = slices.DeleteFunc(arrivals, func(at time.Duration) bool { return at <= now })
			if len(arrivals) > s.Window() {
				t.Fatalf("%d datagrams under way, limit %d", len(arrivals), s.Window())
			}
		}
		c := l.Counters()
		var lost uint64
		for _, n := range c.Lost {
			lost += n
		}
		if c.Offered+c.Duplicated != c.Delivered+lost {
			t.Fatalf("%d sent and %d doubled, but %d arrived and %d lost", c.Offered, c.Duplicated, c.Delivered, lost)
		}
	})
}

func TestValidate(t *testing.T) {
	for name, s := range map[string]link.Settings{
		"chance":       {Duplicate: 1.5},
		"not a chance": {Loss: link.Loss{Random: math.NaN()}},
		"two models":   {Loss: link.Loss{Random: 0.1, Burst: burst}},
		"never bad":    {Loss: link.Loss{Burst: link.Burst{Mend: 1}}},
		"delay":        {Delay: link.Delay{Mean: -1}},
		"jitter":       {Delay: link.Delay{Jitter: time.Minute}},
		"mtu":          {MTU: 20},
		"rate":         {Rate: link.Rate{Bits: 1, Queue: 2000}},
		"no queue":     {Rate: link.Rate{Bits: 1_000_000}},
		"limit":        {Limit: 1 << 20},
	} {
		if s.Validate() == nil {
			t.Errorf("%s: %+v is said to be valid", name, s)
		}
	}
	for _, s := range []link.Settings{{}, everything} {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h link.Histogram
	for i := range 10_000 {
		h.Add(time.Duration(i+1) * 10 * time.Microsecond)
	}
	for _, q := range []float64{0.001, 0.5, 0.99, 1} {
		want := q * 100_000
		if got := float64(h.Quantile(q) / time.Microsecond); got < want || got > want*1.07+1 {
			t.Errorf("quantile %g: %g µs, want about %g", q, got, want)
		}
	}
	if h.Mean() != 50_005*time.Microsecond {
		t.Errorf("mean %v", h.Mean())
	}
	h.Add(-1)
	h.Add(math.MaxInt64)
}

func TestCountersSince(t *testing.T) {
	l := link.New(everything, 1)
	send(l, 1000, ms, 100)
	before := l.Counters()
	for range 500 {
		l.Send(2*time.Second, 100)
	}
	after := l.Counters()
	part := after.Since(&before)
	if part.Offered != 500 || part.Delays.Count != part.Delivered {
		t.Errorf("%+v", part)
	}
	before.Add(&part)
	if before != after {
		t.Error("the parts are not the whole")
	}
}

func TestAllocations(t *testing.T) {
	l := link.New(everything, 1)
	now := time.Duration(0)
	one := func() {
		now += 100 * time.Microsecond
		l.Send(now, 200)
	}
	for range 10_000 {
		one()
	}
	if n := testing.AllocsPerRun(10_000, one); n != 0 {
		t.Errorf("%g allocations per datagram, want 0", n)
	}
}

func BenchmarkSend(b *testing.B) {
	l := link.New(everything, 1)
	now := time.Duration(0)
	for b.Loop() {
		now += 100 * time.Microsecond
		l.Send(now, 200)
	}
}
