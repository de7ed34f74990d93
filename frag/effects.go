package frag

import (
	"vrnode/internal/slab"
	"vrnode/wire"
)

// Effects collects what a call wants done. The caller owns it, passes it to any number of calls
// and empties it with Reset. All bytes in it are valid until Reset.
type Effects struct {
	// Messages are complete messages, in the order of their completion.
	Messages []Delivery
	// Datagrams are to be sent, in this order; each may be lost.
	Datagrams []wire.Datagram

	arena arena
	lent  slab.Of[loan]
	// unpacked sums up the buffers of messages that were compressed.
	unpacked int
}

// A Delivery is a message that has arrived. Parcel is the buffer that begins with its bytes, or nil. Who
// wants to keep that swaps it for another.
type Delivery struct {
	From   wire.Peer
	Bytes  []byte
	Parcel *wire.Parcel
}

// A loan is a buffer of a pool.
type loan struct {
	pool   *pool
	parcel wire.Parcel
}

// Reset empties e and takes back what it lent.
func (e *Effects) Reset() {
	for _, l := range e.lent.All() {
		l.pool.give(l.parcel.Swap(nil))
	}
	e.lent.Reset()
	e.Messages, e.Datagrams = e.Messages[:0], e.Datagrams[:0]
	e.unpacked = 0
	e.arena.reset()
}

// deliverCopy delivers a message whose bytes are the datagram's.
func (e *Effects) deliverCopy(from wire.Peer, b []byte) {
	room := e.arena.reserve(len(b))
	copy(room, b)
	e.arena.commit(len(b))
	e.Messages = append(e.Messages, Delivery{From: from, Bytes: room})
}

// deliver delivers the message that a buffer of the pool begins with. The pool gets that back on Reset, or
// what it was swapped for.
func (e *Effects) deliver(from wire.Peer, b []byte, p *pool, buffer []byte) {
	l := e.lent.Take()
	l.pool = p
	l.parcel.Swap(buffer)
	e.Messages = append(e.Messages, Delivery{from, b, &l.parcel})
}

const (
	chunkSize = 64 << 10
	// chunksKept bounds what an arena keeps over a reset; a burst may need more.
	chunksKept = 128
)

// An arena hands out memory that is taken back all at once. What it handed out never moves.
type arena struct {
	chunks [][]byte
	at     int // the chunk in use
	used   int // of it
}

// reserve returns n bytes, at most chunkSize, with what they happen to hold. They are the caller's
// once committed.
func (a *arena) reserve(n int) []byte {
	if a.used+n > chunkSize {
		a.at, a.used = a.at+1, 0
	}
	if a.at == len(a.chunks) {
		a.chunks = append(a.chunks, make([]byte, chunkSize))
	}
	return a.chunks[a.at][a.used : a.used+n : a.used+n]
}

// commit keeps the first n of the bytes reserved last.
func (a *arena) commit(n int) { a.used += n }

func (a *arena) reset() {
	if len(a.chunks) > chunksKept {
		clear(a.chunks[chunksKept:])
		a.chunks = a.chunks[:chunksKept]
	}
	a.at, a.used = 0, 0
}
