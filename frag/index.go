package frag

import (
	"vrnode/internal/assert"
	"vrnode/wire"
)

// indexes gives out the session indexes of an endpoint and finds what they stand for without a
// search: the low half of an index is a place in a table, the high half is drawn anew each time
// the place is used, so that a late datagram finds its place taken by another index.
type indexes struct {
	table []indexed
	free  []uint16
}

// indexed is what an index stands for: an offer, or else the session of a peer, or the one that
// it is opening.
type indexed struct {
	index wire.SessionIndex
	peer  *peer
	offer *offer
}

// placesMax suffices for all offers, and for a session of every peer and one to displace it.
const placesMax = 1 << 16

// take gives out an index.
func (x *indexes) take(random uint64, p *peer, o *offer) wire.SessionIndex {
	var at uint16
	if n := len(x.free); n > 0 {
		at, x.free = x.free[n-1], x.free[:n-1]
	} else {
		assert.That(len(x.table) < placesMax, "there are fewer sessions than places for them")
		at = uint16(len(x.table))
		x.table = append(x.table, indexed{})
	}
	high := max(random>>48, 1)
	entry := &x.table[at]
	*entry = indexed{wire.SessionIndex(high<<16 | uint64(at)), p, o}
	return entry.index
}

// find returns what an index stands for, or nil.
func (x *indexes) find(index wire.SessionIndex) *indexed {
	at := int(index & 0xffff)
	if index == 0 || at >= len(x.table) || x.table[at].index != index {
		return nil
	}
	return &x.table[at]
}

// give takes an index back.
func (x *indexes) give(index wire.SessionIndex) {
	entry := x.find(index)
	assert.That(entry != nil, "an index is given back once")
	*entry = indexed{}
	x.free = append(x.free, uint16(index&0xffff))
}
