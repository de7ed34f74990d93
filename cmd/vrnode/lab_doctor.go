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
  vrnode lab doctor -o json | jq -r 'select(.ok | not) | .remedy'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := lab.Examine(cmd.Context())
			if !output.json() {
				printFindings(cmd.OutOrStdout(), findings)
				return nil
			}
			for _, f := range append(findings, judgeBackends(findings)...) {
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

// judgeBackends tells which backends would work, after what this machine has.
func judgeBackends(findings []lab.Finding) []lab.Finding {
	var out []lab.Finding
	for _, b := range backends {
		f := lab.Finding{What: "backend " + b.name, Found: fmt.Sprintf("%s; it can do: %v", b.about, b.canDo(findings))}
		if lacks := b.lacks(findings); lacks != "" {
			f.Remedy = "get " + lacks
		}
		f.OK = f.Remedy == ""
		out = append(out, f)
	}
	return out
}

func printFindings(w io.Writer, findings []lab.Finding) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		state := "ok"
		if !f.OK {
			state = "missing"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.What, state, f.Found)
	}
	t.Flush()
	for _, f := range findings {
		if !f.OK {
			fmt.Fprintf(w, "\nto get %s: %s\n", f.What, f.Remedy)
		}
	}
	fmt.Fprintln(w)
	for _, f := range judgeBackends(findings) {
		state := "ready"
		if !f.OK {
			state = "not ready: " + f.Remedy
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.What, state, f.Found)
	}
	t.Flush()
}
