package lab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
	"vrnode/wire"
)

// A board is what is known of a group, and the time line of the run. Like a driver it has no clock.
type board struct {
	scenario *scenario.Scenario
	folder   *result.Folder
	// started: time 0 is known, so that events can be written.
	started bool
	events  []result.Event
	// replicas are those with the numbers from 1.
	replicas []replica
	primary  scenario.Site // of the highest view
	view     uint64
	old      scenario.Site // who was primary before
	acked    int
	rss      int64
	// crashes tell of replicas that ended by themselves, and losses of those that somebody else has
	// ended.
	crashes, losses []string
}

// A replica is what is known of one.
type replica struct {
	running, paused bool
	answer          vr.Answer
}

func newBoard(s *scenario.Scenario, folder *result.Folder) *board {
	return &board{scenario: s, folder: folder, replicas: make([]replica, s.Replicas)}
}

func (b *board) replica(s scenario.Site) *replica { return &b.replicas[s-1] }

// start makes a moment time 0.
func (b *board) start(zero time.Duration) {
	for i := range b.events {
		b.events[i].At -= zero
		b.folder.Event(&b.events[i])
	}
	b.started = true
}

// keep puts an event on the time line.
func (b *board) keep(e result.Event) {
	b.events = append(b.events, e)
	if b.started {
		b.folder.Event(&e)
	}
}

// answered takes what a replica answered, or that it did not.
func (b *board) answered(a vr.Answer) {
	b.replica(scenario.Site(a.ID)).answer = a
	if a.Known && a.Status == wire.StatusNormal && len(a.Members) > 0 {
		b.reign(uint64(a.View), scenario.Site(a.Primary()))
	}
}

// reign notes the primary of a view.
func (b *board) reign(view uint64, primary scenario.Site) {
	if b.primary != 0 && view <= b.view {
		return
	}
	if primary != b.primary {
		b.old = b.primary
	}
	b.view, b.primary = view, primary
}

// sample puts the answers on the time line, with the memory that each process takes.
func (b *board) sample(now time.Duration, memory []int64) {
	for i, rss := range memory {
		n, a := i+1, &b.replicas[i].answer
		b.rss = max(b.rss, rss)
		e := result.Event{At: now, Kind: result.Sample, Replica: n, Status: "unreachable", RSS: rss}
		if a.Known {
			e.Status, e.View, e.Op, e.Commit = a.Status.String(), uint64(a.View), uint64(a.Op), uint64(a.Commit)
			e.Primary = int(a.Primary())
			for _, p := range a.Peers {
				e.Sent, e.Again = e.Sent+p.Sent, e.Again+p.Again
			}
			if a.Status == wire.StatusNormal {
				e.Role = "backup"
				if e.Primary == n {
					e.Role = "primary"
				}
			}
		}
		b.keep(e)
	}
}

// process notes that a process has started or ended.
func (b *board) process(now time.Duration, s scenario.Site, running bool, name, text string) {
	r := b.replica(s)
	r.running, r.paused = running, false
	if !running {
		r.answer = vr.Answer{ID: wire.Peer(s)}
	}
	b.keep(result.Event{At: now, Kind: result.Process, Replica: int(s), Name: name, Text: text})
}

// died notes that a process has ended that the run has not killed: by itself, as what panics does, or
// by a signal of somebody else.
func (b *board) died(now time.Duration, byItself bool, text string) {
	text = fmt.Sprintf("at %v %s", now.Round(time.Millisecond), text)
	if byItself {
		b.crashes = append(b.crashes, text)
	} else {
		b.losses = append(b.losses, text)
	}
}

// bereft tells whether a replica has died, after which they will never be all alike.
func (b *board) bereft() bool { return len(b.crashes)+len(b.losses) > 0 }

func (b *board) pause(s scenario.Site, paused bool) { b.replica(s).paused = paused }

// said notes what a replica said.
func (b *board) said(e result.Event) {
	e.Kind = result.Said
	if e.Name == vr.EventViewStarted.String() {
		b.reign(e.View, scenario.Site(e.Primary))
	}
	b.keep(e)
}

// group says who has which role now.
func (b *board) group() scenario.Group {
	g := scenario.Group{Replicas: b.scenario.Replicas, Clients: b.scenario.Workload.Clients, Primary: b.primary, OldPrimary: b.old}
	if b.primary != 0 {
		g.NextPrimary = b.primary%scenario.Site(g.Replicas) + 1
	}
	for i := range b.replicas {
		if r := &b.replicas[i]; !r.running || r.paused {
			g.Down = append(g.Down, scenario.Site(i+1))
		}
	}
	return g
}

// settled tells whether all replicas were normal in one view, with nothing left to execute, when
// they were last asked.
func (b *board) settled() bool {
	first := &b.replicas[0].answer
	return !slices.ContainsFunc(b.replicas, func(r replica) bool {
		a := &r.answer
		return !r.running || !a.Known || a.Status != wire.StatusNormal || a.View != first.View ||
			a.Op != first.Op || a.Commit != first.Op || a.Applied != first.Op
	})
}

// groupLost tells whether a majority runs and knows that the memory of the group is gone.
func (b *board) groupLost() bool {
	know := 0
	for i := range b.replicas {
		if r := &b.replicas[i]; r.running && r.answer.Known && r.answer.GroupLost {
			know++
		}
	}
	return know > b.scenario.Replicas/2
}

// line is how far the run is, for people.
func (b *board) line(now time.Duration) string {
	var states []string
	for i := range b.replicas {
		state := "?"
		switch r := &b.replicas[i]; {
		case !r.running:
			state = "down"
		case r.paused:
			state = "paused"
		case r.answer.Known:
			state = r.answer.Status.String()
		}
		states = append(states, fmt.Sprintf("%d:%s", i+1, state))
	}
	if !b.started {
		return fmt.Sprintf("%s: starting %v", b.scenario.Name, states)
	}
	return fmt.Sprintf("%s: %.1f of %.0f s, view %d, primary %d, %v, %d answers", b.scenario.Name,
		now.Seconds(), math.Ceil(b.scenario.Workload.Duration.Seconds()), b.view, b.primary, states, b.acked)
}
