package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newLabList() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the scenarios that come with the program",
		Example: `  vrnode lab list`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, name := range scenarioNames() {
				s, _, err := loadScenario(name)
				if err != nil {
					return err
				}
				if output.json() {
					item := map[string]any{"name": s.Name, "hypothesis": s.Hypothesis, "needs": s.Needs().String(), "cells": len(s.Cells())}
					if err := printJSON(cmd.OutOrStdout(), item); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(t, "%s\t%s\n", name, s.Hypothesis)
			}
			return nil
		},
	}
	output.addTo(cmd, "text", "json")
	return cmd
}
