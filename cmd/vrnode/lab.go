package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vrnode/netem/kernel"
	"vrnode/netem/lab"
	"vrnode/netem/relay"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/netem/scenarios"
)

// newLab is the command of experiments.
func newLab() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run experiments on bad networks, with crashes and pauses",
		Long: `lab runs scenarios: real replicas and clients, on a network that delays, loses, repeats, reorders
and cuts, while processes crash, lose their memory or stand still. In the end the history of the
clients is judged, and what the file expects. With --backend sim the same happens in virtual time,
which takes a second or two, and all that the protocol promises is checked after each step.

A scenario is a file, or the name of one that comes with the program: see vrnode lab list.

Exit codes:
  0   the run passed
  1   the group failed it
  2   a judge did not finish, or had nothing to judge
  3   the backend can not do what the scenario needs
  4   the run was not the experiment that was asked for: an impairment was not
      achieved, a step could not be taken, or the machine failed
  64  wrong usage, or a scenario that can not be read`,
		Example: `  vrnode lab list
  vrnode lab run primary-crash
  vrnode lab run my-scenario.yaml --seed 7 -o json
  vrnode lab matrix grid`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLabList(), newLabDoctor(), newLabFetch(), newLabPlan(), newLabRun(), newLabMatrix(), newLabReplay(), newLabReport(), newLabShell(),
		newLabApply(), newLabClean(), newLabWatch())
	return cmd
}

// exitInvalid is the exit code of a run that says nothing.
const exitInvalid = 4

// loadScenario reads a file, or one that comes with the program.
func loadScenario(name string) (*scenario.Scenario, []byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(name, "/\\") {
		text, err = scenarios.Files.ReadFile(strings.TrimSuffix(name, ".yaml") + ".yaml")
		if err != nil {
			return nil, nil, usage("there is no file %s, and no scenario of that name: see vrnode lab list", name)
		}
	}
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	s, err := scenario.Parse(name, text)
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	return s, text, nil
}

// scenarioNames are those that come with the program.
func scenarioNames() []string {
	files, _ := fs.Glob(scenarios.Files, "*.yaml")
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".yaml")
	}
	return files
}

// A backend is a kind of network that --backend can name.
type backend struct {
	name, about string
	// canDo tells what it can do on a machine where so much was found.
	canDo func([]lab.Finding) scenario.Capabilities
	// open makes a network, which can do as much.
	open func(*scenario.Scenario, scenario.Capabilities) (lab.Backend, error)
	// lacks says what is missing on a machine, "" if nothing is.
	lacks func([]lab.Finding) string
	// inside: the machine is examined, and the network made, in namespaces of their own.
	inside bool
	// guest: the whole command is run again in a virtual machine, by the backend netem there.
	guest bool
	// simulated: there are no processes and no network to open.
	simulated bool
}

var backends = []backend{
	{
		name: "relay", about: "sockets of this machine, in user space; needs no rights",
		canDo: func([]lab.Finding) scenario.Capabilities { return relay.CanDo() },
		open: func(s *scenario.Scenario, _ scenario.Capabilities) (lab.Backend, error) {
			return relay.New(s.Replicas, s.Workload.Clients, s.Seed)
		},
		lacks: func([]lab.Finding) string { return "" },
	},
	{
		name: kernel.Name, about: "the kernel of this machine, in namespaces that are gone afterwards", inside: true,
		canDo: func(found []lab.Finding) scenario.Capabilities { return kernel.CanDo(findings(found).has) },
		open:  openNetem,
		lacks: func(found []lab.Finding) string { return findings(found).lacks(kernel.Needs()) },
	},
	{
		name: "guest", about: "the kernel of a virtual machine, for hosts without netem",
		// All that the backend netem needs is in the guest, where the whole command is run again.
		canDo: func([]lab.Finding) scenario.Capabilities { return kernel.CanDo(func(string) bool { return true }) },
		lacks: func(found []lab.Finding) string { return findings(found).lacks([]string{"guest"}) }, guest: true,
	},
	{
		name: lab.Simulated, about: "a model in virtual time; the same seed is the same run",
		canDo: func([]lab.Finding) scenario.Capabilities { return scenario.CanAll },
		lacks: func([]lab.Finding) string { return "" }, simulated: true,
	},
}

// findings are what was found on a machine.
type findings []lab.Finding

func (f findings) has(what string) bool {
	return slices.ContainsFunc(f, func(one lab.Finding) bool { return one.What == what && one.OK })
}

// lacks lists what is missing of some things.
func (f findings) lacks(needs []string) string {
	return strings.Join(slices.DeleteFunc(needs, f.has), ", ")
}

// openFor makes a network for a scenario, if there can be one on this machine. A simulation has none.
func (b *backend) openFor(ctx context.Context, s *scenario.Scenario) (network lab.Backend, missing scenario.Capabilities, err error) {
	var found []lab.Finding
	if b.inside {
		found = lab.Examine(ctx)
	}
	can := b.canDo(found)
	if missing := s.Needs().Without(can); missing != 0 {
		return nil, missing, nil
	}
	if b.simulated {
		return nil, 0, nil
	}
	network, err = b.open(s, can)
	return network, 0, invalid(err)
}

// enter makes sure that what follows is in namespaces of its own, if the backend has to be. If done,
// the whole command has been run in there, by another process.
func (b *backend) enter(ctx context.Context, interactive bool) (done bool, err error) {
	if !b.inside {
		return false, nil
	}
	if kernel.Inside() {
		return false, invalid(kernel.Settle())
	}
	code, err := kernel.Rerun(ctx, interactive)
	if err != nil {
		return true, invalid(err)
	}
	return true, passOn(code)
}

// backendFlag is the value of --backend.
type backendFlag string

func (b *backendFlag) addTo(cmd *cobra.Command) {
	*b = backendFlag(backends[0].name)
	cmd.Flags().Var(b, "backend", "what the network is made of: "+strings.Join(backendNames(), ", "))
}

func backendNames() []string {
	var names []string
	for _, b := range backends {
		names = append(names, b.name)
	}
	return names
}

func (b *backendFlag) Type() string   { return "NAME" }
func (b *backendFlag) String() string { return string(*b) }

func (b *backendFlag) Set(name string) error {
	for _, known := range backends {
		if known.name == name {
			*b = backendFlag(name)
			return nil
		}
	}
	return usage("there is no such backend; there is %s", strings.Join(backendNames(), ", "))
}

func (b backendFlag) get() *backend {
	for i := range backends {
		if backends[i].name == string(b) {
			return &backends[i]
		}
	}
	return &backends[0]
}

// invalid makes the error of a machine that can not run an experiment.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return &codedError{exitInvalid, err}
}

// outcomeError turns the outcome of a run into an error with its exit code, nil if it passed.
func outcomeError(o result.Outcome, format string, args ...any) error {
	if o == result.Pass {
		return nil
	}
	return &codedError{o.ExitCode(), fmt.Errorf(format, args...)}
}
