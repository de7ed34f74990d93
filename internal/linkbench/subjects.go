//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A subject is something that carries bulk and small messages between the two hosts.
type subject struct {
	name  string
	bulk  func(context.Context, seating, time.Duration) (bulk, error)
	trips func(context.Context, seating, time.Duration) (trips, error)
}

// A bulk is so many bits in a second of time, and so many in a second of the CPU of the busier end.
type bulk struct {
	gigabits, perCPU float64
	// beside are the small round trips meanwhile, if somebody has measured them.
	beside trips
}

// A trips are small round trips, in microseconds.
type trips struct{ P50, P99 float64 }

// A result is what came of a subject, round for round.
type result struct {
	name           string
	bulks, perCPU  []float64
	togethers      []float64 // p50 on one CPU
	p50s, p99s     []float64
	besides, lates []float64 // p50 and p99 beside bulk, or none
}

// spin is what an operator would choose where nothing else needs the CPU.
const spin = 50 * time.Microsecond

// subjects returns what is measured. The first one is the floor, to which the others are compared.
func subjects(o *options) []subject {
	all := []subject{
		{"raw UDP", rawBulk, rawTrips},
		{"vrnode", link{profile: o.profile}.bulk, link{}.trips},
		{"vrnode, spinning", link{spin: spin}.bulk, link{spin: spin}.trips},
		{"vrnode, secure", link{sealed: true}.bulk, link{sealed: true}.trips},
	}
	if o.peers == "" {
		return all
	}
	for _, p := range []other{
		{o.peers, "TCP (" + congestionControl() + ")", "tcp"}, {o.peers, "quic-go", "quic"}, {o.peers, "kcp-go", "kcp"},
	} {
		all = append(all, subject{p.name, p.bulk, p.trips})
	}
	return all
}

// measure measures everything in turns. It also returns, round for round, which share of the
// machine's CPUs other work has taken.
func measure(ctx context.Context, subjects []subject, o *options) (results []result, others []float64, err error) {
	apart, together, err := seatings()
	if err != nil {
		return nil, nil, err
	}
	results = make([]result, len(subjects))
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		before := lookAtWork()
		for i, s := range subjects {
			b, err := s.bulk(ctx, apart, o.duration)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", s.name, err)
			}
			t, err := s.trips(ctx, apart, o.duration)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", s.name, err)
			}
			one, err := s.trips(ctx, together, o.duration)
			if err != nil {
				return nil, nil, fmt.Errorf("%s, on one CPU: %w", s.name, err)
			}
			results[i].name = s.name
			results[i].add(&b, &t, &one)
		}
		others = append(others, lookAtWork().othersSince(before))
	}
	return results, others, nil
}

func (r *result) add(b *bulk, t, together *trips) {
	r.togethers = append(r.togethers, together.P50)
	r.bulks, r.perCPU = append(r.bulks, b.gigabits), append(r.perCPU, b.perCPU)
	r.p50s, r.p99s = append(r.p50s, t.P50), append(r.p99s, t.P99)
	if b.beside != (trips{}) {
		r.besides, r.lates = append(r.besides, b.beside.P50), append(r.lates, b.beside.P99)
	}
}
