//go:build amd64 || arm64 || riscv64 || 386 || s390x || loong64

package loop

import (
	"os"
	"strings"
	"testing"
)

func TestWaits(t *testing.T) {
	for text, want := range map[string]bool{
		"": false,
		"not_nr_dirty 9999\nnr_dirty 750\nnr_dirty_threshold 5\nnr_dirty_background_threshold 1000\n":       false,
		"nr_free 1\nnr_dirty 751\nnr_dirty_threshold 9999\nnr_dirty_background_threshold 1000\nnr_last 1\n": true,
	} {
		if waits(text) != want {
			t.Errorf("not %v: %q", want, text)
		}
	}
	vmstat, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		t.Skip("skipped: needs /proc/vmstat")
	}
	for _, name := range []string{"\nnr_dirty ", "\nnr_dirty_background_threshold "} {
		if !strings.Contains(string(vmstat), name) {
			t.Errorf("no line for %q in /proc/vmstat", name)
		}
	}
}
