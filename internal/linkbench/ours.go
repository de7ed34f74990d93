//go:build linux

package main

import (
	"context"
	"net/netip"
	"os"
	"runtime/pprof"
	"time"

	"vrnode/internal/linktest"
)

// profiled calls a function, and profiles it if there is a name for the profile.
func profiled(name, suffix string, do func() error) error {
	if name == "" {
		return do()
	}
	f, err := os.Create(name + suffix)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return do()
}

// listen answers until ctx ends.
func listen(ctx context.Context, profile string) error {
	l, err := linktest.Listen(rightAddr.String())
	if err != nil {
		return err
	}
	if err := tell("ready"); err != nil {
		return err
	}
	return profiled(profile, ".listen", func() error { return l.Serve(ctx, func(netip.AddrPort) {}) })
}

// ask measures bulk or small round trips, and prints the row of the report.
func ask(ctx context.Context, role string, duration time.Duration, profile string) error {
	phase := linktest.Up
	if role == "small" {
		phase = linktest.Ping
	}
	var report *linktest.Report
	err := profiled(profile, ".measure", func() (err error) {
		report, err = linktest.Measure(ctx, linktest.Config{
			To: rightAddr.String(), Phases: []linktest.Phase{phase}, Duration: duration, Patience: 5 * time.Second, Size: small,
		})
		return err
	})
	if err != nil {
		return err
	}
	return tell(report.Rows[0])
}

// warmUp is the part of a phase that linktest does not count, as a share of what it does.
const warmUp = 0.1

// bulk has the transport carry bulk.
func ourBulk(ctx context.Context, duration time.Duration, profile string) (b bulk, err error) {
	var row linktest.Row
	b.cpu, err = play(ctx, pair{answers: "listen", asks: "bulk", duration: duration, profile: profile}, &row)
	b.seconds = row.Seconds * (1 + warmUp)
	b.bytes = row.BytesPerSecond * b.seconds
	return b, err
}

// trips has the transport carry small messages.
func ourTrips(ctx context.Context, duration time.Duration) (trips, error) {
	var row linktest.Row
	_, err := play(ctx, pair{answers: "listen", asks: "small", duration: duration}, &row)
	return trips{row.P50Micros, row.P99Micros}, err
}
