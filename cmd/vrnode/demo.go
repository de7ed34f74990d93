package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vrnode/internal/demo"
)

func newDemo() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a group lose its primary and get it back",
		Long: `demo starts three replicas in this process, on loopback sockets, and a client that adds numbers.
In the middle the primary is killed and its memory dropped; later it starts again, without memory,
and recovers from the others. At the end the results that the client received are compared with
what the replicas have executed. It takes about five seconds.

Exit code 1: an acknowledged addition was lost, or one was executed twice.`,
		Example: `  vrnode demo
  vrnode demo -o json 2>/dev/null | jq .failover_ms`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			talk := cmd.OutOrStdout()
			if output.json() {
				talk = cmd.ErrOrStderr()
			}
			report, err := demo.Run(cmd.Context(), talk)
			if report == nil {
				return fmt.Errorf("the demonstration broke off: %w", err)
			}
			if output.json() {
				return errors.Join(err, printJSON(cmd.OutOrStdout(), report))
			}
			printDemo(cmd.OutOrStdout(), report)
			return err
		},
	}
	output.addTo(cmd, "text", "json")
	return cmd
}

func printDemo(w io.Writer, r *demo.Report) {
	fmt.Fprintf(w, `
additions acknowledged      %d
additions executed          %d
acknowledged, but lost      %d
executed twice              %d
sum, asked of the group     %d
sum, counted apart          %d
no answers after the kill   %d ms
start to recovered          %d ms
views                       %d
`, r.Acked, r.Applied, r.Lost, r.Duplicated, r.Read, r.Sum, r.FailoverMS, r.RecoveryMS, r.Views)
}
