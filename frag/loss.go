package frag

import (
	"time"

	"vrnode/wire"
)

// onAck applies an ACK frame. It returns why it can not, or 0.
func (e *Endpoint) onAck(now time.Duration, p *peer, a *wire.Ack) Reason {
	s := &p.session
	if a.Largest >= s.sent.next {
		return ReasonAck
	}
	trip := time.Duration(0)
	if a.Largest >= s.sent.oldest {
		if d := s.sent.at(a.Largest); d.state != sentDone {
			trip = s.rtt.sample(now-d.at, a.Delay)
		}
	}
	landed, newest := arrivals{}, uint64(0)
	var r wire.Range
	for a.Next(&r) && r.High >= s.sent.oldest {
		for n := max(r.Low, s.sent.oldest); n <= r.High; n++ {
			if s.sent.at(n).state != sentDone {
				landed.add(int(s.sent.at(n).size), now-s.sent.at(n).at)
				newest = max(newest, n)
				e.land(now, p, n)
			}
		}
	}
	if landed.count == 0 {
		return 0
	}
	if !s.sent.anyAcked || a.Largest > s.sent.largestAcked {
		s.sent.anyAcked, s.sent.largestAcked = true, a.Largest
	}
	s.backoff, s.probes = 0, 0
	e.detectLoss(now, p)
	s.sent.delivered.arrived(now, landed.bytes)
	s.control.onAck(now, ackNews{trip, landed, s.sent.delivered.measure(now, s.sent.at(newest)), s.sent.bytes, s.path.size, e.random()})
	if s.runs.judge(now) {
		p.counters.Partings++
	}
	s.sent.trim(now-4*s.rtt.lossDelay(s.reorder.patience), &s.reorder)
	p.ready = true
	return 0
}

// land notes that a datagram in flight, or one that was taken for lost, has arrived.
func (e *Endpoint) land(now time.Duration, p *peer, n uint64) {
	s := &p.session
	d := s.sent.at(n)
	if d.state == sentLost {
		s.control.onFound(int(d.size))
		s.reorder.wrong(max(s.sent.largestAcked, n) - n)
	}
	s.runs.onArrived(d)
	s.path.onArrived(now, d)
	s.sent.land(n, sentDone)
	for i := range uint64(d.count) {
		r := &s.sent.refs[(d.refs+i)&uint64(len(s.sent.refs)-1)]
		if r.lane == slotLane {
			p.slots.onAcked(r)
		} else if m := p.out[r.lane].onAcked(r); m != nil {
			e.freeMessage(m)
		}
	}
}

// detectLoss finds the datagrams that are lost: those before one that was acknowledged, if it
// was so many or so long before (RFC 8985, RFC 9002). None is within half a round trip, so that
// nothing is sent again faster than that where some datagrams overtake many others.
func (e *Endpoint) detectLoss(now time.Duration, p *peer) {
	s := &p.session
	s.lossAt = Never
	if !s.sent.anyAcked {
		return
	}
	delay := s.rtt.lossDelay(s.reorder.patience)
	for n := s.sent.firstFlying(); n < s.sent.largestAcked; n = s.sent.firstFlying() {
		lostAt := s.sent.at(n).at + delay
		if s.sent.largestAcked-n >= s.reorder.count {
			lostAt = s.sent.at(n).at + s.rtt.smoothed/2
		}
		if lostAt > now {
			s.lossAt = lostAt
			break
		}
		e.lose(now, p, n)
	}
	if s.path.isHole(s.rtt.smoothed) {
		e.shrink(now, p, now+pathPause)
	}
}

// lose puts back what a datagram carried.
func (e *Endpoint) lose(now time.Duration, p *peer, n uint64) {
	s := &p.session
	d := s.sent.at(n)
	s.runs.onLost(d)
	s.sent.land(n, sentLost)
	p.ready = true
	s.control.onLost(int(d.size))
	s.path.onLost(d)
	p.counters.Lost++
	for i := range uint64(d.count) {
		r := &s.sent.refs[(d.refs+i)&uint64(len(s.sent.refs)-1)]
		if r.lane == slotLane {
			p.slots.onLost(r)
		} else {
			p.out[r.lane].onLost(r)
		}
	}
}

// lossTimer is when the session must look for losses, or probe.
func (s *session) lossTimer() time.Duration {
	if s.lossAt != Never || s.sent.count == 0 {
		return s.lossAt
	}
	longest := probeMax
	if s.sent.urgent > 0 {
		longest = probeMaxUrgent
	}
	return s.askedAt + min(s.rtt.probeDelay()<<min(s.backoff, 16), longest)
}

// probe sends the oldest datagrams in flight again, since nothing is heard of them or of any later
// one. The answer tells what became of the others.
func (e *Endpoint) probe(now time.Duration, p *peer) {
	s := &p.session
	p.counters.Probes++
	s.backoff++
	s.probes = 2
	s.askedAt = now
	s.move.wanted = s.move.to.IsValid()
	if s.backoff == backoffForgets {
		s.control.begin()
	}
	for range s.probes {
		if n := s.sent.firstFlying(); n < s.sent.next {
			e.lose(now, p, n)
		}
	}
	if s.backoff >= holeProbes && now-s.heardAt >= holeSilence && s.path.size > wire.DatagramBase {
		e.shrink(now, p, now+pathPause)
	}
	p.ready = true
}
