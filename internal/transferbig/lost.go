//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// linkShare is what a transfer should reach of what the transport does between two processes of the same
// machine, in the same run, beside the same group, which has the same light load. A transfer never has the
// machine for itself: the group that it is for is there, and commits. So it is not compared with a transport
// that has, which is shown, too. What is measured is no easier for that: two processes more are added to the
// group while all its replicas are well, and they move bytes that are in the caches of the processor already,
// and store none. It is measured before and after, and the mean of both counts, for a machine that others use as
// well can be twice as fast in one minute as in the next.
const linkShare = 0.6

// measureLost has a backup of three lose its memory, and get it back while a light load goes on.
func measureLost(ctx context.Context, o *options, r *report) error {
	alone, err := measureLink(ctx, o)
	if err != nil {
		return err
	}
	g, err := startGroup(ctx, 3, logFor(o.size), levelInfo, o)
	if err != nil {
		return err
	}
	defer g.close()
	giveBack, err := holdSpare(spareTimes * int64(o.size))
	if err != nil {
		return err
	}
	filled, err := g.fill(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "filled; commits that nothing disturbs")
	calm, err := g.loadFor(ctx, 1, lightRest, o.idle)
	if err != nil {
		return err
	}
	steady, err := g.resident()
	if err != nil {
		return err
	}
	before, beside, err := g.besideLink(ctx, o)
	if err != nil {
		return err
	}
	view, target := g.journal.view(), g.backups()[0]
	fmt.Fprintf(os.Stderr, "replica %d loses its memory\n", target)
	// It is dead when the kernel has taken back its memory, which takes a CPU for long. If its host had failed, for
	// which this stands, that would disturb nobody.
	g.kill(target)
	giveBack()
	var commits []span
	light := g.startLoadSeen(ctx, 1, lightRest, func(s span) { commits = append(commits, s) })
	mark, began := g.journal.mark(), time.Now()
	if err := g.start(ctx, target); err != nil {
		return err
	}
	var times [5]time.Time
	var state int64
	for i, text := range [...]string{textNeeds, textFetching, textWhole, textInstalled, textBack} {
		l, err := g.journal.await(ctx, mark, "a replica is back: "+text, says(target, text))
		if err != nil {
			return err
		}
		times[i], state = l.at, max(state, l.Bytes)
	}
	during, err := light.end()
	if err != nil {
		return err
	}
	after, _, err := g.besideLink(ctx, o)
	if err != nil {
		return err
	}
	link := (before + after) / 2
	r.add("lost", "bytes filled in a second", mib(filled), "MiB/s")
	r.add("lost", "bytes of vrnode link, bulk, in a second, alone", mib(alone), "MiB/s")
	r.add("lost", "bytes of vrnode link, bulk, in a second, beside the group, before", mib(before), "MiB/s")
	r.add("lost", "bytes of vrnode link, bulk, in a second, beside the group, after", mib(after), "MiB/s")
	r.add("lost", "the state", mib(float64(state)), "MiB")
	from := light.began
	for i, what := range [...]string{"to start", "until a source has written it out", "to fetch it", "to read it", "to get the rest of the log"} {
		then := latenciesBetween(commits, from, times[i])
		r.add("lost", what, times[i].Sub(from).Seconds(), "s")
		r.add("lost", what+", commits then", float64(then.Commits), "")
		r.add("lost", what+", their p50", then.P50Micros/1e3, "ms")
		r.add("lost", what+", their p99", then.P99Micros/1e3, "ms")
		from = times[i]
	}
	needs, chosen, whole, back := times[0], times[1], times[2], times[4]
	r.add("lost", "all of it", back.Sub(began).Seconds(), "s")
	for _, part := range [...]struct {
		what     string
		from, to time.Time
		least    float64
	}{
		{"from the first chunk that is asked for to the last that is checked", chosen, whole, linkShare},
		{"with the writing out", needs, whole, 0},
		{"with all, until it is back", began, back, 0},
	} {
		rate := float64(state) / part.to.Sub(part.from).Seconds()
		r.add("lost", "rate "+part.what, mib(rate), "MiB/s")
		if part.least > 0 {
			r.aimAtLeast("lost", "that to vrnode link", rate/link, part.least)
			r.add("lost", "that to vrnode link alone", rate/alone, "")
		} else {
			r.add("lost", "that to vrnode link", rate/link, "")
		}
	}
	r.memory("lost", g, steady, target)
	r.goal("lost", "view changes", float64(g.journal.view()-view), "", 0)
	r.latencies("lost", "commits, idle", calm)
	r.latencies("lost", "commits beside vrnode link", beside)
	r.latencies("lost", "commits, transfer", during)
	r.wish("lost", "p50, transfer to idle", during.P50Micros/calm.P50Micros, "", 2)
	r.aim("lost", "p99, transfer to idle", during.P99Micros/calm.P99Micros, "", 2)

	fmt.Fprintln(os.Stderr, "it is back; commits between checkpoints")
	busy, err := g.loadFor(ctx, someWorkers, 0, o.idle)
	if err != nil {
		return err
	}
	r.latencies("lost", "commits, 16 under way", busy)
	r.add("lost", "checkpoints meanwhile", float64(busy.Commits)*(valueBytes+100)/float64(g.log/4), "")
	r.wish("lost", "p99.9 with checkpoints", busy.P999/1e3, "ms", 5)
	return g.equal(ctx)
}

// besideLink measures the transport while commits go on, and those.
func (g *group) besideLink(ctx context.Context, o *options) (rate float64, commits Latencies, err error) {
	fmt.Fprintln(os.Stderr, "commits while the transport is measured")
	light := g.startLoad(ctx, 1, lightRest)
	if rate, err = measureLink(ctx, o); err != nil {
		return 0, commits, err
	}
	commits, err = light.end()
	return rate, commits, err
}
