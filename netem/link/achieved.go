package link

import (
	"fmt"
	"math"
	"time"
)

// A Deviation is a figure that is not what was asked for.
type Deviation struct {
	What                           string
	Requested, Achieved, Tolerance float64
}

func (d Deviation) String() string {
	return fmt.Sprintf("%s: requested %.4g, achieved %.4g, which is more than %.2g off", d.What, d.Requested, d.Achieved, d.Tolerance)
}

const (
	// sigmas is how many standard deviations chance may be off: one figure in a million is.
	sigmas = 5
	// allowance is how far a figure may be off on top, as a share of itself. It covers what the
	// models of the kernel and of this package do not share.
	allowance = 0.1
	// rare is how many events more than that chance may bring. Where few are expected, they are
	// not spread as many are.
	rare = 3
)

// Deviations compares what a link was asked to do, in a time in which its settings did not change,
// with what it did. Chance is allowed for: of few datagrams nothing can be said, and nothing is.
// slack is how late deliveries may be where time is real; it is 0 in virtual time. Too early they
// never are.
func (s *Settings) Deviations(c *Counters, slack time.Duration) []Deviation {
	var out []Deviation
	check := func(what string, requested, achieved, tolerance float64) {
		if math.Abs(achieved-requested) > tolerance {
			out = append(out, Deviation{what, requested, achieved, tolerance})
		}
	}
	share := func(what string, p float64, n, of uint64, spread float64) {
		if of == 0 {
			return
		}
		tolerance := sigmas*spread*math.Sqrt(p*(1-p)/float64(of)) + allowance*p
		if p > 0 {
			tolerance += rare * spread / float64(of)
		}
		check(what, p, float64(n)/float64(of), tolerance)
	}
	if s.Down {
		share("delivered while down", 0, c.Delivered, c.Offered, 1)
		return out
	}
	tried := c.Offered - min(c.Offered, c.Lost[LostTooLong]+c.Lost[LostDown])
	share("loss", s.Loss.Chance(), c.Lost[LostRandom], tried, s.Loss.Burst.clumping())
	share("duplicate", s.Duplicate*(1-s.Loss.Chance()), c.Duplicated, tried, 1)
	share("share that escaped MTU or rate", 0, c.Escaped, c.Delivered, 1)
	share("corrupt", s.Corrupt, c.Corrupted, c.Delivered, 1)
	if s.Delay.Mean > 0 {
		share("reorder", s.Reorder, c.Ahead, c.Delivered, 1)
	}
	if c.Delivered == 0 {
		return out
	}
	// A bottleneck delays by what the traffic makes of it; only the least delay is known then.
	asked, tolerance := s.meanDelay(c.Delivered)
	switch achieved := c.Delays.Mean().Seconds(); {
	case achieved < asked:
		check("delay in seconds", asked, achieved, tolerance)
	case s.Rate.Bits == 0:
		check("delay in seconds", asked, achieved, tolerance+slack.Seconds())
	}
	return out
}

// clumping is by how much the spread of a share grows since losses come in bursts.
func (b *Burst) clumping() float64 {
	if b.Turn == 0 {
		return 1
	}
	memory := max(1-b.Turn-b.Mend, 0)
	return math.Sqrt((1 + memory) / max(1-memory, 1e-6))
}

// meanDelay returns the mean delay of n copies and how far off it may be, in seconds.
func (s *Settings) meanDelay(n uint64) (mean, tolerance float64) {
	m, j := s.Delay.Mean.Seconds(), s.Delay.Jitter.Seconds()
	waits := 1 - s.Reorder
	if m == 0 {
		waits = 1
	}
	spread := math.Sqrt(waits*(j*j+(1-waits)*m*m)/float64(n)) * sigmas
	mean = m * waits
	tolerance = spread + allowance*mean
	if 2*j > m {
		tolerance += j // what would be below zero counts as zero
	}
	return mean, tolerance
}
