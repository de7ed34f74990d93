package statexfer

import (
	"slices"
	"testing"
)

// TestFoundAgain: the blocks of a chunk are known also if the last run has left it in the spool, or if the
// state has it twice.
func TestFoundAgain(t *testing.T) {
	once := newTable(1, 1000, 1000)
	state := slices.Concat(once, once)
	first := fillJob{spool: &Memory{}, state: state, compare: true}
	first.Run(func() {})
	again := fillJob{spool: first.spool, state: state, compare: true}
	again.Run(func() {})
	a := again.archive
	if len(a.slots) == len(a.chunks) || len(a.slots) != len(first.archive.slots) {
		t.Fatalf("%d chunks in %d slots, and then in %d", len(a.chunks), len(first.archive.slots), len(a.slots))
	}
	for i, c := range a.chunks {
		if !fits(a.blocksOf(i), c.Length) {
			t.Errorf("chunk %d of %d bytes has blocks %v", i, c.Length, a.blocksOf(i))
		}
	}
	if !slices.Equal(a.places, first.archive.places) {
		t.Errorf("%d blocks are known, and then %d, or others", len(first.archive.places), len(a.places))
	}
}
