package link

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Distribution is how a delay spreads around its mean. Jitter is its scale, as in netem.
type Distribution uint8

const (
	// Uniform is between mean-jitter and mean+jitter.
	Uniform Distribution = iota
	// Normal has jitter as its standard deviation.
	Normal
	// Pareto has many delays a little below the mean and few far above it.
	Pareto

	distributionMax = Pareto
)

var distributionNames = [...]string{Uniform: "uniform", Normal: "normal", Pareto: "pareto"}

func (d Distribution) String() string {
	if int(d) < len(distributionNames) {
		return distributionNames[d]
	}
	return "distribution(" + strconv.Itoa(int(d)) + ")"
}

// Distributions returns all of them.
func Distributions() []Distribution { return []Distribution{Uniform, Normal, Pareto} }

// spreadMax is where the tables of netem end, in units of jitter.
const spreadMax = 4

// spread draws how far from the mean a delay is, in units of jitter.
func (d Distribution) spread(random *rand.Rand) float64 {
	switch d {
	case Normal:
		return min(max(random.NormFloat64(), -spreadMax), spreadMax)
	case Pareto:
		// The table of iproute2: shape 3, moved to mean 0 and scaled.
		u := 1 - random.Float64()
		return min((1/math.Cbrt(u)-1.5)*4/3, spreadMax)
	}
	return 2*random.Float64() - 1
}

// draw returns the delay of one datagram.
func (d *Delay) draw(random *rand.Rand) time.Duration {
	if d.Jitter == 0 {
		return d.Mean
	}
	return max(d.Mean+time.Duration(d.Distribution.spread(random)*float64(d.Jitter)), 0)
}
