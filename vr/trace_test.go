package vr_test

import (
	"path/filepath"
	"strings"
	"testing"

	"vrnode/internal/golden"
	"vrnode/internal/sim"
	"vrnode/vr"
)

// Each file in testdata is one story, told by the messages that it takes. A difference in a trace
// is to be read like code; -update accepts it.
func TestTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := sim.NewScript()
			golden.Trace(t, path, func(d *golden.Directive) string {
				out := s.Do(d.Command, d.Args)
				for _, reason := range vr.Reasons() {
					if strings.Contains(out, ": "+reason.String()+"\n") {
						seen[reason.String()] = true
					}
				}
				return out
			})
			if v := s.Violation(); v != nil {
				t.Error(v)
			}
		})
	}
	for _, reason := range vr.Reasons() {
		if !seen[reason.String()] {
			t.Errorf("no trace shows a message ignored for %v", reason)
		}
	}
}
