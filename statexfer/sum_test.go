package statexfer

import (
	"encoding/binary"
	"math/bits"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/wire"
)

// collide changes bytes so that their xxhash64 stays the same: what it does to the first of a lane's
// numbers it makes up for with the second. Whoever chooses values can do it.
func collide(t testing.TB, b []byte) {
	before := xxhash.Sum64(b)
	const p1, p2 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F
	inverse := uint64(p2) // of p2 modulo 2^64, by Newton's method
	for range 6 {
		inverse *= 2 - p2*inverse
	}
	le := binary.LittleEndian
	round := func(x uint64) uint64 {
		begin := uint64(p1)
		begin += p2
		return bits.RotateLeft64(begin+x*p2, 31) * p1
	}
	first, second := le.Uint64(b), le.Uint64(b[32:])
	le.PutUint64(b, first+1)
	le.PutUint64(b[32:], second+(round(first)-round(first+1))*inverse)
	if xxhash.Sum64(b) != before {
		t.Fatal("the sum is another one")
	}
}

// TestEqualSums: a source gives bytes with the right sum that are not those of the chunk. They are stored,
// but the reader does not give them to anybody, and they come again.
func TestEqualSums(t *testing.T) {
	state := newTable(1, 500, 1000)
	w := newWorld(t, 1, 2)
	w.offer(10, state, 1)
	lies := 1
	w.tamper = func(_, _ *node, m wire.Message) bool {
		if p, ok := m.(*wire.Piece); ok && lies > 0 {
			lies--
			parts := p.Parts
			_, body, _ := parts.Next()
			collide(t, body)
		}
		return true
	}
	n := w.need(2, 10, nil, 1)
	w.until(time.Minute, "the reader has seen it", func() bool { return n.has(EventFailed) })
	if n.has(EventWrong) || n.has(EventRestored) {
		t.Errorf("%v", n.events)
	}
	w.mustRestore(n, 10, state)
}

// TestEqualBlocks: the old state has a block with the hash of one that is wanted, and put in its place it
// makes a chunk with the right sum. It is not taken for the chunk.
func TestEqualBlocks(t *testing.T) {
	chunk := newTable(1, 1, 40_000)[0].value
	const block = 1 << 10
	old := append([]byte{}, chunk[:block]...)
	collide(t, old)
	spool := &Memory{}
	if err := writeSlot(spool, 0, wire.Chunk{Length: block}, old); err != nil {
		t.Fatal(err)
	}
	wanted := chunkOf(chunk)
	j := &storeJob{spool: spool, slot: 1, chunk: wanted, copies: []copied{{length: block}}}
	copy(j.parcel.Part(len(chunk)), chunk)
	j.Run(func() {})
	if !j.wrong || j.err != nil {
		t.Errorf("wrong: %v, %v", j.wrong, j.err)
	}
	if xxhash.Sum64(j.parcel.Part(len(chunk))) != wanted.Sum {
		t.Error("the sum tells it as well, so this tests nothing")
	}
}
