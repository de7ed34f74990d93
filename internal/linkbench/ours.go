//go:build linux

package main

import (
	"context"
	"net/netip"
	"os"
	"runtime/pprof"
	"strconv"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/linktest"
)

// keys are those of secure mode between two processes that nobody else can reach.
var keys = []noise.Key{{1}}

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
func listen(ctx context.Context, sealed bool, o *options) error {
	var with []noise.Key
	if sealed {
		with = keys
	}
	l, err := linktest.Listen(rightAddr.String(), o.spin, with...)
	if err != nil {
		return err
	}
	if err := tell("ready"); err != nil {
		return err
	}
	return profiled(o.profile, ".listen", func() error { return l.Serve(ctx, func(netip.AddrPort) {}) })
}

// ask measures bulk or small round trips, and prints the row of the report.
func ask(ctx context.Context, role string, sealed bool, o *options) error {
	cfg := linktest.Config{
		To: rightAddr.String(), Phases: []linktest.Phase{linktest.Up}, Duration: o.duration, Patience: 5 * time.Second, Size: small, Spin: o.spin,
	}
	if role == "small" {
		cfg.Phases = []linktest.Phase{linktest.Ping}
	}
	if sealed {
		cfg.Keys = keys
	}
	var report *linktest.Report
	err := profiled(o.profile, ".measure", func() (err error) {
		report, err = linktest.Measure(ctx, cfg)
		return err
	})
	if err != nil {
		return err
	}
	return tell(report.Rows[0])
}

// warmUp is the part of a phase that linktest does not count, as a share of what it does.
const warmUp = 0.1

// A link is the transport, in plain or in secure mode.
type link struct {
	sealed  bool
	profile string
	spin    time.Duration
}

func (l link) play(ctx context.Context, on seating, role string, duration time.Duration) (row linktest.Row, cpu float64, err error) {
	command := func(role string) []string {
		return itself(role, duration, "-sealed="+strconv.FormatBool(l.sealed), "-profile="+l.profile, "-spin="+l.spin.String())
	}
	cpu, err = play(ctx, pair{seating: on, answers: command("listen"), asks: command(role)}, &row)
	return row, cpu, err
}

func (l link) bulk(ctx context.Context, on seating, duration time.Duration) (bulk, error) {
	row, cpu, err := l.play(ctx, on, "bulk", duration)
	b := newBulk(row.BytesPerSecond, duration, cpu)
	if row.Beside != nil {
		b.beside = trips{row.Beside.P50Micros, row.Beside.P99Micros}
	}
	return b, err
}

func (l link) trips(ctx context.Context, on seating, duration time.Duration) (trips, error) {
	row, _, err := l.play(ctx, on, "small", duration)
	return trips{row.P50Micros, row.P99Micros}, err
}
