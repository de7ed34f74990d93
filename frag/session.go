package frag

import (
	"net/netip"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// A session is a conversation of one run of this process with one run of a peer. All that is
// numbered starts anew with it.
type session struct {
	active bool
	// confirmed: a datagram of the peer has arrived in it, so it has the session too.
	confirmed bool
	// ours: this end opened it.
	ours bool
	// index is by which the peer addresses us, remoteIndex by which we address it.
	index, remoteIndex wire.SessionIndex
	remote             wire.End
	bindIn, bindOut    wire.Binding // plain mode
	seal               *seal        // secure mode

	received received
	in       [LanesMax]inLane
	newest   [SlotsMax]uint64 // seq of the newest message of each slot

	sent    sentDatagrams
	runs    runs
	rtt     roundTrip
	control controller
	path    pathSize
	pacer   pacer
	// paceAt is when the pace lets something through, or the next run may be packed; Never if nothing
	// waits for that.
	paceAt  time.Duration
	reorder reordering
	// lossAt is when the next datagram is lost if it is not acknowledged; Never if none is due.
	lossAt time.Duration
	// probes is how many datagrams may go out regardless of the window, backoff how often in a
	// row nothing was heard after them.
	probes, backoff int
	// ping: a PING is wanted if there is nothing else to send.
	ping bool
	// move is where the peer may be now. mute: its address is not proven yet, so that nothing is
	// sent but to prove it. asked is the newest PATH_CHALLENGE of the peer.
	move  move
	mute  bool
	asked asked
	// askedAt is when something was sent last that asks for an acknowledgement.
	askedAt time.Duration
	// heardAt is when the peer was heard, silentFrom since when it owes us a sign of life.
	heardAt, silentFrom time.Duration
	packed              uint64 // datagrams, for the share of lane 3
}

// terms are what two ends agree on when a session is opened.
type terms struct {
	ours               bool
	index, remoteIndex wire.SessionIndex
	local, remote      wire.End
	addr               netip.AddrPort
	proven             bool  // the address
	seal               *seal // nil in plain mode
}

// beginSession makes the session of these terms the current one of the peer, in place of any
// other. The peer has to confirm it if it is ours; if it is the peer's, it just did.
func (e *Endpoint) beginSession(now time.Duration, p *peer, t *terms) {
	e.cancelOpening(p, t.index)
	e.endSession(p)
	s := &p.session
	s.active, s.confirmed, s.ours = true, false, t.ours
	s.index, s.remoteIndex, s.remote = t.index, t.remoteIndex, t.remote
	s.seal = t.seal
	if t.ours {
		s.bindOut, s.bindIn = wire.SessionBindings(t.local, t.remote)
	} else {
		s.bindIn, s.bindOut = wire.SessionBindings(t.remote, t.local)
	}
	s.received.reset()
	e.beginInbox(p)
	for i := range p.out {
		p.out[i].begin()
	}
	s.newest = [SlotsMax]uint64{}
	s.sent.begin(1 + e.random()>>32)
	s.runs = runs{}
	s.rtt.reset()
	s.control.begin()
	s.path.begin()
	s.pacer.begin(now)
	s.paceAt = Never
	s.reorder.begin()
	s.lossAt, s.probes, s.backoff, s.ping = Never, 0, 0, true
	s.askedAt, s.heardAt, s.silentFrom, s.packed = now, now, now, 0
	s.move, s.mute, s.asked = move{}, !t.proven, asked{}
	if t.proven {
		p.addr = t.addr
	}
	p.denied = 0
	p.counters.Sessions++
	e.wake(now, p)
}

// endSession ends the current session of a peer, if there is one. What was queued or sent in it is
// dropped, because nobody knows how much of it has arrived: whoever sent it must say it again if
// it still matters. Two things survive: a slot message that was never sent, and everything if the
// peer never had the session, as when both ends opened one.
func (e *Endpoint) endSession(p *peer) {
	s := &p.session
	if !s.active {
		return
	}
	e.indexes.give(s.index)
	if s.confirmed || !s.ours {
		e.dropMessages(p)
		p.slots.dropSent()
	} else {
		p.slots.rewind()
		for i := range p.out {
			p.out[i].rewind()
		}
	}
	e.beginInbox(p)
	s.active, s.seal = false, nil
}

// onDatagram handles the datagram of a session.
func (e *Endpoint) onDatagram(now time.Duration, from netip.AddrPort, d []byte, h *wire.DatagramHeader, payload []byte, out *Effects) {
	entry := e.indexes.find(h.To)
	if entry == nil {
		e.drop(ReasonUnknownSession)
		e.sendReset(now, from, len(d), h, out)
		return
	}
	var why Reason
	switch {
	case entry.offer != nil:
		bind, _ := wire.SessionBindings(entry.offer.initiator, e.end(entry.offer.nonce))
		payload, why = e.verify(entry.offer.seal, bind, d, h, payload)
	case !entry.peer.session.active || entry.peer.session.index != h.To:
		why = ReasonStaleHandshake
	default:
		payload, why = e.verify(entry.peer.session.seal, entry.peer.session.bindIn, d, h, payload)
	}
	if why != 0 {
		e.drop(why)
		return
	}
	if entry.offer != nil && !e.confirm(now, entry) {
		return
	}
	p := entry.peer
	e.onFrames(now, p, from, len(d), h, payload, out)
	if e.find(p.id) == p {
		e.reschedule(now, p)
	}
}

// onFrames applies the frames of a datagram of the session. The datagram counts as
// received only if all of it could be applied: else it will be sent again.
func (e *Endpoint) onFrames(now time.Duration, p *peer, from netip.AddrPort, size int, h *wire.DatagramHeader, payload []byte, out *Effects) {
	s := &p.session
	if !s.confirmed {
		s.confirmed = true
		e.withdrawOffers(p) // asked for before the peer took this session
	}
	s.heardAt, s.silentFrom = now, now
	if p.isClient() {
		e.touch(p)
	}
	if s.received.has(h.Number) {
		e.drop(ReasonDuplicate)
		s.received.ask(now, 0)
		return
	}
	asks := false
	for len(payload) > 0 {
		rest, err := wire.DecodeFrame(payload, &e.frame)
		if err != nil {
			e.drop(ReasonFrame)
			return
		}
		if r := e.onFrame(now, p, from, &e.frame, out); r != 0 {
			e.drop(r)
			e.onRefused(p, r)
			return
		}
		asks = asks || e.frame.Type != wire.FrameAck
		payload = rest
	}
	p.counters.Received++
	p.counters.ReceivedBytes += uint64(size)
	if s.received.isNewest(h.Number) {
		e.heardFrom(p, from, size)
	}
	inOrder := s.received.add(now, h.Number)
	if asks {
		delay := s.rtt.ackDelay()
		if !inOrder || h.Flags&wire.FlagImmediateAck != 0 {
			delay = 0
		}
		s.received.ask(now, delay)
	}
	if s.received.due <= now {
		p.ready = true
	}
}

// onRefused follows a frame that was not applied.
func (e *Endpoint) onRefused(p *peer, r Reason) {
	switch {
	case r == ReasonTrailer || r == ReasonBlock:
		e.abandon(p) // its cells were acknowledged: in this session the message can not arrive
	case r == ReasonBudget:
		p.ready = true
		p.session.ping = true // a sign of life: the peer must not take refusal for silence
	}
}

func (e *Endpoint) onFrame(now time.Duration, p *peer, from netip.AddrPort, f *wire.Frame, out *Effects) Reason {
	switch f.Type {
	case wire.FrameAck:
		return e.onAck(now, p, &f.Ack)
	case wire.FrameData:
		return e.onData(p, &f.Data, out)
	case wire.FrameLatest:
		e.onLatest(p, &f.Latest, out)
	case wire.FrameChallenge:
		p.session.asked, p.ready = asked{from, f.Token}, true
	case wire.FrameResponse:
		e.arrive(now, p, f.Token)
	}
	return 0
}

// pathTimer is when the next probe of the path's length is due. While nothing is heard there are
// more urgent things to ask.
func (s *session) pathTimer() time.Duration {
	if s.probes > 0 || s.backoff > 0 || s.mute || !s.confirmed {
		return Never
	}
	return s.path.timer()
}

// silenceTimer is when the session is given up if the peer is not heard until then.
func (s *session) silenceTimer(p *peer) time.Duration {
	if s.sent.count > 0 || p.hasQueued() {
		return s.silentFrom + silenceMax
	}
	for i := range s.in {
		if s.in[i].count > 0 {
			return s.heardAt + 2*silenceMax
		}
	}
	return Never
}

// abandon ends a session that can not or should not go on. A replica stays known, a client does
// not: it will come back if it lives.
func (e *Endpoint) abandon(p *peer) {
	e.endSession(p)
	if p.isClient() {
		e.removeClient(p)
	}
}

// expire does what the timers of a session ask for at this time.
func (s *session) expire(now time.Duration, e *Endpoint, p *peer) {
	assert.That(s.active, "only an active session has timers")
	switch {
	case s.lossAt <= now:
		e.detectLoss(now, p)
	case s.lossTimer() <= now:
		e.probe(now, p)
	}
}
