//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestReport: the median of the ratios is not the ratio of the medians, and what was not measured is
// not made up.
func TestReport(t *testing.T) {
	results := []result{{name: "floor"}, {name: "ours"}}
	for _, gigabits := range [...][2]float64{{40, 20}, {10, 2}, {20, 6}} {
		results[0].add(&bulk{gigabits: gigabits[0], perCPU: gigabits[0]}, &trips{P50: 30, P99: 50}, &trips{P50: 10})
		results[1].add(&bulk{gigabits: gigabits[1], perCPU: gigabits[1] / 2, beside: trips{100, 250}}, &trips{P50: 45, P99: 60}, &trips{P50: 17})
	}
	r := newReport(results, []float64{0.01, 0.3, 0.02}, &options{rounds: 3, duration: 2 * time.Second})
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		"floor 20.00 1.00 20.00 1.00 10.0 +0.0 30.0 +0.0 50.0 - - -",
		"ours 6.00 0.30 3.00 0.15 17.0 +7.0 45.0 +15.0 60.0 100 250 +190",
	} {
		if got := strings.Join(strings.Fields(lines[2+i]), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !strings.Contains(out.String(), "took 2 % of the CPUs meanwhile, at most 30 %") || !strings.Contains(out.String(), "Repeat it") {
		t.Error(out.String())
	}
	b, err := json.Marshal(r)
	if err != nil || strings.Count(string(b), "beside_bulk_p99_us") != 1 || !strings.Contains(string(b), `"bulk_ratio":{"median":0.3,"least":0.2,"most":0.5}`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestWork(t *testing.T) {
	before := readWork([]byte("cpu  100 10 50 800 20 0 20 0 999 999\ncpu0 1 1 1 1\n"))
	after := readWork([]byte("cpu  160 10 90 890 30 0 20 0 999 999\n"))
	after.ours = 700 * time.Millisecond
	// In 2 s of two CPUs that were busy for 1 s, 0.7 s was ours.
	if got := after.othersSince(before); got < 0.149 || got > 0.151 {
		t.Errorf("others have used %v of the CPUs", got)
	}
}
