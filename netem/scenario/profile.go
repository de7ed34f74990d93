package scenario

import (
	"slices"
	"time"

	"vrnode/netem/link"
)

// A Profile is a kind of network by name. Its settings are those of one direction of every link.
type Profile struct {
	Name     string
	About    string
	Settings link.Settings
}

const ms = time.Millisecond

// profiles are all of them. Delays are one way.
var profiles = []Profile{
	{"none", "nothing is done to datagrams", link.Settings{}},
	{"lan", "one switch", link.Settings{
		Delay: link.Delay{Mean: 250 * time.Microsecond, Jitter: 50 * time.Microsecond, Distribution: link.Normal},
	}},
	{"wan", "data centres of one continent", link.Settings{
		Delay: link.Delay{Mean: 20 * ms, Jitter: 2 * ms, Distribution: link.Normal},
		Loss:  link.Loss{Random: 0.001},
	}},
	{"lossy", "a bad cable: loss in bursts of five datagrams, nearly 5 % of all", link.Settings{
		Delay:     link.Delay{Mean: 5 * ms, Jitter: 2 * ms, Distribution: link.Normal},
		Loss:      link.Loss{Burst: link.Burst{Turn: 0.01, Mend: 0.2, Bad: 1}},
		Duplicate: 0.005,
		Reorder:   0.01,
	}},
	{"satellite", "a geostationary hop", link.Settings{
		Delay: link.Delay{Mean: 280 * ms, Jitter: 5 * ms, Distribution: link.Normal},
		Loss:  link.Loss{Random: 0.005},
		Rate:  link.Rate{Bits: 20_000_000, Queue: 256 << 10},
	}},
	{"mobile", "a phone on the move: long tails, bursts and a thin uplink", link.Settings{
		Delay: link.Delay{Mean: 40 * ms, Jitter: 15 * ms, Distribution: link.Pareto},
		Loss:  link.Loss{Burst: link.Burst{Turn: 0.005, Mend: 0.25, Bad: 1}},
		Rate:  link.Rate{Bits: 5_000_000, Queue: 128 << 10},
	}},
}

// Profiles returns all profiles, from good to bad.
func Profiles() []Profile { return slices.Clone(profiles) }

func profileNames() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.Name
	}
	return names
}
