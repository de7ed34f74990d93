package loop

import (
	"slices"
	"testing"
	"time"

	"vrnode/internal/stack"
	"vrnode/statexfer"
)

// A noted is a job that notes when it runs.
type noted struct {
	name string
	log  *[]string
}

func (n noted) Run()                                 { *n.log = append(*n.log, n.name) }
func (noted) Done(time.Duration, *statexfer.Effects) {}
func (noted) IsLong() bool                           { return false }

// TestRun: jobs that wait are run in order and told of together, up to a bound, and between two of them the thread
// steps back.
func TestRun(t *testing.T) {
	var log, want []string
	waiting := make(chan stack.Job, togetherMax)
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
	for _, name := range names[1:] {
		waiting <- noted{name, &log}
	}
	ran := run(noted{names[0], &log}, waiting, func() { log = append(log, "step") })
	for _, name := range names[:togetherMax] {
		want = append(want, name, "step")
	}
	if len(ran) != togetherMax || len(waiting) != 1 || !slices.Equal(log, want) {
		t.Errorf("%d were run, %d wait, in the order %v", len(ran), len(waiting), log)
	}
}
