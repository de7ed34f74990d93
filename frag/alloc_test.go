package frag

import (
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// A pair is two endpoints and a network that delivers at once.
type pair struct {
	a, b     *Endpoint
	ab, ba   Effects
	now      time.Duration
	received int
	// drop tells which of the datagrams of a batch from a to b are lost; nil loses none.
	drop func(batch []wire.Datagram, i int) bool
}

func newPair(t testing.TB, keys ...noise.Key) *pair { return newPairWith(t, Config{Keys: keys}) }

// newPairWith returns two endpoints that have all but their names from cfg.
func newPairWith(t testing.TB, cfg Config) *pair {
	replicas := []Address{{1, addressOf(1)}, {2, addressOf(2)}}
	cfg.Incarnation, cfg.Replicas = 1, replicas
	one, two := cfg, cfg
	one.Self, one.Seed, two.Self, two.Seed = 1, 1, 2, 2
	p := &pair{a: New(one), b: New(two)}
	p.a.Send(0, 2, 0, []byte("connect"))
	for range 100 {
		p.turn()
	}
	if p.received != 1 {
		t.Fatal("not connected")
	}
	return p
}

// turn lets 20 µs pass and everything that was sent arrive.
func (p *pair) turn() {
	p.now += 20 * time.Microsecond
	p.a.Tick(p.now, &p.ab)
	for i, d := range p.ab.Datagrams {
		if p.drop == nil || !p.drop(p.ab.Datagrams, i) {
			p.b.Step(p.now, addressOf(1), d.Bytes, &p.ba)
		}
	}
	p.received += len(p.ba.Messages)
	p.ab.Reset()
	p.b.Tick(p.now, &p.ba)
	for _, d := range p.ba.Datagrams {
		p.a.Step(p.now, addressOf(2), d.Bytes, &p.ab)
	}
	p.received += len(p.ab.Messages)
	p.ba.Reset()
}

func (p *pair) send(t testing.TB, lane Lane, message []byte) {
	if !p.a.Send(p.now, 2, lane, message) {
		t.Fatal("refused")
	}
	for want := p.received + 1; p.received < want; {
		p.turn()
	}
}

// TestCase12NoAllocation: once it has met a kind of load, an endpoint allocates nothing for it.
func TestCase12NoAllocation(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		p := newPair(t, keys...)
		small, middle, large := text(1, 100), text(2, 64<<10), text(3, 1<<20)
		for _, c := range []struct {
			name string
			warm int // runs until all rings and free lists have their size
			do   func()
		}{
			{"small message", 3000, func() { p.send(t, 0, small) }},
			{"64 KiB message", 300, func() { p.send(t, 1, middle) }},
			{"1 MiB message", 100, func() { p.send(t, 3, large) }},
			{"slot message", 3000, func() { p.a.SendLatest(p.now, 2, 7, small); p.turn() }},
			{"idle", 10, func() { p.turn() }},
			{"duplicate", 3000, func() {
				p.a.Send(p.now, 2, 0, small)
				p.a.Tick(p.now, &p.ab)
				for range 3 {
					p.b.Step(p.now, addressOf(1), p.ab.Datagrams[0].Bytes, &p.ba)
				}
				p.ab.Reset()
				p.turn()
			}},
			{"loss", 300, func() {
				p.a.Send(p.now, 2, 1, middle)
				p.a.Tick(p.now, &p.ab)
				p.ab.Reset() // all of it
				for want := p.received + 1; p.received < want; {
					p.turn()
				}
			}},
		} {
			for range c.warm {
				c.do()
			}
			if n := testing.AllocsPerRun(20, c.do); n != 0 {
				t.Errorf("%s: %v allocations", c.name, n)
			}
		}
	})
}

func BenchmarkEndpointSmallMessage(b *testing.B) {
	p := newPair(b)
	message := text(1, 100)
	b.ReportAllocs()
	for b.Loop() {
		p.send(b, 0, message)
	}
}

// BenchmarkEndpointSmallMessages sends batches of 16, as a busy replica does.
func BenchmarkEndpointSmallMessages(b *testing.B) {
	p := newPair(b)
	message := text(1, 100)
	b.ReportAllocs()
	for b.Loop() {
		for range 15 {
			p.a.Send(p.now, 2, 0, message)
		}
		p.send(b, 0, message)
		p.received = 0
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/message")
}

func BenchmarkEndpointBulk(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkBulk(b, newPair(b)) })
	b.Run("secure", func(b *testing.B) { benchmarkBulk(b, newPair(b, oneKey...)) })
}

func benchmarkBulk(b *testing.B, p *pair) {
	message := text(1, 1<<20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		p.send(b, 3, message)
	}
}
