//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// A report is what is printed. Ratios and differences are medians of those within a round.
type report struct {
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"` // that each was measured in each round
	Rows    []row   `json:"rows"`
	// Others is which share of the machine's CPUs other work has taken.
	Others figure `json:"others"`
}

// A row is a subject.
type row struct {
	Name string `json:"name"`
	// Gigabits is bulk in a second of time, PerCPU in a second of the busier end's CPU. Both are
	// also told as a ratio to the first row's.
	Gigabits figure `json:"bulk_gbit_per_s"`
	Ratio    figure `json:"bulk_ratio"`
	PerCPU   figure `json:"bulk_gbit_per_cpu_s"`
	CPURatio figure `json:"bulk_cpu_ratio"`
	// Together is P50 of small round trips between processes on one CPU, TogetherOver is by how much
	// it exceeds the first row's. All else is with a CPU for each process.
	Together     figure `json:"one_cpu_p50_us"`
	TogetherOver figure `json:"one_cpu_p50_over_us"`
	// P50 and P99 are of small round trips, Over is by how much P50 exceeds the first row's.
	P50  figure `json:"p50_us"`
	Over figure `json:"p50_over_us"`
	P99  figure `json:"p99_us"`
	// Beside and Late are P50 and P99 beside bulk, Later is by how much Late exceeds P99. They are
	// missing if nobody has measured them.
	Beside *figure `json:"beside_bulk_p50_us,omitempty"`
	Late   *figure `json:"beside_bulk_p99_us,omitempty"`
	Later  *figure `json:"beside_bulk_p99_over_us,omitempty"`
}

// A figure sums up what was measured in all rounds.
type figure struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func newFigure(of []float64) figure {
	sorted := slices.Sorted(slices.Values(of))
	return figure{sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1]}
}

// each sums up what a function makes of the values of each round.
func each(f func(a, b float64) float64, a, b []float64) figure {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = f(a[i], b[i])
	}
	return newFigure(values)
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

func newReport(results []result, others []float64, o *options) *report {
	r := &report{Rounds: o.rounds, Seconds: o.duration.Seconds(), Others: newFigure(others)}
	floor := &results[0]
	for i := range results {
		s := &results[i]
		line := row{
			Name:     s.name,
			Gigabits: newFigure(s.bulks), Ratio: each(ratio, s.bulks, floor.bulks),
			PerCPU: newFigure(s.perCPU), CPURatio: each(ratio, s.perCPU, floor.perCPU),
			Together: newFigure(s.togethers), TogetherOver: each(difference, s.togethers, floor.togethers),
			P50: newFigure(s.p50s), Over: each(difference, s.p50s, floor.p50s), P99: newFigure(s.p99s),
		}
		if len(s.lates) == len(s.p99s) {
			beside, late, later := newFigure(s.besides), newFigure(s.lates), each(difference, s.lates, s.p99s)
			line.Beside, line.Late, line.Later = &beside, &late, &later
		}
		r.Rows = append(r.Rows, line)
	}
	return r
}

// busy is the share of the CPUs from which other work makes the figures doubtful.
const busy = 0.1

// print prints the medians.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbulk\t\tper CPU\t\t64 bytes, one CPU\t\ttwo CPUs\t\t\tbeside bulk\t\t\t")
	fmt.Fprintln(t, "\tGbit/s\tratio\tGbit/s\tratio\tp50 µs\tover raw\tp50 µs\tover raw\tp99 µs\tp50 µs\tp99 µs\tover p99\t")
	for i := range r.Rows {
		l := &r.Rows[i]
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%+.1f\t%.1f\t%+.1f\t%.1f\t", l.Name,
			l.Gigabits.Median, l.Ratio.Median, l.PerCPU.Median, l.CPURatio.Median,
			l.Together.Median, l.TogetherOver.Median, l.P50.Median, l.Over.Median, l.P99.Median)
		if l.Late == nil {
			fmt.Fprintln(t, "-\t-\t-\t")
			continue
		}
		fmt.Fprintf(t, "%.0f\t%.0f\t%+.0f\t\n", l.Beside.Median, l.Late.Median, l.Later.Median)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nMedians of %d rounds of %v s each. Other work took %.0f %% of the CPUs meanwhile, at most %.0f %%.\n",
		r.Rounds, r.Seconds, 100*r.Others.Median, 100*r.Others.Most)
	if r.Others.Most > busy {
		fmt.Fprintln(w, "That is much: who sends and waits for an answer then waits for a CPU, and raw bulk does not. Repeat it when the machine is idle.")
	}
	return nil
}
