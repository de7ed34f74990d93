package main

import (
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vrnode/netem/lab"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

func newLabMatrix() *cobra.Command {
	l := new(labRunner)
	repeat := 1
	cmd := &cobra.Command{
		Use:   "matrix SCENARIO",
		Short: "Run a scenario in all cells of its matrix",
		Long: `matrix runs a scenario once for each combination of the values in its matrix, and prints a line for
each. A scenario without a matrix is one cell. With --repeat each cell is run several times, with
seeds that follow one another.

The exit code is that of the worst run.`,
		Example: `  vrnode lab matrix grid
  vrnode lab matrix primary-crash --repeat 5 -o json | jq .verdict.figures.p99`,
		Args: oneScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			if repeat < 1 {
				return usage("--repeat is the number of runs of each cell, from 1")
			}
			l.seeded = cmd.Flags().Changed("seed")
			s, text, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			if l.seeded && slices.ContainsFunc(s.Matrix, func(a scenario.Axis) bool { return a.Name == "seed" }) {
				return usage("--seed: the matrix of %s has seeds of its own", s.Name)
			}
			if done, err := l.backend.get().enter(cmd.Context(), false); done || err != nil {
				return err
			}
			var m matrix
			if l.boots(s.Cells()...) {
				return l.inGuest(cmd, &inGuest{
					args: []string{"matrix", "--repeat", strconv.Itoa(repeat)}, cells: s.Cells(), repeat: repeat, text: text,
					show: func(cmd *cobra.Command, run *lab.Report) error { return m.show(cmd, l, run) },
				})
			}
			for _, cell := range s.Cells() {
				first := cell.Seed
				if l.seeded {
					first = l.seed
				}
				for i := range repeat {
					if err := m.run(cmd, l, reseed(&cell, first+uint64(i)), text); err != nil {
						return err
					}
				}
			}
			return m.end()
		},
	}
	l.addTo(cmd)
	cmd.Flags().IntVar(&repeat, "repeat", 1, "how many times to run each cell")
	return cmd
}

// A matrix counts runs.
type matrix struct {
	runs, passed int
	worst        result.Outcome
}

// run runs a cell and prints its line at once.
func (m *matrix) run(cmd *cobra.Command, l *labRunner, cell *scenario.Cell, text []byte) error {
	run, err := l.run(cmd.Context(), cell, text, l.progressLine(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	if err := m.show(cmd, l, run); err != nil {
		return err
	}
	return invalid(cmd.Context().Err())
}

// show counts a run and prints its line.
func (m *matrix) show(cmd *cobra.Command, l *labRunner, run *lab.Report) error {
	v := &run.Verdict
	m.runs++
	if v.Outcome == result.Pass {
		m.passed++
	}
	if m.worst == "" || v.Outcome.ExitCode() > m.worst.ExitCode() {
		m.worst = v.Outcome
	}
	if l.output.json() {
		return invalid(printJSON(cmd.OutOrStdout(), run))
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), matrixColumn, 0, 2, ' ', 0)
	if m.runs == 1 {
		fmt.Fprintln(t, "OUTCOME\tPER SECOND\tP50\tP99\tVIEW CHANGES\tUNANSWERED\tCELL")
	}
	f := &v.Figures
	fmt.Fprintf(t, "%s\t%.0f\t%v\t%v\t%d\t%d\t%s\n", v.Outcome, f.PerSecond, short(f.P50), short(f.P99), f.ViewChanges, f.Unanswered, run.Manifest.Cell)
	return invalid(t.Flush())
}

// matrixColumn is the least width of a column, since lines are printed one by one.
const matrixColumn = 14

func (m *matrix) end() error {
	return outcomeError(m.worst, "%d of %d runs passed", m.passed, m.runs)
}
