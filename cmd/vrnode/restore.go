package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vrnode/vr/client"
)

func newRestore() *cobra.Command {
	var (
		group   access
		check   bool
		output  format
		timeout duration
	)
	cmd := &cobra.Command{
		Use:   "restore FILE --peers ID=HOST:PORT,…",
		Short: "Make a group that has the state of a backup",
		Long: `restore makes a new group of the replicas in --peers that has the state which vrnode backup has
written to FILE, and prints its id. As for vrnode form, all of them must be up and without memory. They
must serve the same --machine as the group of the backup did; how many they are does not matter.

First all of FILE is read and checked, then all replicas fetch the state, then they become a group. If that
is interrupted before the end, it can be done again; a replica that logs that it could not read the state
has to be started again before. Clients of the earlier group do not mistake the new
one for it: they have to begin anew.

With --check it only reads FILE and says what it has, and needs no --peers. - is standard input.

Exit code 3: a replica does not answer.`,
		Example: `  vrnode restore monday.vr --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 --key-file group.key
  vrnode restore --check monday.vr`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes one argument, the file that vrnode backup has written", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !check {
				if err := group.check(); err != nil {
					return err
				}
			}
			report, err := restore(cmd, &group, args[0], check, timeout.get())
			if err != nil {
				return err
			}
			switch {
			case output.json():
				return printJSON(cmd.OutOrStdout(), report)
			case check:
				fmt.Fprintf(cmd.OutOrStdout(), "%s has the state after operation %d of group %s, %d bytes, made %s\n",
					report.File, report.Op, report.Of, report.State, report.Made.Format(time.RFC3339))
			default:
				fmt.Fprintln(cmd.OutOrStdout(), report.Cluster)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only read the file, and say what it has")
	group.addTo(cmd)
	output.addTo(cmd, "text", "json")
	timeout.addTo(cmd, "timeout", 10*time.Second, "how long to wait for replicas, and while they fetch nothing")
	return cmd
}

// restore makes the group, or looks at the file only.
func restore(cmd *cobra.Command, group *access, file string, check bool, patience time.Duration) (report backupReport, err error) {
	from, err := openFile(cmd, file)
	if err != nil {
		return report, err
	}
	defer from.Close()
	if check {
		kept, err := client.CheckBackup(from)
		if err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
		return reportOf(file, kept), err
	}
	cluster := ""
	kept, err := transfer(cmd, group, patience, "", "giving", func(ctx context.Context, c *client.Client, t client.Transfer) (client.Kept, error) {
		id, kept, err := c.Restore(ctx, t, from)
		cluster = id.String()
		return kept, err
	})
	if client.IsRefused(err) {
		err = fmt.Errorf("%s: %w", file, err)
	}
	if err != nil {
		return report, err
	}
	report = reportOf(file, kept)
	report.Cluster = cluster
	return report, nil
}
