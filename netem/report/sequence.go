package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vrnode/netem/result"
)

// A sequence shows one view change: time goes down, each replica has a line, and what it said is
// on it. Rows are events, not milliseconds: of some view changes all happens within one.
type sequence struct {
	View          uint64
	Begin, End    time.Duration
	Width, Height length
	Lines         []lifeline
	Notes         []note
	Faults        []seam
	Arrows        []arrow
	// Omitted is how many events are left out.
	Omitted int
}

// Left is where the rows begin, right of their times.
func (q *sequence) Left() length { return sequenceLeft }

// Lasted is how long the view change took.
func (q *sequence) Lasted() time.Duration { return q.End - q.Begin }

// A lifeline is a replica.
type lifeline struct {
	Replica int
	X       length
}

// A note is what a replica said, or what became of its process.
type note struct {
	Replica, Row int
	At           string
	X, Y, Width  length
	Class, Text  string
	event        *result.Event
}

// Left is where the box of a note begins.
func (n *note) Left() length { return n.X - n.Width/2 }

// A seam is a fault that began or ended, across all lines.
type seam struct {
	At   string
	Y    length
	Text string
}

// An arrow is a message.
type arrow struct {
	X1, Y1, X2, Y2, TextX, TextY length
	Text                         string
	// Anchor is how Text is set about TextX.
	Anchor string
}

const (
	// sequencesMax bounds the diagrams of a run, rowsMax the rows of one.
	sequencesMax = 12
	rowsMax      = 40

	rowPitch     length = 38
	rowsFrom     length = 52
	columnLeast  length = 210
	sequenceLeft length = 66
)

const (
	// late is after what time a suspicion is no longer a reason for a view change, and who comes
	// to a view, after a pause say, no longer part of the change to it.
	late = time.Second
	// before and behind are how much is shown around a view change, and long is it for faults.
	long   = time.Second
	before = 20 * time.Millisecond
	behind = 5 * time.Millisecond
)

// sequencesOf draws the view changes of a run, and returns how many there are besides.
func sequencesOf(events []result.Event, replicas int, s scale) (out []sequence, omitted int) {
	for _, c := range changesOf(events) {
		if len(out) == sequencesMax {
			omitted++
			continue
		}
		out = append(out, newSequence(events, replicas, c, s))
	}
	return out, omitted
}

// A change is a view change: from the first suspicion to the last replica that is normal again.
type change struct {
	view       uint64
	begin, end time.Duration
}

// changesOf finds the view changes, by the views that replicas promised.
func changesOf(events []result.Event) []change {
	var out []change
	var suspected []*result.Event
	for i := range events {
		e := &events[i]
		if e.Kind != result.Said {
			continue
		}
		at := slices.IndexFunc(out, func(c change) bool { return c.view == e.View })
		switch {
		case e.Name == "suspected":
			suspected = append(suspected, e)
		case e.Name == "view-change-started" && at < 0:
			out = append(out, change{view: e.View, begin: e.At, end: e.At})
			if votes := votesFor(e, suspected); len(votes) > 0 {
				out[len(out)-1].begin = votes[0].At
			}
		case e.Name == "view-change-started" || e.Name == "view-started":
			if at >= 0 && e.At-out[at].end < late {
				out[at].end = e.At
			}
		}
	}
	return out
}

// votesFor returns the suspicions for which a replica promised a view: the recent ones of the
// highest view before it.
func votesFor(promise *result.Event, suspected []*result.Event) []*result.Event {
	var votes []*result.Event
	for _, s := range suspected {
		if s.View >= promise.View || promise.At-s.At >= late {
			continue
		}
		if len(votes) > 0 && s.View > votes[0].View {
			votes = nil
		}
		if len(votes) == 0 || s.View == votes[0].View {
			votes = append(votes, s)
		}
	}
	return votes
}

// includes tells whether a diagram shows an event: what happened around the view change, and what
// was done before it that may be its cause.
func (c *change) includes(e *result.Event) bool {
	from := c.begin - before
	switch e.Kind {
	case result.FaultBegin, result.FaultEnd, result.Process:
		from = c.begin - long
	}
	return from <= e.At && e.At <= c.end+behind
}

// told are the events that a diagram shows, and how.
var told = map[string]struct {
	class string
	text  func(*result.Event) string
}{
	"suspected":           {"doubt", func(e *result.Event) string { return fmt.Sprintf("suspects v%d", e.View) }},
	"view-change-started": {"change", func(e *result.Event) string { return fmt.Sprintf("promises v%d", e.View) }},
	"view-started":        {"normal", viewStarted},
	"recovering":          {"doubt", func(*result.Event) string { return "recovers" }},
	"recovered":           {"normal", func(e *result.Event) string { return fmt.Sprintf("recovered, n=%d", e.Op) }},
	"peer-restarted":      {"doubt", func(*result.Event) string { return "peer restarted" }},
	"abdicated":           {"doubt", func(*result.Event) string { return "abdicates" }},
	"needs-state":         {"change", func(*result.Event) string { return "needs a state" }},
	"state-installed":     {"change", func(e *result.Event) string { return fmt.Sprintf("has the state at n=%d", e.Op) }},
	"fetching":            {"change", func(e *result.Event) string { return fmt.Sprintf("fetches to n=%d", e.Op) }},
	"halted":              {"bad", func(*result.Event) string { return "halts" }},
	"group-lost":          {"bad", func(*result.Event) string { return "group lost" }},
	"start":               {"doubt", func(*result.Event) string { return "process starts" }},
	"exit":                {"bad", func(*result.Event) string { return "process ends" }},
}

func viewStarted(e *result.Event) string {
	if e.Primary == e.Replica {
		return fmt.Sprintf("primary, n=%d", e.Op)
	}
	return fmt.Sprintf("backup, n=%d", e.Op)
}

func newSequence(events []result.Event, n int, c change, s scale) sequence {
	q := sequence{View: c.view, Begin: c.begin, End: c.end}
	q.Width = max(s.Width, sequenceLeft+columnLeast*length(n))
	pitch := (q.Width - sequenceLeft) / length(max(n, 1))
	for i := range n {
		q.Lines = append(q.Lines, lifeline{i + 1, sequenceLeft + pitch*(length(i)+0.5)})
	}
	row := 0
	for i := range events {
		e := &events[i]
		if !c.includes(e) {
			continue
		}
		if row < rowsMax {
			row += q.show(e, row)
		} else {
			q.Omitted += q.show(e, -1)
		}
	}
	for _, cause := range causesOf(q.Notes, c.view) {
		q.Arrows = append(q.Arrows, cause.arrow())
	}
	q.Height = rowsFrom + rowPitch*length(row)
	return q
}

// show puts an event into a row, if it is one to be shown, and returns how many rows it takes. In
// a row below 0 it is not drawn.
func (q *sequence) show(e *result.Event, row int) int {
	y := rowsFrom + rowPitch*length(row)
	at := moment(e.At)
	switch e.Kind {
	case result.FaultBegin, result.FaultEnd:
		text := cmp.Or(e.Text, e.Name)
		switch {
		case e.Fault == 0 && e.Kind == result.FaultEnd:
			return 0
		case e.Kind == result.FaultEnd:
			text = fmt.Sprintf("fault %d ends", e.Fault)
		case e.Fault > 0:
			text = fmt.Sprintf("fault %d: %s", e.Fault, text)
		}
		if row >= 0 {
			q.Faults = append(q.Faults, seam{at, y, ellipsis(text, int((q.Width-sequenceLeft)/charWidth)-2)})
		}
		return 1
	case result.Said, result.Process:
		how, shown := told[e.Name]
		if !shown || e.Replica < 1 || e.Replica > len(q.Lines) {
			return 0
		}
		if q.again(e) {
			return 0
		}
		if row >= 0 {
			text := how.text(e)
			q.Notes = append(q.Notes, note{
				e.Replica, row, at, q.Lines[e.Replica-1].X, y, textWidth(text) + 14, how.class, text, e,
			})
		}
		return 1
	}
	return 0
}

// again tells whether a replica has promised the same view before. It does when the new primary's
// log reaches it, which is to be seen by the view's start.
func (q *sequence) again(e *result.Event) bool {
	return e.Name == "view-change-started" && slices.ContainsFunc(q.Notes, func(n note) bool {
		return n.Replica == e.Replica && n.event.Name == e.Name && n.event.View == e.View
	})
}
