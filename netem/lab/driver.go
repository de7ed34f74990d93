package lab

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// A driver takes the steps of a scenario and undoes what is over. It is a machine without a clock,
// so that it drives real processes and simulated ones alike: it hears what replicas say, is called
// when time has passed, and appends what is to be done to orders, which its caller carries out one
// after the other.
type driver struct {
	group int // how many replicas there are
	steps []scenario.Step
	plan  *scenario.Network
	dice  *rand.Rand
	next  int // the step that is taken next
	// before is when the step before that was taken, and due when that is; forever while the
	// event that it waits for has not come.
	before, due time.Duration
	// giveUp is until when somebody is looked for whom the step can be about, 0 before it is due.
	giveUp time.Duration
	on     []*fault // that are not undone yet
	faults int
}

// A fault is what a step has done, and how to undo it.
type fault struct {
	begin result.Event
	until time.Duration // when it ends by itself; forever: never
	undo  func() []order
	// does is what it has done to sites, if it is about these.
	does  verb
	sites []scenario.Site
}

// An order is one thing that is to be done.
type order struct {
	verb verb
	// site is that of doCrash, doStart, doPause, doResume, doRekey, doRebind and doRelease, links those of
	// doSet, drop that of doDrop and doPass.
	site  scenario.Site
	links []scenario.Changed
	drop  *dropped
	// event is that of doTell, and text that of doComplain.
	event result.Event
	text  string
}

type verb uint8

const (
	doCrash    verb = iota + 1
	doStart         // a replica that is down
	doPause         // a replica, which keeps its memory
	doResume        // what was paused
	doRekey         // gives a replica the next keys
	doRebind        // gives a site another port
	doRelease       // gives it its own again
	doSet           // gives directions other settings
	doDrop          // begins to lose messages
	doPass          // ends that
	doTell          // puts an event on the time line
	doComplain      // the run is not the experiment that was asked for
)

// dropped is a rule about messages.
type dropped struct {
	*scenario.Drop
	directions []scenario.Direction
	// want is how many it must have lost in the end.
	want int
}

const (
	// forever is later than the end of any run.
	forever = time.Duration(math.MaxInt64)
	// targetTimeout is how long a step waits until somebody has the role that it is about, and can
	// suffer it.
	targetTimeout = 5 * time.Second
)

// newDriver returns a driver at time 0, when g says who has which role.
func newDriver(s *scenario.Scenario, g scenario.Group) *driver {
	d := &driver{group: s.Replicas, steps: s.Steps, plan: s.NewNetwork(&g, s.Dice("links")), dice: s.Dice("steps")}
	d.await()
	return d
}

// await looks when the next step is due.
func (d *driver) await() {
	d.due, d.giveUp = forever, 0
	if d.next < len(d.steps) && d.steps[d.next].When.After == "" {
		d.due = d.steps[d.next].When.At
	}
}

// Hear takes what a replica said.
func (d *driver) Hear(e *result.Event) {
	if e.Kind == result.Said {
		d.happened(e)
	}
}

// happened sets the time of a step that waits for an event.
func (d *driver) happened(e *result.Event) {
	if d.next < len(d.steps) && d.due == forever && e.At >= d.before && isEvent(d.steps[d.next].When.After)(e) {
		d.due = e.At + d.steps[d.next].When.Plus
	}
}

// Deadline returns when Tick next has something to do.
func (d *driver) Deadline() time.Duration {
	at := d.due
	for _, f := range d.on {
		at = min(at, f.until)
	}
	return at
}

// Tick undoes what is over, and takes at most one step: who has which role afterwards is known when
// its orders have been carried out.
func (d *driver) Tick(now time.Duration, g scenario.Group, orders []order) []order {
	for _, f := range slices.Clone(d.on) {
		if f.until <= now {
			orders = d.end(now, f, orders)
		}
	}
	if d.next >= len(d.steps) || d.due > now {
		return orders
	}
	step := &d.steps[d.next]
	taken := d.take(now, step, &g)
	if len(taken) == 0 {
		if d.giveUp == 0 {
			d.giveUp = now + targetTimeout
		}
		if now < d.giveUp {
			d.due = now + pollInterval
			return orders
		}
		taken = complain("line %d: the step %v: %v: nobody is meant, or somebody who is down, paused or rebound already", step.Line, step.When, step.Action)
	}
	d.next++
	d.before = now
	d.await()
	return append(orders, d.told(taken)...)
}

// told lets what the driver itself puts on the time line count for a step that waits for it.
func (d *driver) told(orders []order) []order {
	for i := range orders {
		if orders[i].verb == doTell {
			d.happened(&orders[i].event)
		}
	}
	return orders
}

// Stop ends the driving. Steps that have not been taken by then make a run invalid that was not cut
// short.
func (d *driver) Stop(now time.Duration, complete bool, orders []order) []order {
	if complete && d.next < len(d.steps) {
		step := &d.steps[d.next]
		orders = append(orders, complain("line %d: the step %v: %v was not due before the end", step.Line, step.When, step.Action)...)
	}
	d.next = len(d.steps)
	d.await()
	return d.heal(now, orders)
}

// heal undoes all faults.
func (d *driver) heal(now time.Duration, orders []order) []order {
	for len(d.on) > 0 {
		orders = d.end(now, d.on[0], orders)
	}
	return orders
}

// end undoes a fault.
func (d *driver) end(now time.Duration, f *fault, orders []order) []order {
	d.on = slices.DeleteFunc(d.on, func(g *fault) bool { return g == f })
	e := f.begin
	e.Kind, e.At = result.FaultEnd, now
	return append(orders, d.told(append(f.undo(), tell(e)))...)
}

// take returns what a step orders, which is nothing if nobody is meant who can suffer it.
func (d *driver) take(now time.Duration, step *scenario.Step, g *scenario.Group) []order {
	switch a := step.Action.(type) {
	case *scenario.Heal:
		return append(d.heal(now, nil), moment(now, "heal", step, nil)...)
	case *scenario.Crash:
		lasts := step.For
		if a.RestartAfter > 0 {
			lasts = a.RestartAfter
		}
		return d.strike(now, "crash", step, lasts, a.Target.Sites(g, d.dice), doCrash, doStart)
	case *scenario.Pause:
		return d.strike(now, "pause", step, step.For, a.Target.Sites(g, d.dice), doPause, doResume)
	case *scenario.Rekey:
		return d.rekey(now, step, a.Target.Sites(g, d.dice))
	case *scenario.Rebind:
		return d.strike(now, "rebind", step, step.For, a.Target.Sites(g, d.dice), doRebind, doRelease)
	case *scenario.Drop:
		return d.drop(now, step, a, g)
	case *scenario.Partition:
		return d.links(now, "partition", step, g)
	case *scenario.Change:
		return d.links(now, "links", step, g)
	}
	return complain("line %d: nobody knows how to do this", step.Line)
}

// begin keeps a fault until its end, and tells of it.
func (d *driver) begin(now time.Duration, name string, step *scenario.Step, lasts time.Duration, f fault) order {
	d.faults++
	f.begin.Kind, f.begin.Fault, f.begin.At = result.FaultBegin, d.faults, now
	f.begin.Name, f.begin.Text, f.until = name, step.Action.String(), forever
	if lasts > 0 {
		f.until = now + lasts
	}
	d.on = append(d.on, &f)
	return tell(f.begin)
}

// strike does something to each of some sites, unless one of them can not suffer it: it is down, or
// suffers it already. Then the step waits, as for somebody who has the role.
func (d *driver) strike(now time.Duration, name string, step *scenario.Step, lasts time.Duration, sites []scenario.Site, do, undo verb) []order {
	if len(sites) == 0 || slices.ContainsFunc(d.on, func(f *fault) bool { return f.forbids(do, sites) }) {
		return nil
	}
	all := func(v verb) (orders []order) {
		for _, s := range sites {
			orders = append(orders, order{verb: v, site: s})
		}
		return orders
	}
	f := fault{begin: result.Event{Replicas: d.replicas(sites)}, undo: func() []order { return all(undo) }, does: do, sites: sites}
	return append(all(do), d.begin(now, name, step, lasts, f))
}

// rekey gives replicas the next keys, one after the other, which is no fault that can be undone.
func (d *driver) rekey(now time.Duration, step *scenario.Step, sites []scenario.Site) (orders []order) {
	for _, s := range sites {
		orders = append(orders, order{verb: doRekey, site: s})
	}
	if len(orders) == 0 {
		return nil
	}
	return append(orders, moment(now, "rekey", step, d.replicas(sites))...)
}

// moment tells of what is over as soon as it is done.
func moment(now time.Duration, name string, step *scenario.Step, replicas []int) []order {
	begin := result.Event{At: now, Kind: result.FaultBegin, Name: name, Text: step.Action.String(), Replicas: replicas}
	end := begin
	end.Kind = result.FaultEnd
	return []order{tell(begin), tell(end)}
}

// forbids tells whether one of some sites can not suffer something while the fault is on.
func (f *fault) forbids(do verb, sites []scenario.Site) bool {
	return (f.does == doCrash || f.does == do) && slices.ContainsFunc(sites, func(s scenario.Site) bool { return slices.Contains(f.sites, s) })
}

func (d *driver) drop(now time.Duration, step *scenario.Step, a *scenario.Drop, g *scenario.Group) []order {
	rule := &dropped{Drop: a, directions: a.Where.Directions(g, d.dice), want: a.Count}
	if len(rule.directions) == 0 {
		return nil
	}
	if step.For > 0 {
		rule.want = 1 // as many as come in that time
	}
	f := fault{
		begin: result.Event{Links: directions(rule.directions)},
		undo:  func() []order { return []order{{verb: doPass, drop: rule}} },
	}
	return []order{{verb: doDrop, drop: rule}, d.begin(now, "drop", step, step.For, f)}
}

func (d *driver) links(now time.Duration, name string, step *scenario.Step, g *scenario.Group) []order {
	id, changed := d.plan.Begin(step.Action, g, d.dice)
	if len(changed) == 0 {
		d.plan.End(id)
		return nil
	}
	f := fault{undo: func() []order { return set(d.plan.End(id)) }}
	for _, c := range changed {
		f.begin.Links = append(f.begin.Links, result.Direction{From: int(c.From), To: int(c.To)})
	}
	return append(set(changed), d.begin(now, name, step, step.For, f))
}

func set(changed []scenario.Changed) []order {
	if len(changed) == 0 {
		return nil
	}
	return []order{{verb: doSet, links: changed}}
}

func tell(e result.Event) order { return order{verb: doTell, event: e} }

func complain(format string, args ...any) []order {
	return []order{{verb: doComplain, text: fmt.Sprintf(format, args...)}}
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

// replicas are the numbers of those sites that are replicas.
func (d *driver) replicas(sites []scenario.Site) (out []int) {
	for _, s := range sites {
		if int(s) <= d.group {
			out = append(out, int(s))
		}
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
