package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"vrnode/vr/client"
	"vrnode/wire"
)

// stdio is the name of standard input and output.
const stdio = "-"

func newBackup() *cobra.Command {
	var (
		group   access
		file    string
		force   bool
		summary format
		timeout duration
	)
	cmd := &cobra.Command{
		Use:   "backup -o FILE --peers ID=HOST:PORT,…",
		Short: "Write the state of the group to a file",
		Long: `backup writes the state of the group to a file: that after all operations which were acknowledged
before the command was given. The group goes on serving. The state comes from backup replicas, and from
the primary only if there are none.

FILE appears when it is whole; until then there is a hidden file beside it, which needs room for the
state twice. - is standard output. vrnode restore makes a new group of a file.

Exit code 3: the group does not serve, or sends nothing.`,
		Example: `  vrnode backup -o monday.vr --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 --key-file group.key
  vrnode backup -o - --peers … | gzip > monday.vr.gz`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usage("-o is missing: the file to write, or - for standard output")
			}
			if err := group.check(); err != nil {
				return err
			}
			report, err := backup(cmd, &group, file, force, timeout.get())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if file == stdio {
				out = cmd.ErrOrStderr()
			}
			if summary.json() {
				return printJSON(out, report)
			}
			fmt.Fprintf(out, "%s has the state after operation %d of group %s, %d bytes\n", file, report.Op, report.Of, report.State)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "the `FILE` to write")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if there is one")
	group.addTo(cmd)
	summary.formats, summary.value = []string{"text", "json"}, "text"
	cmd.Flags().Var(&summary, "format", "how to print what was done")
	timeout.addTo(cmd, "timeout", 10*time.Second, "how long to wait while nothing comes")
	return cmd
}

// A backupReport is what backup and restore print.
type backupReport struct {
	File    string        `json:"file"`
	Cluster string        `json:"cluster,omitempty"` // the new group, if one was made
	Of      string        `json:"of"`                // the group that the state is of
	Op      wire.OpNumber `json:"op"`
	Made    time.Time     `json:"made"`
	State   uint64        `json:"state_bytes"`
	Size    int64         `json:"file_bytes"`
}

func reportOf(file string, k client.Kept) backupReport {
	return backupReport{File: file, Of: k.Cluster.String(), Op: k.Op, Made: k.Made, State: k.State, Size: k.Size}
}

// backup writes the file.
func backup(cmd *cobra.Command, group *access, file string, force bool, patience time.Duration) (report backupReport, err error) {
	to, spool := cmd.OutOrStdout(), ""
	var f *newFile
	if file != stdio {
		if f, err = createFile(file, force); err != nil {
			return report, fmt.Errorf("-o: %w", err)
		}
		to, spool = f, filepath.Dir(file)
	}
	kept, err := transfer(cmd, group, patience, spool, "fetching", func(ctx context.Context, c *client.Client, t client.Transfer) (client.Kept, error) {
		return c.Backup(ctx, t, to)
	})
	switch {
	case f == nil:
	case err != nil:
		f.abandon()
	default:
		err = f.keep(force)
	}
	return reportOf(file, kept), err
}

// transfer runs a backup or restoring, and shows how far it is.
func transfer(cmd *cobra.Command, group *access, patience time.Duration, spool, doing string,
	do func(context.Context, *client.Client, client.Transfer) (client.Kept, error)) (client.Kept, error) {
	c, err := client.Start(client.Config{Peers: group.peers, Keys: group.keys, SpoolDir: spool})
	if err != nil {
		return client.Kept{}, fmt.Errorf("--peers: %w", err)
	}
	defer c.Close()
	bar := newBar(1, doing, progressbar.OptionShowBytes(true))
	kept, err := do(cmd.Context(), c, client.Transfer{Patience: patience, Progress: func(moved, total uint64) {
		bar.ChangeMax64(int64(max(total, 1)))
		_ = bar.Set64(int64(moved)) // it is for the eye only
	}})
	_ = bar.Clear()
	if cmd.Context().Err() == nil && (errors.Is(err, client.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)) {
		err = unavailable("%w", err)
	}
	return kept, err
}

// openFile opens a file to read, or standard input.
func openFile(cmd *cobra.Command, file string) (io.ReadCloser, error) {
	if file == stdio {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(file)
}
