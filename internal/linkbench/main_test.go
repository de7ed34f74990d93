//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestPrintFigures(t *testing.T) {
	f := figure{name: "bulk", unit: "Gbit/s"}
	f.add(40, 20)
	f.add(10, 2)
	f.add(20, 6)
	var out strings.Builder
	printFigures(&out, f)
	// The median of the ratios is not the ratio of the medians.
	want := []string{"bulk", "Gbit/s", "20.0", "6.0", "0.30", "0.20", "0.50", "-14.0"}
	lines := strings.Split(out.String(), "\n")
	if got := strings.Fields(lines[1]); len(lines) != 3 || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q, want %q", got, want)
	}
}
