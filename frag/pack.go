package frag

import (
	"net/netip"
	"time"

	"vrnode/wire"
)

// The order in which lanes may fill a datagram, as a rule and for one datagram in bulkShare.
var (
	byUrgency = [LanesMax]Lane{0, 1, 2, 3}
	bulkFirst = [LanesMax]Lane{3, 0, 1, 2}
)

// An allowance is what the controller says while datagrams are packed, in which nothing is news to it.
type allowance struct {
	window  int
	pace    int64
	quantum int
}

// packAll packs what may go out now, a run of it at most, and notes what keeps the rest back. After
// a run the caller comes back at once, having looked at what has arrived: on a fast path a window is
// many runs, and what is urgent would wait for the making of all of them.
func (e *Endpoint) packAll(now time.Duration, p *peer, out *Effects) {
	s := &p.session
	may := allowance{s.control.window(), s.control.pace(), s.control.quantum()}
	s.runs.rest()
	s.pacer.open(now, may.pace, may.quantum)
	full := s.sent.bytes + runBytesMax - s.path.size
	for s.sent.bytes <= full && e.pack(now, p, &may, out) {
	}
	if s.pathTimer() <= now {
		e.packPathProbe(now, p, out)
	}
	if s.paceAt = Never; s.sent.bytes > full {
		s.paceAt = now
		return
	}
	urgent, bulk := p.isWaiting()
	room := may.window - s.sent.bytes
	switch {
	case !urgent && !bulk && room > 0:
		s.sent.delivered.limit(s.sent.bytes)
	case may.pace == 0:
	case urgent && room > -flightUrgent && s.pacer.debt >= flightUrgent:
		s.paceAt = s.pacer.until(flightUrgent-may.quantum, may.pace)
	case bulk && room > 0 && s.pacer.run <= 0:
		s.paceAt = s.pacer.until(0, may.pace)
	}
}

// isWaiting tells whether there is anything to send that the receiver has room for: in a slot or
// on lane 0 or 1, and on the others.
func (p *peer) isWaiting() (urgent, bulk bool) {
	urgent = p.slots.waiting != 0
	for lane := range p.out {
		if waiting := p.out[lane].isWaiting(windowBytes[lane]); lane <= 1 {
			urgent = urgent || waiting
		} else {
			bulk = bulk || waiting
		}
	}
	return urgent, bulk
}

// allowed tells what window and pace leave room for.
func (s *session) allowed(may *allowance) (urgent, bulk bool) {
	if s.probes > 0 {
		return true, true
	}
	room := may.window - s.sent.bytes
	unpaced := may.pace == 0
	urgent = room > -flightUrgent && (unpaced || s.pacer.debt < flightUrgent)
	bulk = room > 0 && (unpaced || s.pacer.run > 0)
	return urgent, bulk
}

// pack fills one datagram for the peer and tells whether there was anything to send.
func (e *Endpoint) pack(now time.Duration, p *peer, may *allowance, out *Effects) bool {
	s := &p.session
	if !s.sent.hasRoom() || s.mute {
		s.received.due = Never // the peer has to acknowledge first, or to show where it is
		return false
	}
	head, tail := s.seal.headAndTail()
	room := out.arena.reserve(s.path.size)
	b := room[: head : len(room)-tail]
	if s.received.waiting > 0 {
		b = s.received.appendAck(b, now, e.ranges[:])
	}
	acks := len(b)
	first := s.sent.refsNew
	b, urgent := e.packFrames(p, may, b)
	if len(b) == acks && s.received.due > now {
		// Nothing fits beside an acknowledgement that can wait.
		acks = head
		b, urgent = e.packFrames(p, may, b[:acks])
	}
	state := sentFlying
	var flags wire.DatagramFlags
	switch {
	case s.probes > 0 || s.ping:
		flags = wire.FlagImmediateAck
		if len(b) == acks {
			b = wire.AppendPing(b)
		}
	case len(b) > acks:
	case s.received.due <= now:
		state = sentDone
	default:
		return false
	}
	size := len(b)
	if state == sentFlying {
		// Long enough for its run, and for the peer to answer with a RESET.
		b = b[:max(s.runs.padded(size+tail), e.resetSize())-tail]
		clear(b[size:])
	}
	b = e.emitData(p, p.reach(), room[:len(b)], size, flags, out)
	if acks > head {
		s.received.acknowledged()
	}
	probing := s.probes > 0
	s.onPacked(now, len(b), int(s.sent.refsNew-first), state, urgent)
	if state == sentFlying && !probing {
		out.Datagrams[len(out.Datagrams)-1].Joined = s.runs.join(now, &s.sent, len(b))
	} else {
		s.runs.rest() // a probe finds out whether anything arrives: it does not depend on runs
	}
	return true
}

// packPathProbe packs a datagram that shows by its arrival that the path carries its length.
func (e *Endpoint) packPathProbe(now time.Duration, p *peer, out *Effects) {
	s := &p.session
	size := s.path.probe(now, s.rtt.smoothed)
	if size == 0 || !s.sent.hasRoom() {
		return
	}
	head, tail := s.seal.headAndTail()
	b := out.arena.reserve(size)
	ping := len(wire.AppendPing(b[:head]))
	clear(b[ping:])
	e.emitData(p, p.addr, b[:size-tail], ping, wire.FlagImmediateAck, out)
	s.sent.add(now, size, 0, sentProbe, false)
	s.runs.rest()
}

// emitData stamps the next datagram of a session, hands it to the effects and returns it. The first
// size bytes of b mean something; in secure mode the tag follows b.
func (e *Endpoint) emitData(p *peer, to netip.AddrPort, b []byte, size int, flags wire.DatagramFlags, out *Effects) []byte {
	s := &p.session
	head, _ := s.seal.headAndTail()
	b = s.seal.stamp(b, &wire.DatagramHeader{
		Type: wire.DatagramData, Flags: flags, Length: uint16(size - head),
		To: s.remoteIndex, Number: s.sent.next,
	}, s.bindOut)
	p.counters.Sent++
	p.counters.SentBytes += uint64(len(b))
	e.emit(to, b, out)
	return b
}

// onPacked keeps the accounts of a datagram that goes out.
func (s *session) onPacked(now time.Duration, size, frames int, state sentState, urgent bool) {
	if state == sentFlying {
		s.askedAt = now
		s.probes = max(s.probes-1, 0)
		s.ping = false
		s.packed++
		s.pacer.sent(size)
	}
	s.sent.add(now, size, frames, state, urgent)
}

// packFrames appends what is most urgent and may be sent. urgent tells whether anything of it was
// of a slot, or of lane 0 or 1.
func (e *Endpoint) packFrames(p *peer, may *allowance, b []byte) (_ []byte, urgent bool) {
	s := &p.session
	urgentAllowed, bulkAllowed := s.allowed(may)
	if urgentAllowed {
		b, urgent = e.packSlots(p, b)
	}
	order := byUrgency
	if s.packed%bulkShare == bulkShare-1 {
		order = bulkFirst
	}
	for _, lane := range order {
		if bulkAllowed || lane <= 1 && urgentAllowed {
			before := len(b)
			b = e.packLane(p, lane, b)
			urgent = urgent || lane <= 1 && len(b) > before
		}
	}
	return b, urgent
}

func (e *Endpoint) packSlots(p *peer, b []byte) (_ []byte, any bool) {
	for {
		l, again, ok := p.slots.take(cap(b) - len(b))
		if !ok {
			return b, any
		}
		b, any = wire.AppendLatest(b, &l), true
		p.session.sent.note(ref{id: l.Seq, cell: uint32(l.Key), lane: slotLane})
		if again {
			p.counters.Retransmitted++
		}
	}
}

func (e *Endpoint) packLane(p *peer, lane Lane, b []byte) []byte {
	l := &p.out[lane]
	for {
		e.giveUp(p, l)
		f, ok := l.take(cap(b)-len(b), windowBytes[lane])
		if !ok {
			return b
		}
		m := l.begun.at(f.id)
		if !m.single {
			p.session.path.want(e.now)
		}
		b = wire.AppendData(b, &wire.Data{
			Lane: uint8(lane), Bare: m.bare, Compressed: m.compressed, ID: f.id,
			Cell: uint32(f.cell), Total: uint32(m.total), Bytes: m.bytes(f.cell, f.cells),
		})
		p.session.sent.note(ref{id: f.id, cell: uint32(f.cell), cells: uint16(f.cells), lane: uint8(lane)})
		if f.again {
			p.counters.Retransmitted++
		}
	}
}
