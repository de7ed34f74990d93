package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vrnode/netem/host"
	"vrnode/netem/tc"
)

func newLabClean() *cobra.Command {
	dev := ""
	cmd := &cobra.Command{
		Use:   "clean [--host-iface DEV]",
		Short: "Take away what lab apply has left on real interfaces",
		Long: `clean lists the interfaces that have something of lab apply's, and then takes it away. It knows its
own by the handle of the qdisc, 7652:, the name of the nft table, vrlab-DEV, and the journals in
/run/vrnode; nothing else is touched. Only lab apply leaves anything, and only if it is killed together
with its watchdog; what lab run makes is gone with it.`,
		Example: `  vrnode lab clean
  vrnode lab clean --host-iface eth1`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := host.Look()
			if err != nil {
				return invalid(err)
			}
			if dev != "" {
				found = slices.DeleteFunc(found, func(f host.Found) bool { return f.Dev != dev })
			}
			out := cmd.OutOrStdout()
			for _, f := range found {
				fmt.Fprintln(out, describeFound(&f))
			}
			for _, f := range found {
				if err := f.Remove(func(c tc.Command) { fmt.Fprintln(out, c) }); err != nil {
					return invalid(err)
				}
			}
			if len(found) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "there is nothing of ours")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dev, "host-iface", "", "the interface (default: all)")
	return cmd
}

func describeFound(f *host.Found) string {
	if f.Journal == nil {
		return f.Dev + ": nobody knows since when"
	}
	return fmt.Sprintf("%s: %s, until %s, by process %d", f.Dev, f.Journal.Does, f.Journal.Until.Format(time.DateTime), f.Journal.PID)
}
