package scenario

import (
	"strings"

	"vrnode/netem/link"
)

// Capabilities are a set of things that a backend can do or a scenario needs.
type Capabilities uint16

// The capabilities.
const (
	CanDelay Capabilities = 1 << iota // with jitter
	CanLose
	CanDuplicate
	CanReorder
	CanCorrupt
	CanRate
	CanMTU
	CanPartition
	CanPartitionOneWay
	CanPause
	CanCrash
	CanDropMessages
	CanRekey
	CanRebind

	CanAll Capabilities = 1<<iota - 1
)

var capabilityNames = [...]string{"delay", "loss", "duplicate", "reorder", "corrupt", "rate", "mtu",
	"partition", "one-way", "pause", "crash", "message-type", "keys", "rebind"}

// Without returns what is in c but not in other.
func (c Capabilities) Without(other Capabilities) Capabilities { return c &^ other }

// String lists the capabilities by name.
func (c Capabilities) String() string {
	var names []string
	for i, name := range capabilityNames {
		if c>>i&1 == 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// Needs returns what a backend must be able to do to run the scenario. A cell of a matrix may need
// more or less than the scenario itself: ask the cell.
func (s *Scenario) Needs() Capabilities {
	c := needsOf(s.Base, true)
	for _, r := range s.Rules {
		c |= r.Impairment.needs(r.Where)
	}
	for _, step := range s.Steps {
		switch a := step.Action.(type) {
		case *Crash:
			c |= CanCrash
		case *Pause:
			c |= CanPause
		case *Change:
			c |= a.Impairment.needs(a.Where)
		case *Drop:
			c |= CanDropMessages
		case *Rekey:
			c |= CanRekey
		case *Rebind:
			c |= CanRebind
		case *Partition:
			c |= CanPartition
			if a.Shape == OneWay {
				c |= CanPartitionOneWay
			}
		}
	}
	return c
}

func (i *Impairment) needs(w Where) Capabilities {
	var s link.Settings
	i.Apply(&s)
	return needsOf(s, w.Both || w.From == w.To)
}

func needsOf(s link.Settings, bothWays bool) Capabilities {
	var c Capabilities
	add := func(when bool, what Capabilities) {
		if when {
			c |= what
		}
	}
	add(s.Delay != link.Delay{}, CanDelay)
	add(s.Loss != link.Loss{}, CanLose)
	add(s.Duplicate > 0, CanDuplicate)
	add(s.Reorder > 0, CanReorder)
	add(s.Corrupt > 0, CanCorrupt)
	add(s.Rate != link.Rate{}, CanRate)
	add(s.MTU > 0, CanMTU)
	add(s.Down, CanPartition)
	add(s.Down && !bothWays, CanPartitionOneWay)
	return c
}
