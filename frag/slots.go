package frag

import (
	"math/bits"

	"vrnode/wire"
)

// outSlots holds the newest message of each slot until it is acknowledged.
type outSlots struct {
	slots [SlotsMax]outSlot
	// waiting is the set of slots whose message is to be sent, unacked of those whose message is
	// not acknowledged.
	waiting, unacked uint32
	seq              uint64
}

type outSlot struct {
	bytes []byte
	seq   uint64
	sent  bool
}

// set replaces the message of a slot.
func (o *outSlots) set(p *pool, key uint8, message []byte) {
	s := &o.slots[key]
	if cap(s.bytes) < len(message) {
		if s.bytes != nil {
			p.give(s.bytes)
		}
		s.bytes = p.take(len(message))
	}
	s.bytes = s.bytes[:copy(s.bytes[:len(message)], message)]
	o.seq++
	s.seq, s.sent = o.seq, false
	o.waiting |= 1 << key
	o.unacked |= 1 << key
}

// take returns the next message to send that fits, and whether it was sent before.
func (o *outSlots) take(room int) (l wire.Latest, again, ok bool) {
	for left := o.waiting; left != 0; left &= left - 1 {
		key := bits.TrailingZeros32(left)
		s := &o.slots[key]
		if wire.LatestHeaderSize+len(s.bytes) <= room {
			again, s.sent = s.sent, true
			o.waiting &^= 1 << key
			return wire.Latest{Key: uint8(key), Seq: s.seq, Bytes: s.bytes}, again, true
		}
	}
	return wire.Latest{}, false, false
}

func (o *outSlots) onLost(r *ref) {
	if bit := uint32(1) << r.cell; o.unacked&bit != 0 && o.slots[r.cell].seq == r.id {
		o.waiting |= bit
	}
}

func (o *outSlots) onAcked(r *ref) {
	if o.slots[r.cell].seq == r.id {
		o.waiting &^= 1 << r.cell
		o.unacked &^= 1 << r.cell
	}
}

// dropSent forgets the messages that were sent and keeps the others for the next session.
func (o *outSlots) dropSent() {
	for key := range o.slots {
		if o.slots[key].sent {
			o.waiting &^= 1 << key
			o.unacked &^= 1 << key
		}
	}
}

// rewind makes all that is not acknowledged wait again.
func (o *outSlots) rewind() {
	o.waiting = o.unacked
	for key := range o.slots {
		o.slots[key].sent = false
	}
}

// release forgets everything and returns the memory.
func (o *outSlots) release(p *pool) {
	for key := range o.slots {
		if b := o.slots[key].bytes; b != nil {
			p.give(b)
		}
	}
	*o = outSlots{}
}
