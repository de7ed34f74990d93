package result

import "time"

// A Link is one direction and what it did in a time in which its settings did not change.
type Link struct {
	Direction
	Begin time.Duration `json:"begin"`
	End   time.Duration `json:"end"`
	// Requested are the settings, in the words of scenarios.
	Requested string `json:"requested"`
	// What was asked for and what was achieved. Shares are between 0 and 1.
	Loss      Figure `json:"loss"`
	Duplicate Figure `json:"duplicate"`
	Corrupt   Figure `json:"corrupt"`
	Reorder   Figure `json:"reorder"`
	// Delay is the mean, in seconds.
	Delay Figure `json:"delay"`
	// P50 and P99 are achieved delays.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`

	Offered   uint64            `json:"offered"` // datagrams
	Bytes     uint64            `json:"bytes"`
	Delivered uint64            `json:"delivered"`
	Overtook  uint64            `json:"overtook"`
	Lost      map[string]uint64 `json:"lost,omitempty"` // by reason
	// Deviations tell where the difference is more than chance. There are none in a valid run.
	Deviations []string `json:"deviations,omitempty"`
}

// A Figure was asked for, and something was achieved.
type Figure struct {
	Requested float64 `json:"requested"`
	Achieved  float64 `json:"achieved"`
}
