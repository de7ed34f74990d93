package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vrnode/netem/lab"
)

func newLabDoctor() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what experiments this machine can run",
		Long: `doctor tries what the backends need, in network namespaces that are gone afterwards, and says how to
get what is missing. It changes nothing.`,
		Example: `  vrnode lab doctor
  vrnode lab doctor -o json | jq 'select(.ok | not)'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := lab.Examine(cmd.Context())
			if !output.json() {
				printFindings(cmd.OutOrStdout(), findings)
				return nil
			}
			for _, f := range findings {
				if err := printJSON(cmd.OutOrStdout(), f); err != nil {
					return err
				}
			}
			return nil
		},
	}
	output.addTo(cmd, "table", "json")
	return cmd
}

func printFindings(w io.Writer, findings []lab.Finding) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		word := "ok"
		if !f.OK {
			word = "missing"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.What, word, f.Found)
	}
	t.Flush()
	for _, f := range findings {
		if !f.OK {
			fmt.Fprintf(w, "\nto get %s: %s\n", f.What, f.Remedy)
		}
	}
	fmt.Fprintln(w)
	for _, b := range backends {
		state := "ready"
		if lacks := b.lacks(findings); lacks != "" {
			state = "lacks " + lacks
		}
		fmt.Fprintf(t, "backend %s\t%s\t%s; it can do: %v\n", b.name, state, b.about, b.canDo(findings))
	}
	t.Flush()
}
