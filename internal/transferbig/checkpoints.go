//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"vrnode/vr"
	"vrnode/vr/client"
)

const (
	// checkpointsLog is short, so that checkpoints are frequent, but holds what the group does in half a
	// second: else a replica for which there is no CPU for a moment needs the whole state.
	checkpointsLog = 2 * vr.LogBytesMin
	// fewWorkers are those of a load that leaves CPUs a little to spare, for the same reason.
	fewWorkers = 4
	// checkpointsLeast is how many checkpoints each replica takes.
	checkpointsLeast = 1000
	// sessionsOpen is as many clients as the client-table has room for, beside the one that works.
	sessionsOpen = 4095
	// openers open sessions at a time.
	openers = 15
	// pauseMost is what a checkpoint may hold a replica up, but for one in a thousand. What of it the replica
	// had a CPU for does not depend on how many processes share them; the rest does.
	pauseMost = 5 * time.Millisecond
	// soon is how long after a checkpoint there is another moment like it. Whatever the moment, the commits
	// that are under way then are longer ones than most.
	soon = 10 * time.Millisecond
)

// measureCheckpoints has the replicas take many checkpoints of a state that is large and a client-table that
// is full.
func measureCheckpoints(ctx context.Context, o *options, r *report) error {
	g, err := startGroup(ctx, 3, checkpointsLog, levelDebug, o)
	if err != nil {
		return err
	}
	defer g.close()
	if _, err := g.fill(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "filled; %d clients come and go\n", sessionsOpen)
	if err := g.openSessions(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d checkpoints\n", checkpointsLeast)
	view, mark := g.journal.view(), g.journal.mark()
	var commits []span
	l := g.startLoadSeen(ctx, fewWorkers, 0, func(s span) { commits = append(commits, s) })
	var of map[uint64][]span
	for {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		if late := g.journal.last(mark, func(l *line) bool { return l.Text == textNeeds }); late.Replica != 0 {
			_, _ = l.end()
			return fmt.Errorf("replica %d fell behind: this machine is too slow for so short a log", late.Replica)
		}
		of = g.journal.checkpoints(mark)
		if ctx.Err() != nil || len(of) == len(g.peers) && !slices.ContainsFunc(g.ids(), func(id uint64) bool { return len(of[id]) < checkpointsLeast }) {
			break
		}
	}
	all, err := l.end()
	if err != nil {
		return err
	}
	var pauses []span
	for _, id := range g.ids() {
		took := took(of[id])
		what := fmt.Sprintf("pause for a checkpoint, replica %d", id)
		if id == g.primary() {
			what += " (primary)"
		}
		r.add("checkpoints", what+", taken", float64(took.TotalCount()), "")
		for _, q := range [...]struct {
			name string
			at   float64
		}{{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}} {
			r.add("checkpoints", what+", "+q.name, float64(took.ValueAtQuantile(q.at))/1e6, "ms")
		}
		pauses = append(pauses, of[id]...)
	}
	worked := slices.Clone(pauses)
	for i := range worked {
		worked[i].took = worked[i].worked
	}
	most := pauseMost.Seconds() * 1e3
	r.wish("checkpoints", "pause for a checkpoint, p99.9", float64(took(pauses).ValueAtQuantile(99.9))/1e6, "ms", most)
	r.add("checkpoints", "pause for a checkpoint, most", float64(took(pauses).Max())/1e6, "ms")
	r.goal("checkpoints", "work for a checkpoint, p99.9", float64(took(worked).ValueAtQuantile(99.9))/1e6, "ms", most)
	r.add("checkpoints", "work for a checkpoint, most", float64(took(worked).Max())/1e6, "ms")
	r.goal("checkpoints", "view changes", float64(g.journal.view()-view), "", 0)
	later := slices.Clone(pauses)
	for i := range later {
		later[i].began = later[i].began.Add(soon)
	}
	with, without := divide(commits, pauses)
	others, _ := divide(commits, later)
	r.latencies("checkpoints", "commits", all)
	seconds := time.Since(l.began).Seconds()
	r.latencies("checkpoints", "commits with a checkpoint meanwhile", latencies(took(with), seconds))
	r.latencies("checkpoints", "commits without", latencies(took(without), seconds))
	r.latencies("checkpoints", "commits at other moments", latencies(took(others), seconds))
	return g.equal(ctx)
}

// openSessions fills the client-table: clients come, write one key each, and go.
func (g *group) openSessions(ctx context.Context) error {
	failed := make(chan error, openers)
	var all sync.WaitGroup
	for opener := range uint64(openers) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(3, opener))
			for range sessionsOpen / openers {
				if err := g.visit(ctx, put(random.Uint64N(g.keys), random)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

// visit has a client of its own say one thing.
func (g *group) visit(ctx context.Context, command []byte) error {
	c, err := client.Start(client.Config{Peers: g.peers})
	if err != nil {
		return err
	}
	defer c.Close()
	return check(c.Submit(ctx, command))
}

// A span is when something went on.
type span struct {
	began time.Time
	took  time.Duration
	// worked is for how much of it a replica had a CPU, if it is a checkpoint.
	worked time.Duration
}

func (s span) end() time.Time { return s.began.Add(s.took) }

// checkpoints returns when each replica took a checkpoint after a mark.
func (j *journal) checkpoints(mark int) map[uint64][]span {
	j.mu.Lock()
	defer j.mu.Unlock()
	of := make(map[uint64][]span)
	for _, l := range j.lines[mark:] {
		if strings.HasPrefix(l.Text, textCheckpoint) {
			of[l.Replica] = append(of[l.Replica], span{l.Began, l.Pause, l.Worked})
		}
	}
	return of
}

// took counts how long spans are.
func took(spans []span) *hdrhistogram.Histogram {
	h := newLatencies()
	for _, s := range spans {
		record(h, s.took)
	}
	return h
}

// divide tells the commits that went on while there was a pause from the others.
func divide(commits, pauses []span) (with, without []span) {
	slices.SortFunc(commits, func(a, b span) int { return a.began.Compare(b.began) })
	// Of pauses that overlap one is made: then those that begin earlier end earlier.
	slices.SortFunc(pauses, func(a, b span) int { return cmp.Or(a.began.Compare(b.began), a.end().Compare(b.end())) })
	var apart []span
	for _, p := range pauses {
		if last := len(apart) - 1; last >= 0 && !p.began.After(apart[last].end()) {
			apart[last].took = max(apart[last].took, p.end().Sub(apart[last].began))
		} else {
			apart = append(apart, p)
		}
	}
	next := 0
	for _, c := range commits {
		for next < len(apart) && apart[next].end().Before(c.began) {
			next++
		}
		if next < len(apart) && !apart[next].began.After(c.end()) {
			with = append(with, c)
		} else {
			without = append(without, c)
		}
	}
	return with, without
}
