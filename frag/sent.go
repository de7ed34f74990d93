package frag

import (
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// sentDatagrams remembers the datagrams of a session until they are acknowledged, or lost for so
// long that no acknowledgement is expected. They are in a ring, by number: oldest … next-1.
type sentDatagrams struct {
	ring         []sentDatagram
	oldest, next uint64
	// flying is not above the oldest datagram in flight.
	flying uint64
	// bytes, count and urgent sum up what is in flight.
	bytes, count, urgent int
	// largestAcked is the highest number that was acknowledged, if any was.
	largestAcked uint64
	anyAcked     bool
	// delivered measures how fast they arrive.
	delivered delivery

	refs             []ref
	refsOld, refsNew uint64
}

type sentState uint8

const (
	sentDone   sentState = iota // acknowledged, or never needed to be
	sentFlying                  // neither acknowledged nor lost
	sentLost
	sentProbe // of the path's length: if it is lost, nothing is
)

type sentDatagram struct {
	at     time.Duration
	refs   uint64 // position of its first ref
	size   uint16
	count  uint16 // of refs
	state  sentState
	urgent bool // something in it was of a slot, or of lane 0 or 1
	run    runKind
	was    delivery // when it was sent
}

// A ref says what a frame carried: a run of cells of a message, or the message of a slot.
type ref struct {
	id    uint64 // the message's id, or the slot message's seq
	cell  uint32 // or the slot's key
	cells uint16
	lane  uint8 // or slotLane
}

const slotLane = LanesMax

// begin forgets everything; the next datagram will be number first.
func (s *sentDatagrams) begin(first uint64) {
	*s = sentDatagrams{ring: s.ring, refs: s.refs, oldest: first, flying: first, next: first}
}

func (s *sentDatagrams) at(n uint64) *sentDatagram { return &s.ring[n&uint64(len(s.ring)-1)] }

// hasRoom tells whether one more datagram can be remembered. It makes room at the expense of
// those that are lost.
func (s *sentDatagrams) hasRoom() bool {
	const refsPerDatagram = (wire.DatagramMax-wire.DatagramHeaderSize)/(wire.DataHeaderSize+1) + SlotsMax
	for s.oldest < s.next {
		state := s.at(s.oldest).state
		if state == sentFlying || state != sentDone && s.next-s.oldest < sentMax {
			break
		}
		s.forget()
	}
	return s.next-s.oldest < sentMax && s.refsNew-s.refsOld+refsPerDatagram <= refsMax
}

// note adds a frame to the datagram that is being packed.
func (s *sentDatagrams) note(r ref) {
	if s.refsNew-s.refsOld == uint64(len(s.refs)) {
		s.refs = grow(s.refs, s.refsOld, 64)
	}
	s.refs[s.refsNew&uint64(len(s.refs)-1)] = r
	s.refsNew++
}

// add remembers the datagram that was packed, with the last count frames that were noted.
func (s *sentDatagrams) add(now time.Duration, size, count int, state sentState, urgent bool) {
	if s.next-s.oldest == uint64(len(s.ring)) {
		s.ring = grow(s.ring, s.oldest, 16)
	}
	if s.count == 0 {
		s.delivered.begin(now)
	}
	*s.at(s.next) = sentDatagram{now, s.refsNew - uint64(count), uint16(size), uint16(count), state, urgent, runNone, s.delivered}
	s.next++
	if state == sentFlying {
		s.bytes += size
		s.count++
		if urgent {
			s.urgent++
		}
	}
}

// land takes datagram n out of flight, to a state that is not flying.
func (s *sentDatagrams) land(n uint64, state sentState) {
	d := s.at(n)
	if d.state == sentFlying {
		s.bytes -= int(d.size)
		s.count--
		if d.urgent {
			s.urgent--
		}
	}
	d.state = state
	assert.That(s.bytes >= 0 && s.count >= 0, "what lands was in flight")
}

// firstFlying returns the oldest datagram in flight, or next if there is none.
func (s *sentDatagrams) firstFlying() uint64 {
	for s.flying < s.next && s.at(s.flying).state != sentFlying {
		s.flying++
	}
	return s.flying
}

// trim forgets the oldest datagrams that are done, or not in flight and sent before that time.
func (s *sentDatagrams) trim(before time.Duration, r *reordering) {
	for s.oldest < s.next {
		d := s.at(s.oldest)
		if d.state == sentFlying || d.state != sentDone && d.at >= before {
			return
		}
		if d.state == sentLost {
			r.lost()
		}
		s.forget()
	}
}

func (s *sentDatagrams) forget() {
	s.refsOld = s.at(s.oldest).refs + uint64(s.at(s.oldest).count)
	s.oldest++
	s.flying = max(s.flying, s.oldest)
}

// inFlight tells whether datagram n is remembered and neither acknowledged nor without need of it.
func (s *sentDatagrams) inFlight(n uint64) bool {
	return n >= s.oldest && n < s.next && s.at(n).state != sentDone
}

// grow returns a ring of twice the size, or of least, with the same items at their positions. The
// ring is full; its first item is the one at position old.
func grow[T any](ring []T, old uint64, least int) []T {
	bigger := make([]T, max(2*len(ring), least))
	for i := range uint64(len(ring)) {
		bigger[(old+i)&uint64(len(bigger)-1)] = ring[(old+i)&uint64(len(ring)-1)]
	}
	return bigger
}
