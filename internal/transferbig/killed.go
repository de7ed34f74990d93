//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// measureKilled has a replica fetch the state, kills one of those that give it when half of it is there,
// and the replica itself when three quarters are. It takes a group of five: with one replica dead and
// another without memory, three would have no quorum.
func measureKilled(ctx context.Context, o *options, r *report) error {
	g, err := startGroup(ctx, 5, logFor(o.size), levelInfo, o)
	if err != nil {
		return err
	}
	defer g.close()
	if _, err := g.fill(ctx); err != nil {
		return err
	}
	view, target := g.journal.view(), g.backups()[0]
	light := g.startLoad(ctx, 1, lightRest)
	defer light.end()
	g.kill(target)
	mark := g.journal.mark()
	if err := g.start(ctx, target); err != nil {
		return err
	}
	if _, err := g.journal.await(ctx, mark, "half of the state is there", fetched(target, 50)); err != nil {
		return err
	}
	primary := g.primary()
	source := g.journal.last(mark, func(l *line) bool { return l.Text == textServing && l.Replica != primary }).Replica
	if source == 0 {
		return errors.New("no backup gives its state")
	}
	if err := g.signal(source, syscall.SIGKILL); err != nil { // who waits for its end is late for what comes next
		return err
	}
	fmt.Fprintf(os.Stderr, "replica %d has half of the state, and %d, which gives it, is dead\n", target, source)
	if _, err := g.journal.await(ctx, mark, "three quarters of the state are there", fetched(target, 75)); err != nil {
		return err
	}
	g.kill(target)
	g.kill(source)
	before := g.journal.last(mark, fetched(target, 1))
	mark = g.journal.mark()
	if err := g.start(ctx, target); err != nil {
		return err
	}
	whole, err := g.journal.await(ctx, mark, "the rest of the state is there", says(target, textWhole))
	if err != nil {
		return err
	}
	if _, err := g.journal.await(ctx, mark, "the memory is back", says(target, textBack)); err != nil {
		return err
	}
	if _, err := light.end(); err != nil {
		return err
	}
	r.add("killed", "the state", mib(float64(whole.Bytes)), "MiB")
	r.add("killed", "there when the source died", 50, "%")
	r.add("killed", "there when the target died", float64(before.Percent), "%")
	r.add("killed", "moved before", mib(float64(before.Moved)), "MiB")
	r.add("killed", "moved after", mib(float64(whole.Moved)), "MiB")
	r.goal("killed", "moved, to the state", float64(before.Moved+whole.Moved)/float64(whole.Bytes), "", 1.3)
	r.goal("killed", "view changes", float64(g.journal.view()-view), "", 0)
	return nil
}
