package lab

import (
	"fmt"
	"math/rand/v2"
	"time"

	"vrnode/netem/scenario"
)

// A caller decides when a client begins its calls, and which. With a rate, each has its time; one
// that is late because the one before it took long begins at once, and what was missed is not made
// up for.
type caller struct {
	load     *scenario.Workload
	dice     *rand.Rand
	interval time.Duration
	next     time.Duration // when the next call begins
}

// callsMax bounds the calls of a run, since a judge has to remember where it was after each.
const callsMax = 50_000

// newCaller returns that of a client, from 1.
func newCaller(s *scenario.Scenario, client int) *caller {
	c := &caller{load: &s.Workload, dice: s.Dice(fmt.Sprintf("client %d", client))}
	if c.load.Rate > 0 {
		c.interval = time.Duration(c.load.Clients) * time.Second / time.Duration(c.load.Rate)
		c.next = c.interval * time.Duration(client-1) / time.Duration(c.load.Clients)
	}
	return c
}

// command rolls the next call. number gives numbers that have not been added yet.
func (c *caller) command(number func() int64) string {
	if c.dice.Float64() >= c.load.Reads {
		return fmt.Sprintf("add %d", number())
	}
	return "read"
}

// ended takes the end of a call.
func (c *caller) ended(now time.Duration) { c.next = max(c.next+c.interval, now) }
