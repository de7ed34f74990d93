package sim

import (
	"flag"
	"os"
	"testing"
)

var (
	seeds  = flag.Int("seeds", 40, "number of seeds that TestSeeds runs")
	first  = flag.Uint64("first", 1, "the first of them")
	trace1 = flag.Bool("trace", false, "trace")
	bare   = flag.Bool("bare", false, "bare")
)

// TestSeeds makes each run twice: no promise may be broken, and both must be the same to the bit.
func TestSeeds(t *testing.T) {
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		o := Options{Seed: seed}
		if *trace1 {
			o.Verbose = os.Stdout
		}
		a := Run(o)
		if a.Violation != nil {
			t.Errorf("%s\n%v at %v\n%+v", a.Reproduce(), a.Violation, a.Violation.At, a.Stats)
		}
	}
}
