package vr_test

import (
	"path/filepath"
	"strings"
	"testing"

	"vrnode/internal/golden"
	"vrnode/internal/sim"
)

// Each file in testdata is one story, told by the messages that it takes. A difference in a trace
// is to be read like code; -update accepts it.
func TestTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := sim.NewScript()
			golden.Trace(t, path, func(d *golden.Directive) string { return s.Do(d.Command, d.Args) })
			if v := s.Violation(); v != nil {
				t.Error(v)
			}
		})
	}
}
