package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// A driver takes the steps of a scenario. Only its own goroutine calls it.
type driver struct {
	run  *run
	dice *rand.Rand
	// on are the faults that are not undone yet.
	on     []*fault
	faults int
	drops  []dropped
}

// A fault is what a step has done, and how to undo it.
type fault struct {
	begin result.Event
	until time.Duration // when it ends by itself; 0: never
	undo  func() error
}

// dropped is a rule about messages, and how often it has been obeyed.
type dropped struct {
	step string
	want int
	lost func() int
}

func newDriver(r *run) *driver { return &driver{run: r, dice: r.Scenario.Dice("steps")} }

// forever is later than the end of any run.
const forever = time.Duration(math.MaxInt64)

// targetTimeout is how long a step waits until somebody has the role that it is about.
const targetTimeout = 5 * time.Second

// drive takes the steps until the context ends. Those that are not taken by then make the run
// invalid.
func (d *driver) drive(ctx context.Context) {
	before := time.Duration(0)
	for i := range d.run.Scenario.Steps {
		step := &d.run.Scenario.Steps[i]
		if !d.wait(ctx, step.When, before) {
			if ctx.Err() == context.DeadlineExceeded {
				d.run.trouble("line %d: the step %v: %v was not due before the end", step.Line, step.When, step.Action)
			}
			return
		}
		before = d.now()
		if err := d.take(ctx, step); err != nil {
			d.run.trouble("line %d: the step %v: %v: %v", step.Line, step.When, step.Action, err)
		}
	}
	d.idle(ctx, forever)
}

func (d *driver) now() time.Duration { return time.Since(d.run.began) }

// wait waits until a step is due and undoes meanwhile what ends by itself.
func (d *driver) wait(ctx context.Context, when scenario.When, before time.Duration) bool {
	if when.After == "" {
		return d.idle(ctx, when.At)
	}
	for ctx.Err() == nil {
		// Faults that end while the event is awaited must end in time.
		short, cancel := context.WithDeadline(ctx, d.run.began.Add(d.nextEnd()))
		at, ok := d.run.watcher.since(short, before, isEvent(when.After))
		cancel()
		if ok {
			return d.idle(ctx, at+when.Plus)
		}
		d.expire()
	}
	return false
}

// idle waits until a time and undoes meanwhile what ends by itself.
func (d *driver) idle(ctx context.Context, until time.Duration) bool {
	for ctx.Err() == nil {
		d.expire()
		now, next := d.now(), min(until, d.nextEnd())
		if now >= until {
			return true
		}
		sleep(ctx, next-now)
	}
	return false
}

// nextEnd is when the next fault ends by itself.
func (d *driver) nextEnd() time.Duration {
	next := d.run.Scenario.Workload.Duration
	for _, f := range d.on {
		if f.until > 0 {
			next = min(next, f.until)
		}
	}
	return next
}

// expire undoes the faults whose time is over.
func (d *driver) expire() {
	for _, f := range slices.Clone(d.on) {
		if f.until > 0 && f.until <= d.now() {
			d.end(f)
		}
	}
}

// end undoes a fault.
func (d *driver) end(f *fault) {
	d.on = slices.DeleteFunc(d.on, func(g *fault) bool { return g == f })
	if err := f.undo(); err != nil {
		d.run.trouble("the end of: %s: %v", f.begin.Text, err)
	}
	e := f.begin
	e.Kind, e.At = result.FaultEnd, d.now()
	d.run.watcher.keep(e)
}

// heal undoes all faults, as at the end of a run.
func (d *driver) heal() {
	for len(d.on) > 0 {
		d.end(d.on[0])
	}
	for _, drop := range d.drops {
		if lost := drop.lost(); lost < drop.want {
			d.run.trouble("%s: only %d were lost", drop.step, lost)
		}
	}
	d.drops = nil
}

// take does what a step says.
func (d *driver) take(ctx context.Context, step *scenario.Step) error {
	switch a := step.Action.(type) {
	case *scenario.Heal:
		d.heal()
		d.run.watcher.keep(result.Event{At: d.now(), Kind: result.FaultBegin, Name: "heal", Text: a.String()})
		d.run.watcher.keep(result.Event{At: d.now(), Kind: result.FaultEnd, Name: "heal", Text: a.String()})
		return nil
	case *scenario.Crash:
		return d.crash(ctx, a, step.For)
	case *scenario.Pause:
		return d.pause(ctx, a, step.For)
	case *scenario.Drop:
		return d.drop(ctx, a, step.For)
	case *scenario.Partition:
		return d.links(ctx, "partition", a, step.For)
	case *scenario.Change:
		return d.links(ctx, "links", a, step.For)
	}
	return fmt.Errorf("nobody knows how to do this")
}

// begin puts a fault on the time line and keeps it until its end.
func (d *driver) begin(e result.Event, lasts time.Duration, undo func() error) {
	d.faults++
	e.Kind, e.Fault, e.At = result.FaultBegin, d.faults, d.now()
	f := &fault{begin: e, undo: undo}
	if lasts > 0 {
		f.until = e.At + lasts
	}
	d.on = append(d.on, f)
	d.run.watcher.keep(e)
}

// retry looks until something is found, or for a while.
func (d *driver) retry(ctx context.Context, found func(scenario.Group) bool) error {
	for deadline := time.Now().Add(targetTimeout); !found(d.run.watcher.group()); sleep(ctx, pollInterval) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return errors.New("nobody is meant")
		}
	}
	return nil
}

// targets finds out who is meant.
func (d *driver) targets(ctx context.Context, t scenario.Target) (sites []scenario.Site, err error) {
	err = d.retry(ctx, func(g scenario.Group) bool {
		sites = t.Sites(&g, d.dice)
		return len(sites) > 0
	})
	return sites, err
}

func (d *driver) crash(ctx context.Context, a *scenario.Crash, lasts time.Duration) error {
	sites, err := d.targets(ctx, a.Target)
	if err != nil {
		return err
	}
	if a.RestartAfter > 0 {
		lasts = a.RestartAfter
	}
	for _, s := range sites {
		d.run.processes.kill(s)
	}
	d.begin(result.Event{Name: "crash", Text: a.String(), Replicas: numbers(sites)}, lasts, func() error {
		for _, s := range sites {
			if err := d.run.processes.start(s); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

func (d *driver) pause(ctx context.Context, a *scenario.Pause, lasts time.Duration) error {
	sites, err := d.targets(ctx, a.Target)
	if err != nil {
		return err
	}
	all := func(signal syscall.Signal) error {
		for _, s := range sites {
			d.run.watcher.pause(s, signal == pauseSignal)
			if err := d.run.processes.signal(s, signal); err != nil {
				return err
			}
		}
		return nil
	}
	if err := all(pauseSignal); err != nil {
		return err
	}
	d.begin(result.Event{Name: "pause", Text: a.String(), Replicas: numbers(sites)}, lasts, func() error { return all(resumeSignal) })
	return nil
}

func (d *driver) drop(ctx context.Context, a *scenario.Drop, lasts time.Duration) error {
	var where []scenario.Direction
	if err := d.retry(ctx, func(g scenario.Group) bool {
		where = a.Where.Directions(&g, d.dice)
		return len(where) > 0
	}); err != nil {
		return err
	}
	lost, stop, err := d.run.Network.Drop(a.Message, where, a.Skip, a.Count)
	if err != nil {
		return err
	}
	want := a.Count
	if lasts > 0 {
		want = 1 // as many as come in that time
	}
	d.drops = append(d.drops, dropped{a.String(), want, lost})
	d.begin(result.Event{Name: "drop", Text: a.String(), Links: directions(where)}, lasts, func() error { stop(); return nil })
	return nil
}

func (d *driver) links(ctx context.Context, name string, a scenario.Action, lasts time.Duration) error {
	var (
		id     scenario.FaultID
		where  []result.Direction
		failed error
	)
	if err := d.retry(ctx, func(g scenario.Group) bool {
		id, where, failed = d.run.network.begin(a, g, d.dice)
		return failed != nil || len(where) > 0
	}); err != nil {
		return err
	}
	d.begin(result.Event{Name: name, Text: a.String(), Links: where}, lasts, func() error { return d.run.network.end(id) })
	return failed
}

// isEvent recognises an event of scenarios on the time line. What is over by itself is healed, too.
func isEvent(which scenario.Event) func(*result.Event) bool {
	return func(e *result.Event) bool {
		switch which {
		case scenario.Crashed:
			return e.Kind == result.FaultBegin && e.Name == "crash"
		case scenario.Restarted:
			return e.Kind == result.FaultEnd && e.Name == "crash"
		case scenario.Healed:
			return e.Kind == result.FaultEnd && e.Name != "crash"
		}
		return e.Kind == result.Said && e.Name == string(which)
	}
}

func numbers(sites []scenario.Site) []int {
	out := make([]int, len(sites))
	for i, s := range sites {
		out[i] = int(s)
	}
	return out
}

func directions(where []scenario.Direction) []result.Direction {
	out := make([]result.Direction, len(where))
	for i, d := range where {
		out[i] = result.Direction{From: int(d.From), To: int(d.To)}
	}
	return out
}
