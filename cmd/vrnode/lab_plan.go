package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vrnode/netem/tc"
)

func newLabPlan() *cobra.Command {
	return &cobra.Command{
		Use:   "plan SCENARIO",
		Short: "Print the commands that do the same by hand",
		Long: `plan prints a scenario as a shell script: the ip, tc and nft commands that make its network, what
happens when, and the commands that take everything away again. It runs none of them.

Who has which role is known in a run only. In the plan replica 1 is the primary first, and when it
is hit the next one follows.`,
		Example: `  vrnode lab plan primary-crash
  vrnode lab plan my-scenario.yaml | less`,
		Args: oneScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, _, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			cell := s.Cells()[0]
			fmt.Fprint(cmd.OutOrStdout(), tc.Plan(cell.Scenario))
			return nil
		},
	}
}
