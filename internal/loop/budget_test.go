//go:build !race

package loop

import (
	"testing"

	"vrnode/vr"
)

// A Submit costs the result that it returns and nothing else.
func TestSubmitAllocations(t *testing.T) {
	l := formed(t, nil)
	command := []byte("a command of 24 bytes...")
	submit := func() {
		if _, err := l.Submit(t.Context(), command); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * vr.SessionWindow {
		submit()
	}
	if n := testing.AllocsPerRun(1000, submit); n > 2 {
		t.Errorf("%v allocations, budget 2", n)
	}
}
