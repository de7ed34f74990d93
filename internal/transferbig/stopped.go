//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

const (
	// steadyTime is for how long the group works with all replicas, to see what memory that takes at most: between
	// two runs of the garbage collector it grows to twice what is in use.
	steadyTime = time.Minute
	// catchUpTime is how long a replica may take that has to get almost all of a large state while the
	// others change it as fast as they can.
	catchUpTime = 10 * time.Minute
)

// measureStopped stops a backup for long while the group works as hard as it can, and has it go on. The
// log is the usual one, which is too short for what is written while a large state is brought.
func measureStopped(ctx context.Context, o *options, r *report) error {
	g, err := startGroup(ctx, 3, logMost, levelInfo, o)
	if err != nil {
		return err
	}
	defer g.close()
	if _, err := g.fill(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "filled; as much load as the group takes")
	for written := size(0); written < g.log; {
		some, err := g.loadFor(ctx, fullWorkers, 0, o.idle)
		if err != nil {
			return err
		}
		written += size(some.Commits) * valueBytes
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if _, err := g.resident(); err != nil { // and the peaks are forgotten: the log is full
		return err
	}
	if _, err := g.loadFor(ctx, fullWorkers, 0, steadyTime); err != nil {
		return err
	}
	if err := g.equal(ctx); err != nil { // or nobody might be left who can acknowledge
		return err
	}
	steady := make(map[uint64]int64)
	for id := range g.processes {
		steady[id] = g.peak(id)
	}
	if _, err := g.resident(); err != nil {
		return err
	}
	view, target := g.journal.view(), g.backups()[0]
	if err := g.signal(target, syscall.SIGSTOP); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "replica %d stands still for %v\n", target, o.stopped)
	full := g.startLoad(ctx, fullWorkers, 0)
	defer full.end()
	select {
	case <-time.After(o.stopped):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.memory("stopped", g, steady, 0, target)
	r.atLeast("stopped", "commits while it stood still", float64(full.commits()), 4*fullWorkers)
	if err := g.signal(target, syscall.SIGCONT); err != nil {
		return err
	}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "replica %d goes on\n", target)
	missed := wire.OpNumber(0)
	wanted := wire.OpNumber(0)
	err = g.poll(ctx, catchUpTime, "the replica that stood still has caught up", func(answers []vr.Answer) bool {
		var other, self wire.OpNumber
		for i := range answers {
			if a := &answers[i]; a.ID == wire.Peer(target) && a.Known && a.Status == wire.StatusNormal {
				self = a.Applied
			} else if a.Known {
				other = max(other, a.Applied)
			}
		}
		caughtUp := wanted > 0 && self >= wanted
		wanted = other // by the next time
		if missed == 0 && self > 0 && other > self {
			missed = other - self
		}
		return caughtUp
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	busy, err := full.end()
	if err != nil {
		return err
	}
	r.latencies("stopped", "commits, all that it takes", busy)
	r.add("stopped", "ops missed", float64(missed), "")
	r.add("stopped", "until it has caught up", took.Seconds(), "s")
	r.goal("stopped", "view changes", float64(g.journal.view()-view), "", 0)
	return g.equal(ctx)
}
