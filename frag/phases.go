package frag

import "time"

// A phase is what a control is up to. After startup it cruises, and probes every few round trips.
type phase uint8

const (
	startup   phase = iota // the rate doubles with each round
	drain                  // what startup or a probe has put in the queue is worked off
	cruise                 // as fast as the path has shown to carry
	probeRate              // does it carry more?
	probeRTT               // is it still as short, when nothing of ours is in the queue?
)

// gains are what a phase makes of rate and window, in percent.
var gains = [...]struct{ rate, window int }{
	startup:   {277, 200},
	drain:     {75, 100},
	cruise:    {100, 100},
	probeRate: {125, 125},
	probeRTT:  {100, 50},
}

// advance goes on to the next phase if it is time.
func (c *control) advance(now time.Duration, flight int, random uint64) {
	turn := max(c.least, turnLeast)
	passed := now - c.since
	switch c.phase {
	case startup:
		if c.congested || c.stale >= staleMax {
			c.enter(now, drain)
		}
	case drain:
		if flight <= bytesWithin(c.least, c.rate)+c.quantum() || passed >= drainTurns*turn {
			c.enter(now, cruise)
			c.turns = cruiseTurns
		}
	case cruise:
		if c.target > 0 && c.rate >= c.target {
			c.turns, c.target = 0, 0 // there may be still more
		}
		if passed >= turn*time.Duration(c.turns+1) {
			c.target = c.rate + c.rate/8
			c.enter(now, probeRate)
		}
	case probeRate:
		if passed >= turn {
			c.enter(now, drain)
		}
	case probeRTT:
		if passed >= 2*max(turn, c.leastOfPhase) && c.leastOfPhase > 0 {
			c.onProbedRTT(now, random)
		}
	}
	doubtful := c.queued >= queuedMax || now-c.leastAt > leastLife
	if doubtful && c.phase > drain && c.phase != probeRTT {
		c.enter(now, probeRTT)
	}
}

// onProbedRTT takes the least round trip of a time in which little was in flight for the least
// one. If it is much longer, the path is another one, about which nothing is known.
func (c *control) onProbedRTT(now time.Duration, random uint64) {
	longer := c.isLonger(c.leastOfPhase)
	c.least, c.leastAt, c.queued = c.leastOfPhase, now, 0
	if longer {
		c.full, c.stale = 0, 0
		c.enter(now, startup)
		return
	}
	// Those who share a bottleneck should not all probe it at the same time.
	c.turns = int(random % (cruiseTurns + 1))
	c.enter(now, cruise)
}

func (c *control) enter(now time.Duration, p phase) {
	c.phase, c.since, c.leastOfPhase = p, now, 0
}
