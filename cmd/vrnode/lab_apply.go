package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vrnode/netem/host"
	"vrnode/netem/lab"
	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/tc"
)

func newLabApply() *cobra.Command {
	var (
		dev   string
		ports portRange
		lease duration
	)
	cmd := &cobra.Command{
		Use:   "apply PROFILE|SCENARIO --host-iface DEV --ports FIRST-LAST --for TIME",
		Short: "Impair some UDP ports of a real interface for a time",
		Long: `apply does to what leaves a real interface what a profile says, or what a scenario says of all links
at the beginning. Only IPv4 datagrams from or to the UDP ports are concerned. It prints the commands
that it runs, and stays until the time is over or Ctrl-C; then it heals.

If it is killed, a watchdog that it has started heals at once. What was done, and how to undo it, is
in /run/vrnode as long as it lasts: see vrnode lab clean. An interface with a root qdisc of somebody
else is left alone.

Linux impairs what leaves an interface, so run it on both hosts of a link.`,
		Example: `  vrnode lab apply wan --host-iface eth1 --ports 7000-7004 --for 60s
  vrnode lab apply my-scenario.yaml --host-iface eth1 --ports 7000-7004 --for 10m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes one profile (%s) or scenario", cmd.CommandPath(), strings.Join(profileNames(), ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"host-iface", "ports", "for"} {
				if !cmd.Flags().Changed(name) {
					return usage("--%s is required", name)
				}
			}
			settings, err := settingsNamed(args[0])
			if err != nil {
				return err
			}
			self, err := lab.Program()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			err = host.Apply(cmd.Context(), host.Options{
				Interface: tc.Interface{Dev: dev, First: ports.first, Last: ports.last},
				Settings:  settings,
				Does:      scenario.Describe(settings),
				For:       lease.get(),
				Watchdog:  func(dev string) *exec.Cmd { return exec.Command(self, "lab", "watch", dev) },
				Ran:       func(c tc.Command) { fmt.Fprintln(out, c) },
				Applied: func(j *host.Journal) {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s, UDP ports %v: %s, until %s; Ctrl-C heals.\n", dev, &ports, j.Does, j.Until.Format(time.TimeOnly))
				},
			})
			if err != nil {
				return invalid(err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s has healed.\n", dev)
			return nil
		},
	}
	cmd.Flags().StringVar(&dev, "host-iface", "", "the interface")
	cmd.Flags().Var(&ports, "ports", "the UDP ports, as in 7000-7004")
	lease.addTo(cmd, "for", time.Minute, "how long, at most "+host.LeaseMax.String())
	return cmd
}

// newLabWatch is the command of the watchdog that lab apply starts.
func newLabWatch() *cobra.Command {
	return &cobra.Command{
		Use:    "watch DEV",
		Short:  "Heal an interface when the lease on it or standard input ends",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return host.Watch(cmd.Context(), args[0], os.Stdin)
		},
	}
}

func profileNames() []string {
	var names []string
	for _, p := range scenario.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// settingsNamed returns the settings of a profile, or those that a scenario has for all links.
func settingsNamed(name string) (link.Settings, error) {
	profiles := scenario.Profiles()
	if i := slices.IndexFunc(profiles, func(p scenario.Profile) bool { return p.Name == name }); i >= 0 {
		return profiles[i].Settings, nil
	}
	s, _, err := loadScenario(name)
	if err != nil {
		return link.Settings{}, err
	}
	settings, err := s.Everywhere()
	if err != nil {
		return settings, usage("%w", err)
	}
	return settings, nil
}

// portRange is the value of --ports.
type portRange struct{ first, last uint16 }

func (p *portRange) Type() string { return "FIRST-LAST" }

func (p *portRange) String() string {
	if p.first == p.last {
		return strconv.Itoa(int(p.first))
	}
	return fmt.Sprintf("%d-%d", p.first, p.last)
}

func (p *portRange) Set(text string) error {
	first, last, both := strings.Cut(text, "-")
	if !both {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil || a == 0 || b < a {
		return errors.New("want a range of ports, as in 7000-7004")
	}
	p.first, p.last = uint16(a), uint16(b)
	return nil
}
