//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// A report is what came of the runs.
type report struct {
	Size int64 `json:"size"`
	Rows []row `json:"rows"`
}

// A row is a figure. If it has a Limit it is a goal, which is missed above that, or below if it is what
// there must be at Least; a wish is one that depends on how busy the machine is, and is missed without
// consequences.
type row struct {
	Run   string   `json:"run"`
	What  string   `json:"what"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit,omitempty"`
	Limit *float64 `json:"limit,omitempty"`
	Least bool     `json:"least,omitempty"`
	Wish  bool     `json:"wish,omitempty"`
}

func (r *row) missed() bool {
	if r.Limit == nil {
		return false
	}
	if r.Least {
		return !(r.Value >= *r.Limit)
	}
	return !(r.Value <= *r.Limit)
}

func (r *report) add(run, what string, value float64, unit string) {
	r.Rows = append(r.Rows, row{Run: run, What: what, Value: value, Unit: unit})
}

func (r *report) goal(run, what string, value float64, unit string, limit float64) {
	r.Rows = append(r.Rows, row{Run: run, What: what, Value: value, Unit: unit, Limit: &limit})
}

func (r *report) atLeast(run, what string, value float64, least float64) {
	r.goal(run, what, value, "", least)
	r.Rows[len(r.Rows)-1].Least = true
}

func (r *report) wish(run, what string, value float64, unit string, limit float64) {
	r.goal(run, what, value, unit, limit)
	r.Rows[len(r.Rows)-1].Wish = true
}

// A transfer of a state that is not large is over so soon that its rate, and what others see of it, tells what else
// happens on the machine. What is said of large ones are goals.
const large = 2 << 30

// aim is a goal for a large state, and a wish for others.
func (r *report) aim(run, what string, value float64, unit string, limit float64) {
	r.goal(run, what, value, unit, limit)
	r.Rows[len(r.Rows)-1].Wish = r.Size < large
}

// aimAtLeast is aim for a figure that should be large.
func (r *report) aimAtLeast(run, what string, value float64, least float64) {
	r.atLeast(run, what, value, least)
	r.Rows[len(r.Rows)-1].Wish = r.Size < large
}

func (r *report) latencies(run, what string, l Latencies) {
	r.add(run, what, l.PerSecond, "/s")
	for _, q := range [...]struct {
		name   string
		micros float64
	}{{"p50", l.P50Micros}, {"p99", l.P99Micros}, {"p99.9", l.P999}, {"max", l.Most}} {
		r.add(run, what+", "+q.name, q.micros/1e3, "ms")
	}
}

// A replica may take memoryTimes of what it takes when nothing happens, and memoryMore.
const (
	memoryTimes = 1.1
	memoryMore  = 96 << 20
)

// memory tells what the replicas took at most, but for some.
func (r *report) memory(run string, g *group, steady map[uint64]int64, target uint64, but ...uint64) {
	for _, id := range slices.Sorted(maps.Keys(steady)) {
		if slices.Contains(but, id) {
			continue
		}
		who := fmt.Sprintf("replica %d", id)
		switch id {
		case target:
			who += " (target)"
		case g.primary():
			who += " (primary)"
		}
		r.add(run, "memory of "+who+", steady", mib(float64(steady[id])), "MiB")
		r.goal(run, "memory of "+who+", most", mib(float64(g.peak(id))), "MiB", mib(memoryTimes*float64(steady[id])+memoryMore))
	}
}

func mib(bytes float64) float64 { return bytes / (1 << 20) }

// missed tells whether a goal was missed that does not depend on the machine.
func (r *report) missed() bool {
	return slices.ContainsFunc(r.Rows, func(l row) bool { return l.missed() && !l.Wish })
}

// print prints a table.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "run\t%d MiB of values\tfigure\tgoal\t\n", r.Size>>20)
	for i := range r.Rows {
		l := &r.Rows[i]
		goal, verdict := "", ""
		if l.Limit != nil {
			goal, verdict = "at most "+number(*l.Limit), "reached"
			if l.Least {
				goal = "at least " + number(*l.Limit)
			}
			if l.missed() {
				verdict = "MISSED"
			}
			if l.missed() && l.Wish {
				verdict = "missed, for lack of speed"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\n", l.Run, l.What, number(l.Value), l.Unit, goal, verdict)
	}
	return t.Flush()
}

// number writes a figure with as many digits as mean something.
func number(x float64) string {
	switch {
	case x >= 100 || x == 0:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
