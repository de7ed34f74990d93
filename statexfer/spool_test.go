package statexfer

import (
	"cmp"
	"slices"
	"testing"
)

// TestDamagedSlot: a chunk is found again in its slot, but not if a byte has changed of what the slot says
// or has.
func TestDamagedSlot(t *testing.T) {
	chunk := newTable(1, 1, 40_000)[0].value
	buffer := make([]byte, ChunkMax)
	for at := range headSize + 8 {
		spool := &Memory{}
		c := chunkOf(chunk)
		if err := writeSlot(spool, 0, c, chunk); err != nil {
			t.Fatal(err)
		}
		if found, ok := checkSlot(spool, 0, buffer); !ok || found != c {
			t.Fatalf("found %v, %v", found, ok)
		}
		if at < headSize {
			spool.slots[0][at] ^= 1
		} else {
			spool.slots[1][at-headSize] ^= 1
		}
		if _, ok := checkSlot(spool, 0, buffer); ok {
			t.Errorf("byte %d has changed, and nobody minds", at)
		}
	}
}

// TestSlotsApart: no two slots or heads have a byte in common, at the borders between groups either.
func TestSlotsApart(t *testing.T) {
	type span struct{ from, to int64 }
	var spans []span
	for slot := range 3 * groupSlots {
		spans = append(spans, span{slotAt(slot), slotAt(slot) + slotSize}, span{headAt(slot), headAt(slot) + int64(headSize)})
		if slotAt(slot)%slotSize != 0 {
			t.Fatalf("slot %d begins at %d", slot, slotAt(slot))
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := range spans[1:] {
		if spans[i].to > spans[i+1].from {
			t.Errorf("%v and %v overlap", spans[i], spans[i+1])
		}
	}
}
