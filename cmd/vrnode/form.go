package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newForm() *cobra.Command {
	var (
		group   access
		timeout duration
	)
	cmd := &cobra.Command{
		Use:   "form --peers ID=HOST:PORT,…",
		Short: "Make a group of replicas that have just been started, once",
		Long: `form makes a new, empty group of the replicas in --peers and prints its id. All of them must be up
and without memory.

A group is formed once in its life. A replica that restarts needs no form: it recovers from the
others. When a group has lost its memory, form begins a new one that knows nothing of the old;
nothing ever does that by itself.`,
		Example: `  vrnode form --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 --key-file group.key`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := group.check(); err != nil {
				return err
			}
			if n := len(group.peers); n%2 == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: a group of %d survives the loss of %d, as one of %d does\n", n, failures(n), n-1)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout.get())
			defer cancel()
			cluster, err := form(ctx, &group)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), cluster)
			return nil
		},
	}
	group.addTo(cmd)
	timeout.addTo(cmd, "timeout", 5*time.Second, "how long to wait for all replicas")
	return cmd
}
