package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"vrnode/internal/bench"
)

// newRelay is the command of the processes of a floor. It is not for people: bench starts it.
func newRelay() *cobra.Command {
	return &cobra.Command{
		Use:    "relay [BACKUP…]",
		Short:  "Relay datagrams without a protocol, for bench",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			backups := make([]netip.AddrPort, len(args))
			for i, arg := range args {
				var err error
				if backups[i], err = netip.ParseAddrPort(arg); err != nil {
					return usage("%w", err)
				}
			}
			return runRelay(os.Stdin, cmd.OutOrStdout(), backups)
		},
	}
}

// runRelay prints the address and relays until its parent is gone.
func runRelay(parent io.Reader, stdout io.Writer, backups []netip.AddrPort) error {
	conn, err := bench.Listen()
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, conn.LocalAddr())
	go func() {
		io.Copy(io.Discard, parent)
		conn.Close()
	}()
	return bench.Relay(conn, backups)
}
