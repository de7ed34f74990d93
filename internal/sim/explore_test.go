package sim

import (
	"strings"
	"testing"

	"vrnode/internal/race"
)

// TestExplore is a slice of what an exploration can do; it ends by the number of runs.
func TestExplore(t *testing.T) {
	race.SkipLong(t)
	runs := 1000
	if testing.Short() {
		runs = 200
	}
	for _, scope := range []Scope{
		{Replicas: 3, Ops: 1, Timeouts: 4, Depth: 24, Deviations: 4},
		{Replicas: 3, Ops: 2, Timeouts: 8, Depth: 40, Deviations: 6},
		{Replicas: 3, Ops: 1, Timeouts: 4, Crashes: 1, Depth: 30, Deviations: 5},
	} {
		e := Explore(scope, func(n int) bool { return n >= runs })
		if e.Violation != nil {
			t.Errorf("%+v: %v\n%s\nchoices %v", scope, e.Violation, strings.Join(e.Story, "\n"), e.Choices)
		}
		t.Logf("%+v: %d runs, %d states", scope, e.Runs, e.States)
	}
}

// The same choices make the same run, and a small scope comes to an end.
func TestExplorationEnds(t *testing.T) {
	scope := Scope{Replicas: 3, Ops: 1, Timeouts: 1, Depth: 6, Deviations: 2}
	a := Explore(scope, func(int) bool { return false })
	b := Explore(scope, func(int) bool { return false })
	if a.Runs != b.Runs || a.States != b.States || a.Runs < 10 {
		t.Fatalf("%d runs and %d states, then %d and %d", a.Runs, a.States, b.Runs, b.States)
	}
}
