package statexfer

import "testing"

// TestDamagedSlot: a chunk is found again in its slot, but not if a byte has changed of what the slot says
// or has.
func TestDamagedSlot(t *testing.T) {
	chunk := newTable(1, 1, 40_000)[0].value
	buffer := make([]byte, ChunkMax)
	for at := range slotHeader + 8 {
		spool := &Memory{}
		c := chunkOf(chunk)
		if err := writeSlot(spool, 0, c, chunk); err != nil {
			t.Fatal(err)
		}
		if found, ok := checkSlot(spool, 0, buffer); !ok || found != c {
			t.Fatalf("found %v, %v", found, ok)
		}
		spool.slots[0][at] ^= 1
		if _, ok := checkSlot(spool, 0, buffer); ok {
			t.Errorf("byte %d has changed, and nobody minds", at)
		}
	}
}
