package frag

import (
	"net/netip"
	"time"

	"vrnode/wire"
)

// amplificationMax is how many times the bytes that came from an address may go there before it is
// proven.
const amplificationMax = 3

// A move is an address from which the newest datagrams of a session come and that is not proven to
// be the peer's: whoever is on the path can pass datagrams on under any address.
type move struct {
	to     netip.AddrPort
	token  uint64 // of the PATH_CHALLENGEs that go there
	credit int    // how many bytes of them may
	wanted bool   // one shall
}

// heardFrom notes where the newest datagram of a session came from, and how long it was.
func (e *Endpoint) heardFrom(p *peer, from netip.AddrPort, size int) {
	s := &p.session
	if from == p.addr && !s.mute {
		s.move = move{}
		return
	}
	if s.move.to != from {
		s.move = move{to: from, token: e.nonce()}
	}
	s.move.credit += amplificationMax * size
	s.move.wanted, p.ready = true, true
}

// arrive follows a PATH_RESPONSE. One with the token of a move shows that the peer gets what is
// sent to the new address, so everything goes there now. Another port is another number at the same
// gateway; another IP address is another path, about which nothing is known.
func (e *Endpoint) arrive(now time.Duration, p *peer, token uint64) {
	s := &p.session
	if s.move.token != token {
		return // of a move that is over; no token is 0
	}
	if s.move.to.Addr() != p.addr.Addr() {
		s.path.restart(now)
		s.control.begin()
	}
	p.addr, s.mute, s.move = s.move.to, false, move{}
	p.ready = true
}

// reach returns where the next datagram goes: to where the peer is. But the last of a probe goes to where
// it belongs, for it may have moved for a while and be back, and say nothing because nothing arrives.
func (p *peer) reach() netip.AddrPort {
	if p.session.probes == 1 && p.home.IsValid() {
		return p.home
	}
	return p.addr
}

// challenge sends a PATH_CHALLENGE, if one is wanted and may be sent. It is not sent again by
// itself, and does not count as in flight: what it says of the new address says nothing of the old.
func (e *Endpoint) challenge(now time.Duration, p *peer, out *Effects) {
	s := &p.session
	size := e.resetSize()
	if !s.move.wanted || s.move.credit < size || !s.sent.hasRoom() {
		return
	}
	s.move.wanted = false
	s.move.credit -= size
	head, tail := s.seal.headAndTail()
	b := out.arena.reserve(size)
	frame := len(wire.AppendChallenge(b[:head], s.move.token))
	clear(b[frame:])
	e.emitData(p, s.move.to, b[:size-tail], frame, wire.FlagImmediateAck, out)
	s.sent.add(now, size, 0, sentDone, false)
}
