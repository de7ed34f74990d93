package stack

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vrnode/frag"
	"vrnode/internal/tally"
	"vrnode/vr"
	"vrnode/wire"
)

// A lan is a few hosts on a perfect network. Faults are for internal/sim.
type lan struct {
	t         testing.TB
	now       time.Duration
	ends      []*end
	addresses []Address
	// queue holds what is under way; its buffers are used again.
	queue     []packet
	queued    int
	datagrams int
}

type packet struct {
	from, to netip.AddrPort
	bytes    []byte
}

// An end is a host at an address.
type end struct {
	*Host
	addr    netip.AddrPort
	out     Effects
	done    int                           // results so far
	results map[wire.RequestNumber]string // nil if they are only counted
	events  []vr.Event
}

func address(id wire.Peer) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(id)}), 7000)
}

var outsider = wire.ClientPeer(0xc1<<16, 0)

// newLAN starts n replicas and, as its last end, a client of its own.
func newLAN(t testing.TB, n int) *lan {
	l := &lan{t: t, now: time.Second}
	for id := wire.Peer(1); id <= wire.Peer(n); id++ {
		l.addresses = append(l.addresses, Address{ID: id, Addr: address(id)})
	}
	for _, a := range l.addresses {
		l.start(Config{Self: a.ID, Machine: new(tally.Machine)})
	}
	l.start(Config{Self: outsider})
	return l
}

func (l *lan) start(cfg Config) {
	number := len(l.ends) + 1
	cfg.Incarnation, cfg.Seed, cfg.Replicas = wire.Incarnation(number), uint64(number), l.addresses
	l.ends = append(l.ends, &end{Host: New(cfg), addr: address(wire.Peer(number)), results: map[wire.RequestNumber]string{}})
}

func (l *lan) client() *end { return l.ends[len(l.ends)-1] }

// step lets the ends do what is due, one after the other, and delivers what each of them sends
// before the next. It tells whether anything was sent.
func (l *lan) step() bool {
	before := l.datagrams
	for _, e := range l.ends {
		if e.Deadline() <= l.now {
			e.Tick(l.now, &e.out)
			l.take(e)
		}
		for at := 0; at < l.queued; at++ {
			l.deliver(l.queue[at])
		}
		l.queued = 0
	}
	return l.datagrams > before
}

func (l *lan) deliver(p packet) {
	for _, e := range l.ends {
		if e.addr == p.to {
			e.Step(l.now, p.from, p.bytes, &e.out)
			l.take(e)
		}
	}
}

func (l *lan) take(e *end) {
	for _, d := range e.out.Datagrams {
		if l.queued == len(l.queue) {
			l.queue = append(l.queue, packet{})
		}
		p := &l.queue[l.queued]
		p.from, p.to, p.bytes = e.addr, d.Addr, append(p.bytes[:0], d.Bytes...)
		l.queued++
		l.datagrams++
	}
	for _, r := range e.out.Results {
		e.done++
		if e.results != nil {
			e.results[r.Request] = fmt.Sprintf("%v %s", r.Outcome, r.Body)
		}
	}
	if e.results != nil {
		e.events = append(e.events, e.out.Events...)
	}
	e.out.Reset()
}

// until lets time pass until something is so.
func (l *lan) until(what string, so func() bool) {
	l.t.Helper()
	for limit := l.now + time.Minute; !so(); {
		if !l.step() {
			l.now += 100 * time.Microsecond
		}
		if l.now > limit {
			l.t.Fatalf("not in a minute: %s", what)
		}
	}
}

func (l *lan) form() {
	l.t.Helper()
	o := l.client().Operator()
	o.Probe(l.now)
	l.until("all replicas answer", o.Done)
	if why, _ := o.CanForm(); why != "" {
		l.t.Fatal(why)
	}
	o.Form(l.now, wire.ClusterID{1}, wire.Base{})
	l.until("the group is formed", o.Done)
}

// Requests from anywhere, by way of a replica's process or of none, reach the primary and their
// results come back.
func TestRequestsFromEverywhere(t *testing.T) {
	for n := range 3 {
		n = 2*n + 1
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			l := newLAN(t, n)
			l.form()
			for i, e := range l.ends {
				number, ok := e.Submit(l.now, []byte("four"))
				if !ok {
					t.Fatal("not accepted")
				}
				l.until("the result", func() bool { return e.done == 1 })
				if got, want := e.results[number], fmt.Sprintf("done %d", 4*(i+1)); got != want {
					t.Errorf("end %d: result %q, want %q", i, got, want)
				}
				for _, why := range []Reason{ReasonMalformed, ReasonForged, ReasonLocalBound} {
					if n := e.Dropped(why); n > 0 {
						t.Errorf("end %d dropped %d messages: %v", i, n, why)
					}
				}
			}
		})
	}
}

func TestLocalMessagesStayLocal(t *testing.T) {
	l := newLAN(t, 1)
	l.form()
	l.until("the transport has come to rest", func() bool { return l.ends[0].Endpoint().Deadline() > l.now+time.Hour })
	before := l.datagrams
	e := l.ends[0]
	for i := range 100 {
		e.Submit(l.now, []byte("x"))
		l.until("the result", func() bool { return e.done == i+1 })
	}
	if sent := l.datagrams - before; sent > 0 {
		t.Errorf("a group of one sent %d datagrams for its own client", sent)
	}
}

func TestLargeMessages(t *testing.T) {
	l := newLAN(t, 3)
	l.form()
	e := l.client()
	for range 20 {
		if _, ok := e.Submit(l.now, make([]byte, wire.CommandMax)); !ok {
			t.Fatal("not accepted")
		}
	}
	l.until("all results", func() bool { return e.done == 20 })
}

// A stranger is a peer that has a session and sends what it likes.
type stranger struct {
	*frag.Endpoint
	id  wire.Peer
	out frag.Effects
}

// say sends messages to a host and lets both talk until they come to rest.
func (s *stranger) say(l *lan, to *end, messages ...[]byte) {
	here := netip.MustParseAddrPort("10.9.9.9:1")
	for _, b := range messages {
		s.Send(l.now, 1, laneClient, b)
	}
	for range 100 {
		l.now += time.Millisecond
		s.out.Reset()
		s.Tick(l.now, &s.out)
		for _, d := range s.out.Datagrams {
			to.Step(l.now, here, d.Bytes, &to.out)
		}
		to.Tick(l.now, &to.out)
		for _, d := range to.out.Datagrams {
			if d.Addr == here {
				s.Step(l.now, to.addr, d.Bytes, &s.out)
			}
		}
		to.out.Reset()
	}
}

func TestStrangersAreTurnedAway(t *testing.T) {
	id := wire.ClientPeer(0xbad<<16, 0)
	var e wire.Encoder
	register := func(from wire.Peer) []byte { return e.Append(nil, &wire.Header{From: from}, &wire.Register{}) }
	for _, c := range []struct {
		name    string
		message []byte
		reason  Reason
	}{
		{"garbage", []byte("garbage"), ReasonMalformed},
		{"a replica's name", register(2), ReasonForged},
		{"another client's name", register(wire.ClientPeer(0xbad1<<16, 0)), ReasonForged},
		{"the name of a client in a replica's process", register(wire.ClientPeer(0xbad<<16, 2)), ReasonForged},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLAN(t, 3)
			host := l.ends[0]
			s := &stranger{id: id, Endpoint: frag.New(frag.Config{Self: id, Incarnation: 1, Seed: 5, Replicas: l.addresses[:1]})}
			s.say(l, host, c.message)
			if n := host.Dropped(c.reason); n != 1 {
				t.Errorf("dropped %d messages as %v, want 1", n, c.reason)
			}
		})
	}
}

func TestProbeTellsOfTheTransport(t *testing.T) {
	l := newLAN(t, 3)
	l.form()
	c := l.client()
	c.Submit(l.now, []byte("x"))
	l.until("the result", func() bool { return c.done == 1 })
	c.Operator().Probe(l.now)
	l.until("all replicas answer", c.Operator().Done)
	for _, a := range c.Operator().Answers() {
		for _, p := range a.Peers {
			s, ok := l.ends[a.ID-1].Endpoint().PeerStats(p.ID)
			if !ok || p.RTTMicros != uint64(s.SRTT/time.Microsecond) {
				t.Errorf("replica %v says %d µs to %v, its transport %v", a.ID, p.RTTMicros, p.ID, s.SRTT)
			}
			// More may have been sent since the answer was made.
			if p.Sent == 0 || p.Sent > s.Sent || p.Lost > s.Lost || p.Again > s.Retransmitted {
				t.Errorf("replica %v says %+v of %v, its transport %+v", a.ID, p, p.ID, s.PeerCounters)
			}
		}
	}
}

// A report of the own replica is what the network would be told.
func TestReport(t *testing.T) {
	l := newLAN(t, 3)
	l.form()
	c := l.client()
	for i, e := range l.ends {
		var out Effects
		report := e.Report(l.now, &out)
		if e == c {
			if report != nil {
				t.Errorf("a client reports %+v", report)
			}
			continue
		}
		answer := c.Operator().Answers()[i]
		if report.Status != wire.StatusNormal || len(report.Peers) != 2 || report.Peers[0].RTTMicros != answer.Peers[0].RTTMicros {
			t.Errorf("replica %d reports %+v, and told the operator %+v", i+1, report, answer.ProbeReply)
		}
	}
}

// Every kind has a route, and those in slots fit.
func TestRoutesAreComplete(t *testing.T) {
	for k := wire.KindRegister; k <= wire.KindMax; k++ {
		r := routes[k]
		if r.to == 0 || !r.slot && r.lane == 0 {
			t.Errorf("%v has no route: %+v", k, r)
		}
		if r.slot && k >= frag.SlotsMax {
			t.Errorf("there is no slot %d for %v", k, k)
		}
	}
}

// commit runs n requests of the client to their results.
func (l *lan) commit(n int) {
	c := l.client()
	want := c.done + n
	for range n {
		c.Submit(l.now, []byte("a command of 24 bytes..."))
	}
	for c.done < want {
		if !l.step() {
			l.now += 20 * time.Microsecond
		}
	}
}

func (l *lan) warm() {
	l.form()
	for _, e := range l.ends {
		e.results = nil
	}
	for range 20 {
		l.commit(vr.SessionWindow)
	}
}

// The whole way of a request, from the client through three replicas and back, does not allocate,
// but for the log's memory, which comes in pieces of many ops.
func TestNormalCaseDoesNotAllocate(t *testing.T) {
	l := newLAN(t, 3)
	l.warm()
	for _, batch := range []int{1, 64} {
		if n := testing.AllocsPerRun(200, func() { l.commit(batch) }); n > 0 {
			t.Errorf("committing a batch of %d ops allocates %v times, budget 0", batch, n)
		}
	}
}

// BenchmarkCommit is one op through four hosts and all their layers, without a network.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 64, 1024} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			l := newLAN(b, 3)
			l.warm()
			b.ReportAllocs()
			b.ResetTimer()
			before := l.datagrams
			for i := 0; i < b.N; i += batch {
				l.commit(batch)
			}
			b.ReportMetric(float64(l.datagrams-before)/float64(b.N), "datagrams/op")
		})
	}
}

// TestPiecesAreNotCopied: a piece is sent in the buffer that it was sealed in, and its parcel has another one
// then. One that there is no room for counts, and stays.
func TestPiecesAreNotCopied(t *testing.T) {
	h := New(Config{Self: 1, Machine: new(tally.Machine), Replicas: []Address{{ID: 1, Addr: address(1)}, {ID: 2, Addr: address(2)}}})
	var out Effects
	var encoder wire.Encoder
	for range 1000 {
		var parcel wire.Parcel
		header := h.header()
		piece := &wire.Piece{Op: 1, Parts: parcel.Parts(1<<17).Append(0, make([]byte, 1<<17))}
		encoder.Seal(&parcel, &header, piece)
		sealed := parcel.Message()
		refused := h.Dropped(ReasonRefused)
		out.protocol.Messages = append(out.protocol.Messages, wire.Envelope{Header: header, To: 2, Message: piece})
		h.send(0, &out)
		out.Reset()
		buffer := parcel.Swap(nil)
		stays := &buffer[:1][0] == &sealed[0]
		if h.Dropped(ReasonRefused) > refused {
			if !stays {
				t.Error("the buffer of a piece that was refused is gone")
			}
			return
		}
		if stays {
			t.Fatal("a piece was copied")
		}
	}
	t.Error("there is room for any number of pieces")
}
