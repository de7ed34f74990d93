package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vrnode/netem/lab"
	"vrnode/netem/result"
)

func newLabShell() *cobra.Command {
	l := new(labRunner)
	cmd := &cobra.Command{
		Use:   "shell SCENARIO [-- COMMAND ARG…]",
		Short: "Have a shell beside the group of a scenario",
		Long: `shell starts the replicas of a scenario behind its links as they are at the beginning, forms the
group and runs $SHELL, or a command, where the first client is. $PEERS is for --peers, and there is no
key. When it ends, so does everything else. The steps of the scenario are not taken.`,
		Example: `  vrnode lab shell wan
  vrnode lab shell wan -- sh -c 'vrnode call --insecure --peers $PEERS add 5'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash < 0 && len(args) > 1 || dash >= 0 && (dash != 1 || len(args) == 1) {
				return usage("%s takes one scenario, and a command after --", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, text, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			shell := args[1:]
			if len(shell) == 0 {
				shell = []string{os.Getenv("SHELL")}
			}
			if shell[0] == "" {
				shell[0] = "/bin/sh"
			}
			program, err := l.vrnode()
			if err != nil {
				return err
			}
			kind := l.backend.get()
			if done, err := kind.enter(cmd.Context(), true); done || err != nil {
				return err
			}
			if kind.open == nil {
				return outcomeError(result.Unsupported, "there is no shell on backend %s", kind.name)
			}
			network, missing, err := kind.openFor(cmd.Context(), s.Cells()[0].Scenario)
			if err != nil {
				return err
			}
			if missing != 0 {
				return outcomeError(result.Unsupported, "%s", lab.Unsupported(kind.name, missing).Why[0])
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "The group is coming up; leave with exit.")
			err = lab.Hold(cmd.Context(), lab.Options{
				Scenario: s.Cells()[0].Scenario, Text: text, Network: network, Program: program, Root: l.root, Version: version(),
			}, shell[0], shell[1:]...)
			return invalid(errors.Join(err, network.Close()))
		},
	}
	l.backend.addTo(cmd)
	l.addFolder(cmd)
	return cmd
}
