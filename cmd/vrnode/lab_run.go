package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vrnode/netem/lab"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/netem/tc"
)

// A labRunner is what the flags of lab run and lab matrix say.
type labRunner struct {
	backend backendFlag
	output  format
	root    string
	program string
	seed    uint64
	seeded  bool
	// progress tells whether somebody looks at how far a run is.
	progress bool
}

func (l *labRunner) addTo(cmd *cobra.Command) {
	l.backend.addTo(cmd)
	l.output.addTo(cmd, "text", "json")
	l.addFolder(cmd)
	cmd.Flags().Uint64Var(&l.seed, "seed", 0, "use another seed than that of the file")
	cmd.Flags().BoolVar(&l.progress, "progress", isTerminal(os.Stderr), "show how far a run is")
	_ = cmd.Flags().MarkHidden("progress") // it is there
}

func (l *labRunner) addFolder(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.root, "runs", "runs", "the folder for results")
	cmd.Flags().StringVar(&l.program, "program", "", "the vrnode whose replicas are run (default: this one)")
}

func newLabRun() *cobra.Command {
	l := new(labRunner)
	which := ""
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run one scenario and judge it",
		Long: `run runs a scenario and prints the verdict. What happened is in runs/NAME/TIME-seedSEED, and
runs/NAME/latest is the last of these.

Ctrl-C heals the network, ends the replicas and still writes the result, which is then invalid.

A scenario with a matrix is run as its first cell, or as the one that --cell names; vrnode lab matrix
runs all of them.`,
		Example: `  vrnode lab run primary-crash
  vrnode lab run netem/scenarios/burst-loss.yaml --seed 7 -o json
  vrnode lab run grid --cell 'loss=5% delay=50ms'`,
		Args: oneScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			l.seeded = cmd.Flags().Changed("seed")
			s, text, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			cell, err := cellNamed(s, which)
			if err != nil {
				return err
			}
			return l.print(cmd, cell, text)
		},
	}
	l.addTo(cmd)
	cmd.Flags().StringVar(&which, "cell", "", "the cell of the matrix to run")
	return cmd
}

// cellNamed returns a cell of a matrix, the first if no name is given.
func cellNamed(s *scenario.Scenario, name string) (*scenario.Cell, error) {
	cells := s.Cells()
	for i := range cells {
		if name == "" || cells[i].String() == name {
			return &cells[i], nil
		}
	}
	return nil, usage("--cell %q: there is none of that name; the first is %q", name, cells[0].String())
}

func oneScenario(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes one scenario, a file or a name: see vrnode lab list", cmd.CommandPath())
	}
	return nil
}

// print runs one cell and prints its verdict.
func (l *labRunner) print(cmd *cobra.Command, cell *scenario.Cell, text []byte) error {
	if l.boots(*cell) {
		return l.inGuest(cmd, &inGuest{
			args: []string{"run", "--cell", cell.String()}, cells: []scenario.Cell{*cell}, text: text, show: l.show,
		})
	}
	if done, err := l.backend.get().enter(cmd.Context(), false); done || err != nil {
		return err
	}
	if l.seeded {
		cell = reseed(cell, l.seed)
	}
	run, err := l.run(cmd.Context(), cell, text, l.progressLine(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	if err := l.show(cmd, run); err != nil {
		return err
	}
	return outcomeError(run.Verdict.Outcome, "%s: %s", cell.Name, run.Verdict.Outcome)
}

// show prints a verdict. One that can not be printed is no failure of the group.
func (l *labRunner) show(cmd *cobra.Command, run *lab.Report) error {
	if l.output.json() {
		return invalid(printJSON(cmd.OutOrStdout(), run))
	}
	var text bytes.Buffer
	printVerdict(&text, run)
	_, err := text.WriteTo(cmd.OutOrStdout())
	return invalid(err)
}

// run runs one cell.
func (l *labRunner) run(ctx context.Context, cell *scenario.Cell, text []byte, progress func(string)) (*lab.Report, error) {
	s := cell.Scenario
	kind := l.backend.get()
	if kind.simulated && l.program != "" {
		return nil, usage("--program: with --backend %s the replicas are part of this program", kind.name)
	}
	network, missing, err := kind.openFor(ctx, s)
	if err != nil {
		return nil, err
	}
	if missing != 0 {
		return &lab.Report{Manifest: result.Manifest{Name: s.Name, Cell: cell.String()}, Verdict: lab.Unsupported(kind.name, missing)}, nil
	}
	run, err := l.conduct(ctx, kind, lab.Options{
		Scenario: s, Cell: cell.String(), Text: text, Network: network, Root: l.root,
		Version: version(), Reproduce: l.reproduce(&result.Manifest{File: s.File, Cell: cell.String(), Backend: kind.name, Seed: s.Seed}),
		Progress: progress,
	})
	if progress != nil {
		progress("")
	}
	if err == nil {
		err = writeReport(filepath.Join(run.Dir, result.ReportFile), run)
	}
	if err != nil {
		return nil, invalid(err)
	}
	return &lab.Report{Dir: run.Dir, Manifest: run.Manifest, Verdict: run.Verdict}, nil
}

// conduct runs a scenario on a backend.
func (l *labRunner) conduct(ctx context.Context, kind *backend, o lab.Options) (run *result.Run, err error) {
	if kind.simulated {
		return lab.Simulate(ctx, o)
	}
	if o.Program, err = l.vrnode(); err == nil {
		run, err = lab.Run(ctx, o)
	}
	if closed := o.Network.Close(); err == nil {
		err = closed
	}
	return run, err
}

// reseed returns a cell with another seed.
func reseed(cell *scenario.Cell, seed uint64) *scenario.Cell {
	again := *cell.Scenario
	again.Seed = seed
	return &scenario.Cell{Scenario: &again, Values: cell.Values}
}

// reproduce returns the command that runs a scenario again, as a shell takes it.
func (l *labRunner) reproduce(m *result.Manifest) string {
	command := tc.Command{"vrnode", "lab", "run", m.File, "--backend", m.Backend, "--seed", strconv.FormatUint(m.Seed, 10)}
	if m.Cell != "" {
		command = append(command, "--cell", m.Cell)
	}
	if l.program != "" {
		command = append(command, "--program", l.program)
	}
	return command.String()
}

// vrnode returns the path of the program that replicas run.
func (l *labRunner) vrnode() (string, error) {
	if l.program != "" {
		return filepath.Abs(l.program)
	}
	return os.Executable()
}

// progressLine returns what writes one line again and again, where somebody looks; nil elsewhere.
// An empty line wipes it.
func (l *labRunner) progressLine(w io.Writer) func(string) {
	if !l.progress {
		return nil
	}
	return func(line string) { fmt.Fprintf(w, "\r\x1b[K%s", line) }
}

func printVerdict(w io.Writer, run *lab.Report) {
	v := &run.Verdict
	fmt.Fprintf(w, "%s\n", strings.ToUpper(string(v.Outcome)))
	for _, why := range v.Why {
		fmt.Fprintf(w, "  %s\n", why)
	}
	if run.Dir == "" {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range v.Checks {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", c.Outcome, c.What, c.Found)
	}
	t.Flush()
	f := &v.Figures
	fmt.Fprintf(w, "%d calls: %d acknowledged, %d unanswered, %d refused; %.0f a second\n",
		f.Calls, f.Acknowledged, f.Unanswered, f.Refused, f.PerSecond)
	fmt.Fprintf(w, "latency p50 %v, p99 %v, p99.9 %v; longest outage %v; view changes %d; states moved %d\n", short(f.P50), short(f.P99),
		short(f.P999), short(f.Unavailable), f.ViewChanges, f.States)
	fmt.Fprintln(w, run.Dir)
}

// short rounds a duration to what people want to know of it.
func short(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
