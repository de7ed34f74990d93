//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"time"
)

// An other is a transport that a program carries out, with the messages of package linktest.
type other struct{ program, name, transport string }

func (o other) command(role string, duration time.Duration) []string {
	return []string{
		o.program, "-transport", o.transport, "-role", role, "-addr", rightAddr.String(), "-duration", duration.String(),
	}
}

func (o other) bulk(ctx context.Context, on seating, duration time.Duration) (bulk, error) {
	var got struct{ BytesPerSecond float64 }
	cpu, err := play(ctx, pair{seating: on, answers: o.command("listen", duration), asks: o.command("bulk", duration)}, &got)
	return newBulk(got.BytesPerSecond, duration, cpu), err
}

func (o other) trips(ctx context.Context, on seating, duration time.Duration) (t trips, err error) {
	_, err = play(ctx, pair{seating: on, answers: o.command("listen", duration), asks: o.command("small", duration)}, &t)
	return t, err
}

// newBulk returns what it is to move so many bytes in a second, which the warm-up has done too,
// with so many seconds of the CPU.
func newBulk(bytesPerSecond float64, duration time.Duration, cpu float64) bulk {
	const bits = 8 / 1e9
	all := bytesPerSecond * duration.Seconds() * (1 + warmUp)
	return bulk{gigabits: bytesPerSecond * bits, perCPU: all * bits / cpu}
}

// congestionControl returns the name of what TCP does by default.
func congestionControl() string {
	name, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return "?"
	}
	return string(bytes.TrimSpace(name))
}
