package result

import "time"

// A Manifest says what was run.
type Manifest struct {
	Name       string        `json:"name"`
	Hypothesis string        `json:"hypothesis"`
	File       string        `json:"file"`           // of the scenario
	Cell       string        `json:"cell,omitempty"` // of its matrix
	Seed       uint64        `json:"seed"`
	Backend    string        `json:"backend"`
	Replicas   int           `json:"replicas"`
	Clients    int           `json:"clients"`
	Steps      []string      `json:"steps,omitempty"`
	Began      time.Time     `json:"began"`
	Lasted     time.Duration `json:"lasted"`
	// Version is that of the program, System what it ran on.
	Version string `json:"version"`
	System  string `json:"system"`
	// Reproduce is a command line.
	Reproduce string `json:"reproduce"`
}
