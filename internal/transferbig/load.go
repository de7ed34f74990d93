//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"vrnode/vr"
	"vrnode/vr/machine/kv"
)

// valueBytes is the length of a value.
const valueBytes = 1 << 10

// letters are what values are made of: nothing that a command must escape, and in no order that would
// let somebody write them shorter.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// put returns a command that gives a key a value that nobody has seen.
func put(key uint64, random *rand.Rand) []byte {
	var value [valueBytes]byte
	for i := 0; i < len(value); {
		for bits, n := random.Uint64(), 0; n < 10 && i < len(value); n, i = n+1, i+1 {
			value[i] = letters[bits&63]
			bits >>= 6
		}
	}
	return kv.Put(fmt.Sprintf("key-%09d", key), string(value[:]))
}

// check tells what is wrong with the end of an operation.
func check(result []byte, err error) error {
	if err == nil && !bytes.Equal(result, []byte("ok")) {
		err = fmt.Errorf("a put was answered with %q", result)
	}
	return err
}

// fill gives all keys a value, with as many operations under way as a client may have, and returns how
// many bytes of values that were per second.
func (g *group) fill(ctx context.Context) (rate float64, err error) {
	random := rand.New(rand.NewPCG(1, 0))
	room := make(chan struct{}, vr.SessionWindow)
	failed := make(chan error, 1)
	began := time.Now()
	for key := range g.keys {
		if key%(g.keys/10+1) == 0 {
			fmt.Fprintf(os.Stderr, "filled %d MiB\n", key*valueBytes>>20)
		}
		select {
		case room <- struct{}{}:
		case err := <-failed:
			return 0, err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		g.client.Go(put(key, random), func(result []byte, err error) {
			if err := check(result, err); err != nil {
				select {
				case failed <- err:
				default: // one is enough
				}
			}
			<-room
		})
	}
	for range cap(room) {
		select {
		case room <- struct{}{}:
		case err := <-failed:
			return 0, err
		}
	}
	return float64(g.keys*valueBytes) / time.Since(began).Seconds(), g.equal(ctx)
}

// Latencies are how long commits took, as their client saw it.
type Latencies struct {
	Commits   int64   `json:"commits"`
	PerSecond float64 `json:"per_second"`
	P50Micros float64 `json:"p50_us"`
	P99Micros float64 `json:"p99_us"`
	P999      float64 `json:"p999_us"`
	Most      float64 `json:"max_us"`
}

// latencyMax is counted for a commit that took longer.
const latencyMax = time.Minute

// newLatencies returns a histogram of them, and record counts one in it.
func newLatencies() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(latencyMax), 3) }

func record(h *hdrhistogram.Histogram, took time.Duration) {
	_ = h.RecordValue(int64(min(took, latencyMax))) // it is within bounds
}

// A load is operations that go on until it is ended: each worker has one under way at a time, and rests
// between them.
type load struct {
	began   time.Time
	stop    atomic.Bool
	workers sync.WaitGroup
	mu      sync.Mutex // of what follows
	took    *hdrhistogram.Histogram
	err     error
}

// startLoad begins to write over keys.
func (g *group) startLoad(ctx context.Context, workers int, rest time.Duration) *load {
	return g.startLoadSeen(ctx, workers, rest, func(span) {})
}

// startLoadSeen does that and calls seen with each operation, one at a time.
func (g *group) startLoadSeen(ctx context.Context, workers int, rest time.Duration, seen func(span)) *load {
	l := &load{began: time.Now(), took: newLatencies()}
	for w := range uint64(workers) {
		l.workers.Go(func() {
			random := rand.New(rand.NewPCG(2, w))
			for !l.stop.Load() {
				command := put(random.Uint64N(g.keys), random)
				began := time.Now()
				err := check(g.client.Submit(ctx, command))
				s := span{began: began, took: time.Since(began)}
				l.mu.Lock()
				seen(s)
				record(l.took, s.took)
				if l.err == nil {
					l.err = err
				}
				l.mu.Unlock()
				if err != nil {
					return
				}
				if rest > 0 {
					time.Sleep(rest)
				}
			}
		})
	}
	return l
}

// commits returns how many operations have ended.
func (l *load) commits() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took.TotalCount()
}

// end ends the load.
func (l *load) end() (Latencies, error) {
	l.stop.Store(true)
	l.workers.Wait()
	return latencies(l.took, time.Since(l.began).Seconds()), l.err
}

// latencies sums up what was counted in so many seconds.
func latencies(took *hdrhistogram.Histogram, seconds float64) Latencies {
	micros := func(quantile float64) float64 { return float64(took.ValueAtQuantile(quantile)) / 1e3 }
	n := took.TotalCount()
	return Latencies{
		Commits: n, PerSecond: float64(n) / seconds,
		P50Micros: micros(50), P99Micros: micros(99), P999: micros(99.9), Most: float64(took.Max()) / 1e3,
	}
}

// latenciesBetween sums up the operations that began from a time on and before another.
func latenciesBetween(operations []span, from, to time.Time) Latencies {
	took := newLatencies()
	for _, s := range operations {
		if !s.began.Before(from) && s.began.Before(to) {
			record(took, s.took)
		}
	}
	return latencies(took, to.Sub(from).Seconds())
}

// loadFor is a load for a duration.
func (g *group) loadFor(ctx context.Context, workers int, rest, duration time.Duration) (Latencies, error) {
	l := g.startLoad(ctx, workers, rest)
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	return l.end()
}

const (
	// lightRest is what the one worker of a light load rests.
	lightRest = 2 * time.Millisecond
	// someWorkers are those of a load with which checkpoints are frequent and queues are short.
	someWorkers = 16
	// fullWorkers are those of as much load as a group takes.
	fullWorkers = 512
)
