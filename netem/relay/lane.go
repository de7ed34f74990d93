package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/wire"
)

// A lane is one direction: the ports where its datagrams come in and the one where they go out, which
// is where those of the other direction come in.
type lane struct {
	port *net.UDPConn
	back *lane
	// forwards: the receiver's own port is open whatever other one it has.
	forwards bool

	mu   sync.Mutex
	nat  nat // of the receiver
	link *link.Link
	// base are the counters of the link at the last change of its settings.
	base link.Counters
	// spans hold what was done under each of the settings so far, the present one last.
	spans []*span
}

// A span is a time in which the settings of a lane did not change. What leaves the relay is counted
// when it does, so that the delay is the real one; what does not leave, by the reasons of the link.
type span struct {
	decided link.Counters // by the link, complete when the span is over
	left    uint64
	delays  link.Histogram
	late    link.Histogram // how much of that the link did not ask for
}

func newLane(port *net.UDPConn, seed uint64) *lane {
	return &lane{port: port, link: link.New(link.Settings{}, seed), spans: []*span{{}}}
}

// set ends a span and begins the next.
func (l *lane) set(now time.Duration, s link.Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans[len(l.spans)-1].decided = l.decided()
	l.base = l.link.Counters()
	l.link.Set(now, s)
	l.spans = append(l.spans, &span{})
}

// decided returns what the link has decided in the present span.
func (l *lane) decided() link.Counters {
	all := l.link.Counters()
	return all.Since(&l.base)
}

func (l *lane) measure() (done []link.Counters, late []link.Histogram) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans[len(l.spans)-1].decided = l.decided()
	for _, s := range l.spans {
		c := s.decided
		c.Delivered, c.Delays = s.left, s.delays
		done, late = append(done, c), append(late, s.late)
	}
	return done, late
}

// send asks the link what becomes of a datagram. The deliveries are valid until the next call.
func (l *lane) send(now time.Duration, size int) ([]link.Delivery, *span) {
	deliveries, _ := l.link.Send(now, size)
	return deliveries, l.spans[len(l.spans)-1]
}

// leave counts a copy that has left.
func (l *lane) leave(s *span, delay, late time.Duration) {
	l.mu.Lock()
	s.left++
	s.delays.Add(delay)
	s.late.Add(late)
	l.mu.Unlock()
}

// forward takes what comes in at a port of a lane until that is closed.
func (r *Relay) forward(d scenario.Direction, l *lane, port *net.UDPConn) {
	// One byte more tells that a datagram was cut off: nothing of ours is as long.
	var buffer [wire.DatagramMax + 1]byte
	from, to := r.sites[d.From], r.sites[d.To]
	for {
		n, source, err := port.ReadFromUDPAddrPort(buffer[:])
		if err != nil {
			if r.closed.Load() {
				return
			}
			continue
		}
		if !r.admit(d.From, from, source) || n > wire.DatagramMax {
			continue
		}
		datagram := buffer[:n]
		if r.rules.lose(d, datagram) {
			continue
		}
		target := to.addr.Load()
		if target == nil {
			continue // a client that has not said anything yet
		}
		r.pass(l, port, *target, datagram)
	}
}

// admit tells whether a datagram is from the site that may use the port.
func (r *Relay) admit(number scenario.Site, s *site, source netip.AddrPort) bool {
	known := s.addr.Load()
	if int(number) <= r.replicas {
		return *known == source
	}
	if known == nil || *known != source {
		s.addr.Store(&source)
	}
	return true
}

// pass sends on what is due at once and keeps what is not.
func (r *Relay) pass(l *lane, port *net.UDPConn, to netip.AddrPort, datagram []byte) {
	exit := l.source()
	l.mu.Lock()
	now := time.Since(r.began)
	deliveries, s := l.send(now, len(datagram))
	for _, d := range deliveries {
		p := packet{at: d.At, came: now, lane: l, span: s, port: port, exit: exit, to: to, bytes: append(r.wheel.buffer(), datagram...)}
		if d.Flip != link.NoFlip {
			p.bytes[d.Flip/8] ^= 1 << (d.Flip % 8)
		}
		r.wheel.add(p)
	}
	l.mu.Unlock()
}

// deliver sends packets on when they are due, until the relay is closed.
func (r *Relay) deliver() {
	for {
		p, ok := r.wheel.next(r.began)
		if !ok {
			return
		}
		// A datagram that can not be sent is lost, and missing in the count. One that nobody expects
		// has come to the end of the link.
		var err error
		if p.lane.admits(p.port) {
			_, err = p.exit.WriteToUDPAddrPort(p.bytes, p.to)
		}
		if err == nil {
			now := time.Since(r.began)
			p.lane.leave(p.span, now-p.came, now-p.at)
		}
		r.wheel.free(p.bytes)
	}
}
