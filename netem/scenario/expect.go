package scenario

import (
	"fmt"
	"time"
)

// Expect is what is expected.
type Expect string

// The expectations.
const (
	// Linearizable: what the clients saw is what one accumulator could have done.
	Linearizable Expect = "linearizable"
	// NoCommittedOpLost: what was acknowledged was executed once by every replica that runs in
	// the end.
	NoCommittedOpLost Expect = "no_committed_op_lost"
	// GroupLost: in the end the replicas know that the memory of the group is gone, and serve
	// nobody.
	GroupLost Expect = "group_lost"
	// RecoversWithin: after every After an operation is acknowledged within Within.
	RecoversWithin Expect = "recovers_within"
	// ViewChanges: so many views started, apart from the first.
	ViewChanges Expect = "view_changes"
	// Acknowledged: so many operations were.
	Acknowledged Expect = "acknowledged"
	// States: so many times a replica got the state of others.
	States Expect = "states"
	// P99: of a hundred operations that were acknowledged, 99 took no longer than Within.
	P99 Expect = "p99"
	// Unavailable: no longer than Within passed without an acknowledgement.
	Unavailable Expect = "unavailable"
	// RSS: no process took more than Max bytes of memory.
	RSS Expect = "rss"
)

// An Expectation is one line under expect.
type Expectation struct {
	What   Expect
	Within time.Duration
	After  Event
	// Min and Max are bounds; a Max of NoMax is none.
	Min, Max int64
	Line     int
}

// NoMax is a Max without a bound.
const NoMax = int64(1)<<62 - 1

// Holds tells whether a figure is within Min and Max.
func (e *Expectation) Holds(figure int64) bool { return e.Min <= figure && figure <= e.Max }

func (e *Expectation) String() string {
	switch e.What {
	case RecoversWithin:
		return fmt.Sprintf("%s %v after %s", e.What, e.Within, e.After)
	case Unavailable, P99:
		return fmt.Sprintf("%s at most %v", e.What, e.Within)
	case ViewChanges, Acknowledged, States, RSS:
		switch {
		case e.Max == NoMax:
			return fmt.Sprintf("%s at least %d", e.What, e.Min)
		case e.Min == 0:
			return fmt.Sprintf("%s at most %d", e.What, e.Max)
		}
		return fmt.Sprintf("%s between %d and %d", e.What, e.Min, e.Max)
	}
	return string(e.What)
}
