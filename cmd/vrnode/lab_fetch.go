package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vrnode/netem/guest"
)

func newLabFetch() *cobra.Command {
	return &cobra.Command{
		Use:   "fetch",
		Short: "Bring the kernel that backend guest boots",
		Long: `fetch gets a kernel with netem from a Debian mirror, some 30 MB, and unpacks it in your cache. Nothing
is installed. It needs apt-get and dpkg, and that apt-get update has been run.`,
		Example: `  vrnode lab fetch
  rm -r ~/.cache/vrnode/guest`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := guest.Fetch(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return invalid(err)
			}
			kit, err := guest.Find()
			if err != nil {
				return invalid(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), kit)
			return nil
		},
	}
}
