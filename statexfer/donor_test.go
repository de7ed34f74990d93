package statexfer

import (
	"slices"
	"testing"
)

// TestAskedInHalves: a source is asked for as much as it may be, and then for nothing until half of that has
// come, however little it may be.
func TestAskedInHalves(t *testing.T) {
	for window, want := range map[int][]int{ // flights at which it is asked, while it goes down from window
		1: {0},
		2: {1, 0},
		5: {2, 1, 0},
		8: {4, 3, 2, 1, 0},
	} {
		d := &donor{window: window}
		for d.mayBeAsked() {
			d.flight++
		}
		if d.flight != window {
			t.Errorf("%d are under way of %d", d.flight, window)
		}
		var asked []int
		for d.flight > 0 {
			d.flight--
			full := *d
			for full.mayBeAsked() {
				full.flight++
			}
			if full.flight > d.flight {
				asked = append(asked, d.flight)
				if full.flight != window {
					t.Errorf("from %d it was asked up to %d, not %d", d.flight, full.flight, window)
				}
			}
		}
		if !slices.Equal(asked, want) {
			t.Errorf("of %d it was asked at %v, not %v", window, asked, want)
		}
	}
}
