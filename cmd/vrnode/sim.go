package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"vrnode/internal/sim"
)

func newSim() *cobra.Command {
	var (
		seed    uint64
		seeds   int
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "sim [--seed S] [--seeds N]",
		Short: "Simulate groups under faults, and check every promise",
		Long: `sim runs groups of replicas and their clients in virtual time: the same code as in a real group,
with a network that loses, repeats, delays and reorders, and with replicas that crash and lose
their memory. Everything follows from the seed. Each run is checked for lost and repeated
operations, disagreement, and a service that does not come back after the faults end.

With --seed one run is made, with --seeds that many, from a seed chosen at random or from --seed
on. The runs share all cores of the machine.

Exit code 1: a promise was broken; the command that repeats the run is printed.`,
		Example: `  vrnode sim --seeds 1000
  vrnode sim --seed 0x2a -v`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen := cmd.Flags().Changed("seed")
			switch {
			case seeds < 0 || cmd.Flags().Changed("seeds") && seeds == 0:
				return usage("--seeds is the number of runs, from 1")
			case chosen && seeds == 0:
				seeds = 1
			case seeds == 0:
				seeds = 100
			}
			if !chosen {
				seed = rand.Uint64()
			}
			if verbose && seeds > 1 {
				return usage("-v is for one run: give its --seed")
			}
			return runSim(cmd, seed, seeds, verbose)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "the run to make, or the first of --seeds")
	cmd.Flags().IntVar(&seeds, "seeds", 0, "how many runs to make (default 100, with --seed 1)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print each event of the run")
	return cmd
}

func runSim(cmd *cobra.Command, seed uint64, seeds int, verbose bool) error {
	var trace io.Writer
	if verbose {
		trace = cmd.OutOrStdout()
	}
	bar := newBar(int64(seeds), "simulating", progressbar.OptionShowCount(), progressbar.OptionSetVisibility(seeds > 1))
	began := time.Now()
	results := make(chan sim.Result)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), seeds) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(seeds) && cmd.Context().Err() == nil; i = next.Add(1) - 1 {
				results <- sim.Run(sim.Options{Seed: seed + uint64(i), Verbose: trace})
			}
		})
	}
	go func() { workers.Wait(); close(results) }()

	var sum simSummary
	for r := range results {
		bar.Add(1)
		if r.Violation != nil {
			bar.Clear()
			fmt.Fprintf(cmd.OutOrStdout(), "seed %#x: %v at %v\n  %s\n", r.Seed, r.Violation, r.Violation.At, r.Reproduce())
		}
		sum.add(&r)
	}
	bar.Clear()
	sum.print(cmd.OutOrStdout(), time.Since(began))
	if sum.broken > 0 {
		return fmt.Errorf("%d of %d runs broke a promise", sum.broken, sum.runs)
	}
	return context.Cause(cmd.Context())
}

// A simSummary adds up runs.
type simSummary struct {
	runs, broken int
	virtual      time.Duration
	stats        sim.Stats
}

func (s *simSummary) add(r *sim.Result) {
	s.runs++
	if r.Violation != nil {
		s.broken++
	}
	s.virtual += r.Virtual
	s.stats.Steps += r.Stats.Steps
	s.stats.Packets += r.Stats.Packets
	s.stats.Commits += r.Stats.Commits
	s.stats.Views += r.Stats.Views
	s.stats.Crashes += r.Stats.Crashes
	s.stats.Recoveries += r.Stats.Recoveries
	s.stats.Faults += r.Stats.Faults
	s.stats.Transfers += r.Stats.Transfers
	s.stats.Anew += r.Stats.Anew
}

func (s *simSummary) print(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "runs: %d, broken promises: %d\n%v simulated in %v: %d ops committed, %d views started, %d crashes, %d recoveries, %d groups lost and formed anew, %d states sent, %d packets\n",
		s.runs, s.broken, s.virtual.Round(time.Second), took.Round(time.Millisecond),
		s.stats.Commits, s.stats.Views, s.stats.Crashes, s.stats.Recoveries, s.stats.Anew, s.stats.Transfers, s.stats.Packets)
}
