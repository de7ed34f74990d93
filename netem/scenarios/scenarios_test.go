package scenarios_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"vrnode/netem/scenario"
	"vrnode/netem/scenarios"
)

// runMax keeps a run short enough for a suite of all scenarios.
const runMax = 20 * time.Second

func TestAll(t *testing.T) {
	names, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d scenarios, %v", len(names), err)
	}
	seeds := make(map[uint64]string)
	for _, name := range names {
		text, err := scenarios.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse(name, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name+".yaml" != name {
			t.Errorf("%s calls itself %s", name, s.Name)
		}
		if len(strings.Fields(s.Hypothesis)) < 5 {
			t.Errorf("%s: %q is no hypothesis", name, s.Hypothesis)
		}
		if s.Workload.Duration > runMax {
			t.Errorf("%s takes %v, more than %v", name, s.Workload.Duration, runMax)
		}
		if other, taken := seeds[s.Seed]; taken {
			t.Errorf("%s and %s have one seed", name, other)
		}
		seeds[s.Seed] = name
	}
}

// TestGrid wants the cells that the acceptance of a release goes through.
func TestGrid(t *testing.T) {
	text, err := scenarios.Files.ReadFile("grid.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse("grid.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	cells := s.Cells()
	if len(cells) != 18 {
		t.Fatalf("%d cells, want 18", len(cells))
	}
	if last := cells[17].String(); last != "loss=30% delay=50ms" {
		t.Errorf("the last cell is %s", last)
	}
}
