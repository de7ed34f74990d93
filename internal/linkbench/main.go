//go:build linux

// Linkbench measures the transport against what the kernel can do at best: over a veth pair of MTU
// 1500 between two network namespaces, bulk against runs of full-size UDP datagrams that cross the
// kernel in one piece (UDP_SEGMENT, UDP_GRO), and small round trips against those of plain blocking
// sockets. Floor and transport take turns, because other work on the machine slows down both, and
// what counts is the ratio.
//
//	main.go      rounds and their table
//	network.go   the two hosts, and processes on them
//	raw.go       the floors
//	ours.go      the transport, by package linktest
//
// It needs root, or user namespaces. Nothing is left of it: see kernel.Rerun.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"vrnode/netem/kernel"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often to measure everything; the medians are printed")
	duration := flag.Duration("duration", 2*time.Second, "how long to measure each")
	role := flag.String("role", "", "what a process is that linkbench has started")
	profile := flag.String("profile", "", "write CPU profiles of the two ends of bulk to `FILE`.listen and FILE.measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	code := 0
	switch {
	case *role != "":
		err = act(ctx, *role, *duration, *profile)
	case !kernel.Inside():
		code, err = kernel.Rerun(ctx, false)
	default:
		err = measure(ctx, *rounds, *duration, *profile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "linkbench:", err)
		code = 1
	}
	os.Exit(code)
}

// act is what the processes on the two hosts do.
func act(ctx context.Context, role string, duration time.Duration, profile string) error {
	if role != "listen" {
		defer context.AfterFunc(ctx, func() { os.Exit(1) })() // the floors wait for nothing but datagrams
	}
	switch role {
	case "sink":
		return sink()
	case "source":
		return source(duration)
	case "echo":
		return echo()
	case "ping":
		return ping(duration)
	case "listen":
		return listen(ctx, profile)
	case "bulk", "small":
		return ask(ctx, role, duration, profile)
	}
	return fmt.Errorf("-role: %q is none", role)
}

// A figure is one kind of measurement: of the floor and of the transport, round for round.
type figure struct {
	name, unit  string
	floor, ours []float64
}

func measure(ctx context.Context, rounds int, duration time.Duration, profile string) error {
	if err := kernel.Settle(); err != nil {
		return err
	}
	if err := makeHosts(); err != nil {
		return err
	}
	rate := figure{name: "bulk", unit: "Gbit/s"}
	cost := figure{name: "bulk, by the busier end's CPU", unit: "Gbit/s"}
	p50 := figure{name: "64 bytes there and back, p50", unit: "µs"}
	p99 := figure{name: "64 bytes there and back, p99", unit: "µs"}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		floor, err := rawBulk(ctx, duration)
		if err != nil {
			return err
		}
		ours, err := ourBulk(ctx, duration, profile)
		if err != nil {
			return err
		}
		rate.add(floor.gigabits(floor.seconds), ours.gigabits(ours.seconds))
		cost.add(floor.gigabits(floor.cpu), ours.gigabits(ours.cpu))
		raw, err := rawTrips(ctx, duration)
		if err != nil {
			return err
		}
		trips, err := ourTrips(ctx, duration)
		if err != nil {
			return err
		}
		p50.add(raw.P50, trips.P50)
		p99.add(raw.P99, trips.P99)
	}
	printFigures(os.Stdout, rate, cost, p50, p99)
	return nil
}

// A bulk is so many bytes that took so long, and kept the CPU of the busier end busy for a part of it.
type bulk struct{ bytes, seconds, cpu float64 }

func (b *bulk) gigabits(seconds float64) float64 { return 8 * b.bytes / seconds / 1e9 }

func (f *figure) add(floor, ours float64) {
	f.floor, f.ours = append(f.floor, floor), append(f.ours, ours)
}

// printFigures prints the medians. That of the ratios is of those within a round.
func printFigures(w io.Writer, figures ...figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tunit\tfloor\tours\tratio\tleast\tmost\tdifference\t")
	for _, f := range figures {
		var ratios, differences []float64
		for i := range f.floor {
			ratios = append(ratios, f.ours[i]/f.floor[i])
			differences = append(differences, f.ours[i]-f.floor[i])
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.1f\t%.2f\t%.2f\t%.2f\t%+.1f\t\n", f.name, f.unit,
			median(f.floor), median(f.ours), median(ratios), slices.Min(ratios), slices.Max(ratios), median(differences))
	}
	_ = t.Flush()
}

func median[T cmp.Ordered](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
