package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vrnode/netem/result"
)

// faultsMax bounds the faults of a page.
const faultsMax = 200

// A fault was done to the run from Begin to End.
type fault struct {
	Number     int // 0 of a heal
	Name, Text string
	Begin, End time.Duration
	// Moment: it had no duration, as a heal.
	Moment   bool
	replicas []int
}

// faultsOf pairs beginnings with ends. A fault without an end lasts until the end of the run.
func faultsOf(events []result.Event, s scale) []fault {
	var out []fault
	for i := range events {
		e := &events[i]
		at := -1
		if e.Fault > 0 {
			at = slices.IndexFunc(out, func(f fault) bool { return f.Number == e.Fault })
		}
		switch {
		case e.Kind == result.FaultBegin && at < 0 && len(out) < faultsMax:
			out = append(out, fault{
				Number: e.Fault, Name: e.Name, Text: cmp.Or(e.Text, e.Name), replicas: e.Replicas,
				Begin: s.clip(e.At), End: s.span, Moment: e.Name == "heal",
			})
		case e.Kind == result.FaultEnd && at >= 0:
			out[at].End = max(s.clip(e.At), out[at].Begin)
		}
	}
	for i := range out {
		if out[i].Moment {
			out[i].End = out[i].Begin
		}
	}
	slices.SortStableFunc(out, func(a, b fault) int { return cmp.Compare(a.Begin, b.Begin) })
	return out
}

// Title is what a pointer sees.
func (f *fault) Title() string {
	if f.Moment {
		return fmt.Sprintf("%s, at %s", f.Label(), moment(f.Begin))
	}
	return fmt.Sprintf("%s, from %s to %s", f.Label(), moment(f.Begin), moment(f.End))
}

// Label is its text behind its number.
func (f *fault) Label() string {
	if f.Number == 0 {
		return f.Text
	}
	return fmt.Sprintf("%d  %s", f.Number, f.Text)
}

// A bar is a fault in the rows above the replicas.
type bar struct {
	*fault
	X, Width, Y length
	// TextX is where Short begins, or ends if Before.
	TextX  length
	Short  string
	Before bool
}

// Class is how the label is set.
func (b *bar) Class() string {
	if b.Before {
		return "label before"
	}
	return "label"
}

const (
	barPitch length = 20
	// labelMax is the most characters of a label.
	labelMax = 60
)

// barsOf puts each fault with its label in the first row that has room for both.
func barsOf(faults []fault, s scale) (bars []bar, rows int) {
	var ends []length // where each row is free again
	for i := range faults {
		f := &faults[i]
		b := bar{fault: f, X: s.X(f.Begin), Short: ellipsis(f.Label(), labelMax)}
		b.Width = s.Between(f.Begin, f.End)
		b.TextX = b.X + b.Width + 5
		begin, end := b.X, b.TextX+textWidth(b.Short)
		if end > s.Width {
			b.Before, b.TextX = true, b.X-5
			begin, end = b.TextX-textWidth(b.Short), b.X+b.Width
		}
		if begin < 0 { // there is room inside only
			b.Before, b.TextX = false, b.X+5
			b.Short = ellipsis(b.Short, int((b.Width-10)/charWidth))
			begin, end = b.X, b.X+b.Width
		}
		row := slices.IndexFunc(ends, func(free length) bool { return free+8 <= begin })
		if row < 0 {
			row, ends = len(ends), append(ends, 0)
		}
		ends[row] = end
		b.Y = barPitch * length(row)
		bars = append(bars, b)
	}
	return bars, len(ends)
}
