package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

func newLabReplay() *cobra.Command {
	l := new(labRunner)
	cmd := &cobra.Command{
		Use:   "replay FOLDER",
		Short: "Run again what a result folder holds the result of",
		Long: `replay runs the scenario of a result folder again, with the same seed, cell and backend, and prints
the verdict. The dice fall the same; what follows from the timing of the machine may differ. On the
backend sim nothing differs.`,
		Example: `  vrnode lab replay runs/primary-crash/latest`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes one result folder", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := result.Read(args[0])
			if err != nil {
				return usage("%w", err)
			}
			if !cmd.Flags().Changed("backend") {
				if err := l.backend.Set(old.Manifest.Backend); err != nil {
					return err
				}
			}
			if l.seeded = true; !cmd.Flags().Changed("seed") {
				l.seed = old.Manifest.Seed
			}
			file := filepath.Join(args[0], result.ScenarioFile)
			text, err := os.ReadFile(file)
			if err != nil {
				return usage("%w", err)
			}
			s, err := scenario.Parse(file, text)
			if err != nil {
				return usage("%w", err)
			}
			cell, err := cellNamed(s, old.Manifest.Cell)
			if err != nil {
				return err
			}
			return l.print(cmd, cell, text)
		},
	}
	l.addTo(cmd)
	return cmd
}
