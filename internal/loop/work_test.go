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
	long bool
	log  *[]string
}

func (n noted) Run(stepBack func()) {
	*n.log = append(*n.log, n.name)
	if n.long {
		stepBack()
	}
}
func (noted) Done(time.Duration, *statexfer.Effects) {}
func (n noted) IsLong() bool                         { return n.long }

// TestRun: short jobs that wait are run in order and told of together, up to a bound, and between two of them the
// thread steps back.
func TestRun(t *testing.T) {
	var log, want []string
	waiting := make(chan stack.Job, togetherMax)
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
	for _, name := range names[1:] {
		waiting <- noted{name, false, &log}
	}
	ran := run(noted{names[0], false, &log}, waiting, func() { log = append(log, "step") })
	for _, name := range names[:togetherMax] {
		want = append(want, name, "step")
	}
	if len(ran) != togetherMax || len(waiting) != 1 || !slices.Equal(log, want) {
		t.Errorf("%d were run, %d wait, in the order %v", len(ran), len(waiting), log)
	}
}

// TestRunLong: a long job steps back by itself as well, and is told of before the next is run.
func TestRunLong(t *testing.T) {
	var log []string
	waiting := make(chan stack.Job, 1)
	waiting <- noted{"b", true, &log}
	ran := run(noted{"a", true, &log}, waiting, func() { log = append(log, "step") })
	if len(ran) != 1 || len(waiting) != 1 || !slices.Equal(log, []string{"a", "step", "step"}) {
		t.Errorf("%d were run, %d wait, in the order %v", len(ran), len(waiting), log)
	}
}
