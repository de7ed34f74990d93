package main

import (
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"
)

// access is what a command needs to get at a group: what --peers, --key-file and --insecure say.
type access struct {
	peers peers
	keyring
}

// addTo gives a command the flags.
func (a *access) addTo(cmd *cobra.Command) {
	a.peers.addTo(cmd)
	a.keyring.addTo(cmd, "the key of the group")
}

// check refuses a command line that does not lead to a group, or leads there in the sight of
// others. It reads the key file.
func (a *access) check() error {
	if err := a.peers.required(); err != nil {
		return err
	}
	return a.keyring.check(a.exposed(), "all replicas and clients")
}

// exposed returns the first address at which others than the users of this machine may listen, if
// there is one.
func (a *access) exposed() string {
	for _, id := range slices.Sorted(maps.Keys(a.peers)) {
		if isExposed(a.peers[id]) {
			return a.peers[id]
		}
	}
	return ""
}

// isExposed tells whether others than the users of this machine may listen to what goes to an
// address.
func isExposed(hostPort string) bool {
	host, _, _ := net.SplitHostPort(hostPort)
	ip, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !ip.Unmap().IsLoopback())
}

// flags writes the flags as on the command line.
func (a *access) flags() string { return "--peers " + a.peers.String() + a.keyring.flags() }
