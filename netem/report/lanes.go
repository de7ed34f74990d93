package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"vrnode/netem/result"
)

// A state is how a replica was: a Role that the style knows, and the view where that means
// something.
type state struct {
	Role string
	View uint64
	// ended: its process has. What is heard of it then is late.
	ended bool
}

// The roles.
const (
	down       = "down"
	recovering = "recovering"
	changing   = "view-change"
	backup     = "backup"
	primary    = "primary"
	halted     = "halted"
)

// roles are in the order of the legend.
var roles = []string{primary, backup, changing, recovering, down, halted}

// after returns the state of a replica after an event about it.
func (s state) after(e *result.Event) state {
	switch e.Kind {
	case result.Process:
		if e.Name == "exit" {
			return state{Role: down, ended: true}
		}
		return state{Role: recovering}
	case result.Sample:
		if !s.ended {
			return s.sampled(e)
		}
	case result.Said:
		if !s.ended {
			return s.said(e)
		}
	}
	return s
}

func (s state) said(e *result.Event) state {
	switch e.Name {
	case "recovering":
		return state{Role: recovering}
	case "view-change-started":
		return state{Role: changing, View: e.View}
	case "formed", "view-started", "recovered":
		if e.Primary == e.Replica && e.Name != "recovered" {
			return state{Role: primary, View: e.View}
		}
		return state{Role: backup, View: e.View}
	case "halted":
		return state{Role: halted, View: s.View}
	}
	return s
}

// sampled believes a sample, except that who does not answer is only down if its process is: it
// may be paused, or busy.
func (s state) sampled(e *result.Event) state {
	switch e.Status {
	case recovering:
		return state{Role: recovering}
	case changing, halted:
		return state{Role: e.Status, View: e.View}
	case "normal":
		if e.Role == primary {
			return state{Role: primary, View: e.View}
		}
		return state{Role: backup, View: e.View}
	}
	return s
}

// A segment is a time in which a replica stayed as it was.
type segment struct {
	state
	Begin, End time.Duration
	X, Width   length
	Label      string
}

// Title is what a pointer sees.
func (g *segment) Title() string {
	return fmt.Sprintf("%s from %s to %s", g.words(), moment(g.Begin), moment(g.End))
}

func (g *segment) words() string {
	switch g.Role {
	case primary, backup:
		return fmt.Sprintf("%s of view %d", g.Role, g.View)
	case changing:
		return fmt.Sprintf("view change to view %d", g.View)
	}
	return g.Role
}

// Middle is where the label is centred.
func (g *segment) Middle() length { return g.X + g.Width/2 }

// label is the longest text that fits.
func (g *segment) label() string {
	view := "v" + strconv.FormatUint(g.View, 10)
	texts := []string{g.Role}
	switch g.Role {
	case primary:
		texts = []string{"primary of view " + view[1:], "primary " + view, view}
	case backup, changing:
		texts = []string{view}
	}
	for _, text := range texts {
		if textWidth(text)+6 <= g.Width {
			return text
		}
	}
	return ""
}

// A lane is the life of one replica.
type lane struct {
	Replica  int
	Y        length
	Segments []segment
	// Hurts are the faults that named the replica.
	Hurts []hurt
}

// A hurt is a fault under the lane of a replica.
type hurt struct {
	*fault
	X, Width length
}

// segmentsMax bounds the segments of a lane.
const segmentsMax = 2000

// lanesOf draws the lives of all replicas of a run.
func lanesOf(events []result.Event, replicas int, faults []fault, s scale) []lane {
	lanes := make([]lane, replicas)
	for i := range lanes {
		l := &lanes[i]
		l.Replica = i + 1
		l.live(events, s)
		for j := range faults {
			f := &faults[j]
			if slices.Contains(f.replicas, l.Replica) && !f.Moment {
				l.Hurts = append(l.Hurts, hurt{f, s.X(f.Begin), s.Between(f.Begin, f.End)})
			}
		}
	}
	return lanes
}

// replicasMax bounds the replicas of a page.
const replicasMax = 32

// replicasOf returns how many replicas a run had.
func replicasOf(r *result.Run) int { return min(max(r.Manifest.Replicas, 0), replicasMax) }

// live cuts the time of a run into the states of a replica.
func (l *lane) live(events []result.Event, s scale) {
	now := segment{state: state{Role: down}}
	cut := func(at time.Duration) {
		now.End = at
		if now.End > now.Begin && len(l.Segments) < segmentsMax {
			now.X = s.X(now.Begin)
			now.Width = s.X(now.End) - now.X
			now.Label = now.label()
			l.Segments = append(l.Segments, now)
		}
		now.Begin = at
	}
	for i := range events {
		e := &events[i]
		if e.Replica != l.Replica {
			continue
		}
		if next := now.after(e); next != now.state {
			cut(max(s.clip(e.At), now.Begin))
			now.state = next
		}
	}
	cut(s.span)
}
