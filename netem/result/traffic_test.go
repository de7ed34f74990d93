package result

import (
	"slices"
	"testing"
)

// TestTraffic: counters begin anew with each process, and a replica that does not answer tells
// nothing.
func TestTraffic(t *testing.T) {
	got := TrafficOf([]Event{
		{At: 1, Kind: Process, Replica: 1, Name: "start"},
		{At: 2, Kind: Sample, Replica: 1, Sent: 10},
		{At: 3, Kind: Sample, Replica: 2, Sent: 100, Again: 5},
		{At: 4, Kind: Sample, Replica: 1, Sent: 25, Again: 2},
		{At: 5, Kind: Sample, Replica: 1, Status: "unreachable"},
		{At: 6, Kind: Process, Replica: 1, Name: "exit"},
		{At: 7, Kind: Process, Replica: 1, Name: "start"},
		{At: 8, Kind: Sample, Replica: 1, Sent: 30, Again: 1},
		{At: 9, Kind: Sample, Replica: 2, Sent: 101, Again: 5},
	})
	want := []Traffic{{2, 10, 0}, {3, 100, 5}, {4, 15, 2}, {8, 30, 1}, {9, 1, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
