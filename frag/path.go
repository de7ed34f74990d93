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

// asked is a PATH_CHALLENGE that has not been answered; token 0 means none.
type asked struct {
	from  netip.AddrPort
	token uint64
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

// packPath packs the answer to a PATH_CHALLENGE, and a PATH_CHALLENGE if one is wanted and may be sent.
// The answer goes to where it was asked for (RFC 9000, section 8.2.2): if both ends have moved, neither
// gets what is sent to where it was. It is no longer than what asked for it.
func (e *Endpoint) packPath(now time.Duration, p *peer, out *Effects) {
	s := &p.session
	if s.asked.token != 0 && s.sent.hasRoom() {
		e.packPathFrame(now, p, s.asked.from, out, wire.AppendResponse, s.asked.token)
		s.asked = asked{}
	}
	if s.move.wanted && s.move.credit >= e.resetSize() && s.sent.hasRoom() {
		e.packPathFrame(now, p, s.move.to, out, wire.AppendChallenge, s.move.token)
		s.move.wanted = false
	}
}

// packPathFrame packs a datagram about an address. It is not sent again by itself, and does not count as
// in flight: what it says of one address says nothing of another.
func (e *Endpoint) packPathFrame(now time.Duration, p *peer, to netip.AddrPort, out *Effects, appendFrame func([]byte, uint64) []byte, token uint64) {
	s := &p.session
	size := e.resetSize()
	if to == s.move.to {
		s.move.credit -= size
	}
	head, tail := s.seal.headAndTail()
	b := out.arena.reserve(size)
	frame := len(appendFrame(b[:head], token))
	clear(b[frame:])
	e.emitData(p, to, b[:size-tail], frame, wire.FlagImmediateAck, out)
	s.sent.add(now, size, 0, sentDone, false)
}
