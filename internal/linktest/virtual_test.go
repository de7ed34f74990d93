package linktest

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"vrnode/frag"
	"vrnode/wire"
)

// A world is a meter and an echo on a link with a delay, in virtual time.
type world struct {
	t     *testing.T
	now   time.Duration
	delay time.Duration
	// passes tells whether the datagram with a number, counted over both directions, arrives; nil
	// passes all.
	passes  func(number int, toEcho bool) bool
	number  int
	flights []flight
	meter   *virtualEnd
	echo    *virtualEnd
	met     []netip.AddrPort
}

type virtualEnd struct {
	transport transport
	machine   machine
	addr      netip.AddrPort
	out       frag.Effects
}

type flight struct {
	at    time.Duration
	to    *virtualEnd
	from  netip.AddrPort
	bytes []byte
}

const meterID = wire.Peer(1<<63 | 77<<16)

func newWorld(t *testing.T, delay time.Duration, cfg Config) (*world, *meter) {
	w := &world{t: t, delay: delay}
	w.echo = &virtualEnd{addr: netip.MustParseAddrPort("10.0.0.1:7000")}
	w.restartEcho(1)
	w.meter = &virtualEnd{addr: netip.MustParseAddrPort("10.0.0.2:7000")}
	w.meter.transport = transport{frag.New(frag.Config{
		Self: meterID, Incarnation: 1, Seed: 2, Replicas: []frag.Address{{ID: listenerID, Addr: w.echo.addr}},
	}), func() uint64 { return 0 }}
	m := newMeter(&w.meter.transport, &cfg)
	w.meter.machine = m
	return w, m
}

func (w *world) restartEcho(incarnation wire.Incarnation) {
	w.echo.transport = transport{frag.New(frag.Config{Self: listenerID, Incarnation: incarnation, Seed: 100 + uint64(incarnation)}), func() uint64 { return 3 }}
	w.echo.machine = newEcho(&w.echo.transport, func(a netip.AddrPort) { w.met = append(w.met, a) })
}

// run lets time pass until the meter is done or until has come.
func (w *world) run(until time.Duration) {
	for !w.meter.machine.Done() {
		next := frag.Never
		for _, n := range []*virtualEnd{w.meter, w.echo} {
			next = min(next, n.machine.Deadline(), n.transport.Deadline())
		}
		if len(w.flights) > 0 {
			next = min(next, w.flights[0].at)
		}
		if next > until {
			w.now = until
			return
		}
		w.now = max(w.now, next)
		w.step()
	}
}

func (w *world) step() {
	for len(w.flights) > 0 && w.flights[0].at <= w.now {
		f := w.flights[0]
		w.flights = w.flights[1:]
		f.to.transport.Step(w.now, f.from, f.bytes, &f.to.out)
		for _, m := range f.to.out.Messages {
			f.to.machine.Step(w.now, m.From, m.Bytes)
		}
		w.carry(f.to)
	}
	for _, n := range []*virtualEnd{w.meter, w.echo} {
		if n.machine.Deadline() <= w.now {
			n.machine.Tick(w.now)
			if d := n.machine.Deadline(); d <= w.now {
				w.t.Fatalf("at %v: Deadline %v after Tick", w.now, d)
			}
		}
		if n.transport.Deadline() <= w.now {
			n.transport.Tick(w.now, &n.out)
		}
		w.carry(n)
	}
}

// carry puts on the link what an end sends.
func (w *world) carry(from *virtualEnd) {
	to := w.meter
	if from == w.meter {
		to = w.echo
	}
	for _, d := range from.out.Datagrams {
		w.number++
		if w.passes == nil || w.passes(w.number, to == w.echo) {
			f := flight{w.now + w.delay, to, from.addr, bytes.Clone(d.Bytes)}
			at := len(w.flights)
			for at > 0 && w.flights[at-1].at > f.at {
				at--
			}
			w.flights = slices.Insert(w.flights, at, f)
		}
	}
	from.out.Reset()
}

// phaseTime is short: the link of these tests has no limit but the transport's.
const phaseTime = 200 * time.Millisecond

func everything() Config {
	return Config{Phases: Phases, Duration: phaseTime, Patience: 5 * time.Second, Size: 64, Sizes: []int{100, 10_000}}
}

// TestEveryPhase: in virtual time the figures are those of the link.
func TestEveryPhase(t *testing.T) {
	w, m := newWorld(t, 5*time.Millisecond, everything())
	w.run(time.Minute)
	if m.err != nil || !m.Done() || len(w.met) != 1 || w.met[0] != w.meter.addr {
		t.Fatalf("%v, met %v", m.err, w.met)
	}
	m.finish(w.now)
	var phases []Phase
	for _, r := range m.report.Rows {
		phases = append(phases, r.Phase)
		if r.Seconds != phaseTime.Seconds() && r.Phase != Sweep {
			t.Errorf("%s took %g s", r.Phase, r.Seconds)
		}
		if r.Count == 0 || r.Path.Sent == 0 || r.Path.Lost != 0 || r.Path.DatagramBytes < wire.DatagramBase || r.Path.WindowBytes == 0 {
			t.Errorf("%+v", r)
		}
		if r.Path.RTTMinMicros != 10_000 {
			t.Errorf("%s: the least round-trip time is %g µs", r.Phase, r.Path.RTTMinMicros)
		}
	}
	if !slices.Equal(phases, []Phase{Ping, Up, Down, Sweep, Sweep}) {
		t.Fatalf("phases %v", phases)
	}
	ping, up, down := m.report.Rows[0], m.report.Rows[1], m.report.Rows[2]
	near := func(got, want float64) bool { return got > 0.98*want && got < 1.02*want }
	if !near(ping.P50Micros, 10_000) || !near(ping.MostMicros, 10_000) || ping.Count < 19 || ping.Count > 21 || ping.Beside != nil {
		t.Errorf("ping: %+v", ping.RoundTrips)
	}
	for _, r := range []Row{up, down} {
		if r.BytesPerSecond != float64(r.Count*bulkSize)/r.Seconds || r.BytesPerSecond < 10e6 || !near(r.Beside.P99Micros, 10_000) || r.Beside.Count < 15 {
			t.Errorf("%s: %+v beside %+v", r.Phase, r, r.Beside)
		}
	}
	// Whose way is shown: the one by which the bulk went.
	if datagrams := float64(up.Count) * bulkSize / wire.DatagramMax; float64(up.Path.Sent) < datagrams || float64(down.Path.Sent) < datagrams/2 {
		t.Errorf("%d datagrams up and %d down", up.Path.Sent, down.Path.Sent)
	}
	if !near(m.report.ConnectMillis, 20) {
		t.Errorf("a first answer took %g ms, want two round trips", m.report.ConnectMillis)
	}
}

// TestLossIsSeen: by the end that sends, in either direction.
func TestLossIsSeen(t *testing.T) {
	for _, up := range []bool{true, false} {
		cfg := everything()
		cfg.Phases = []Phase{map[bool]Phase{true: Up, false: Down}[up]}
		w, m := newWorld(t, time.Millisecond, cfg)
		w.passes = func(number int, toEcho bool) bool { return toEcho != up || number%50 != 0 }
		w.run(time.Minute)
		if m.err != nil {
			t.Fatal(m.err)
		}
		path := m.report.Rows[0].Path
		if path.Lost == 0 || path.Again == 0 || path.LossPercent < 0.5 || path.LossPercent > 4 {
			t.Errorf("up %t: %+v", up, path)
		}
	}
}

// TestBrokenLinks: an end that never answers, stops to, or starts anew.
func TestBrokenLinks(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *world)
		after time.Duration
		want  error
		rows  int
	}{
		{"nobody", func(w *world) { w.passes = func(int, bool) bool { return false } }, 0, ErrNobody, 0},
		{"only there", func(w *world) { w.passes = func(_ int, toEcho bool) bool { return toEcho } }, 0, ErrNobody, 0},
		{"silence", func(w *world) { w.passes = func(int, bool) bool { return false } }, 400 * time.Millisecond, ErrSilent, 2},
		{"restart", func(w *world) { w.restartEcho(2) }, 400 * time.Millisecond, ErrRestarted, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, m := newWorld(t, time.Millisecond, everything())
			w.run(c.after)
			c.spoil(w)
			broken := w.now
			w.run(time.Minute)
			if !errors.Is(m.err, c.want) || w.now > broken+everything().Patience+time.Second {
				t.Fatalf("%v after %v", m.err, w.now-broken)
			}
			m.finish(w.now)
			if len(m.report.Rows) != c.rows {
				t.Errorf("%d rows: %+v", len(m.report.Rows), m.report.Rows)
			}
		})
	}
}

// TestEnoughSeen: what was measured before an interruption is reported.
func TestEnoughSeen(t *testing.T) {
	w, m := newWorld(t, time.Millisecond, everything())
	w.run(phaseTime / 2)
	m.finish(w.now)
	if len(m.report.Rows) != 1 || m.report.Rows[0].Count < 20 || m.report.Rows[0].Seconds > 0.1 {
		t.Errorf("%+v", m.report.Rows)
	}
	if p := m.progress.Load(); p == nil || p.Phase != Ping || p.Share <= 0 || p.Share > 0.25 {
		t.Errorf("%+v", p)
	}
}

// TestSlowLink: bulk does not pile up so much that the link takes longer to empty than it was
// measured.
func TestSlowLink(t *testing.T) {
	cfg := everything()
	cfg.Phases, cfg.Duration = []Phase{Up}, time.Second
	w, m := newWorld(t, 20*time.Millisecond, cfg)
	const perDatagram = 9600 * time.Microsecond // 1 Mbit/s
	free := time.Duration(0)
	w.passes = func(_ int, toEcho bool) bool {
		if toEcho {
			free = max(free, w.now) + perDatagram
			w.delay = free - w.now + 20*time.Millisecond
		} else {
			w.delay = 20 * time.Millisecond
		}
		return true
	}
	w.run(time.Minute)
	if m.err != nil || w.now > 10*time.Second {
		t.Errorf("%v after %v", m.err, w.now)
	}
}
