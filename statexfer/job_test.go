package statexfer

import "testing"

// TestStepsBack: jobs that go through a whole state step back after each chunk of it, and while they sort.
func TestStepsBack(t *testing.T) {
	steps := 0
	stepBack := func() { steps++ }
	after := func(what string, least int) {
		t.Helper()
		if steps < least {
			t.Errorf("%s, with %d steps back, not %d", what, steps, least)
		}
		steps = 0
	}
	write := fillJob{spool: &Memory{}, state: newTable(1, 5000, 1000)}
	write.Run(stepBack)
	chunks := len(write.archive.chunks)
	after("written", chunks)
	again := fillJob{spool: write.spool, state: write.state}
	again.Run(stepBack)
	if n := len(again.archive.slots); n != chunks || n < 10 {
		t.Fatalf("%d chunks are there, %d were written", n, chunks)
	}
	after("looked through, and all found again", 2*chunks)

	var state []cutSlot
	for i := range chunks {
		state = append(state, cutSlot{uint32(i), write.archive.blocksOf(i)})
	}
	for range 4 {
		state = append(state, state...)
	}
	compare := compareJob{state: state}
	compare.Run(stepBack)
	after("compared", 2*len(compare.places)/sortedOnce)
	old := fillJob{spool: &Memory{}, state: newTable(1, 5000, 1000), compare: true}
	old.Run(stepBack)
	after("written and compared", len(old.archive.chunks))
}
