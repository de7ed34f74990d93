package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vrnode/netem/report"
	"vrnode/netem/result"
)

func newLabReport() *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use:   "report FOLDER…",
		Short: "Write a page about a run, or one that compares several",
		Long: `report writes an HTML page with everything in it, and prints its name. lab run writes one, too; this
is for runs that were cut off, and for several of them beside each other.`,
		Example: `  vrnode lab report runs/primary-crash/latest
  vrnode lab report runs/wan/latest runs/lan-baseline/latest --to compare.html`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("%s takes result folders, such as runs/primary-crash/latest", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var runs []*result.Run
			for _, dir := range args {
				run, err := result.Read(dir)
				if err != nil {
					return usage("%w", err)
				}
				runs = append(runs, run)
			}
			if to == "" {
				to = filepath.Join(args[0], result.ReportFile)
			}
			if err := writeReport(to, runs...); err != nil {
				return invalid(err)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), to)
			return invalid(err)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "where to write the page (default: report.html in the first folder)")
	return cmd
}

func writeReport(path string, runs ...*result.Run) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := report.Write(f, runs...); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
