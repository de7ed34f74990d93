package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vrnode/netem/lab"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// inGuest is a lab command that is run again in a guest.
type inGuest struct {
	args   []string // the subcommand and its own flags
	cells  []scenario.Cell
	repeat int
	text   []byte
	show   func(*cobra.Command, *lab.Report) error
}

// boots tells whether the command needs a guest, since there is something that the guest can do.
func (l *labRunner) boots(cells ...scenario.Cell) bool {
	kind := l.backend.get()
	return kind.guest && slices.ContainsFunc(cells, func(c scenario.Cell) bool {
		return c.Needs().Without(kind.canDo(nil)) == 0
	})
}

// inGuest runs a command in a guest and shows its runs one by one.
func (l *labRunner) inGuest(cmd *cobra.Command, g *inGuest) error {
	program, err := l.vrnode()
	if err != nil {
		return err
	}
	self, err := lab.Program()
	if err != nil {
		return err
	}
	replicas := 0
	for _, c := range g.cells {
		replicas = max(replicas, c.Replicas)
	}
	args := append(g.args, "--progress="+strconv.FormatBool(l.progress))
	if l.seeded {
		args = append(args, "--seed", strconv.FormatUint(l.seed, 10))
	}
	progress := l.progressLine(cmd.ErrOrStderr())
	if progress == nil {
		progress = func(string) {}
	}
	progress("the guest is booting")
	code, folders, err := lab.RunInGuest(cmd.Context(), lab.GuestOptions{
		Lab: self, Program: program, Args: args, Text: g.text,
		Replicas: replicas, Runs: len(g.cells) * max(1, g.repeat), State: g.cells[0].State,
		Root: l.root, Stderr: cmd.ErrOrStderr(),
		Describe: func(m *result.Manifest) {
			m.Backend, m.File = string(l.backend), g.cells[0].File
			m.Reproduce = l.reproduce(m)
		},
		Ended: func(run lab.Report) error {
			progress("")
			return g.show(cmd, &run)
		},
	})
	progress("")
	if err != nil {
		return invalid(err)
	}
	for i, folder := range folders {
		progress(fmt.Sprintf("report %d of %d", i+1, len(folders)))
		run, err := result.Read(folder)
		if err == nil {
			err = writeReport(filepath.Join(folder, result.ReportFile), run)
		}
		if err != nil {
			return invalid(err)
		}
	}
	progress("")
	return passOn(code)
}
