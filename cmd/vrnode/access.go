package main

import (
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"vrnode/vr/client"
)

// access is what a command needs to get at a group: what --peers, --key-file and --insecure say.
type access struct {
	peers    peers
	keyFile  string
	insecure bool
	keys     []client.Key // in the file, after check
}

// addTo gives a command the flags.
func (a *access) addTo(cmd *cobra.Command) {
	a.peers.addTo(cmd)
	cmd.Flags().StringVar(&a.keyFile, "key-file", "", "file with the key of the group, as vrnode keygen writes it")
	cmd.Flags().BoolVar(&a.insecure, "insecure", false, "talk without a key over a network that others can reach")
}

// check refuses a command line that does not lead to a group, or leads there in the sight of
// others. It reads the key file.
func (a *access) check() (err error) {
	if err := a.peers.required(); err != nil {
		return err
	}
	if a.keyFile != "" {
		if a.insecure {
			return usage("--insecure means that there is no key: leave it out, or --key-file")
		}
		a.keys, err = readKeys(a.keyFile)
		return err
	}
	if exposed := a.exposed(); exposed != "" && !a.insecure {
		return usage("--key-file is missing: %s is not on this machine alone, so others could read and forge what goes there. "+
			"Make a key with vrnode keygen, for all replicas and clients, or say --insecure", exposed)
	}
	return nil
}

// exposed returns the first address at which others than the users of this machine may listen, if
// there is one.
func (a *access) exposed() string {
	for _, id := range slices.Sorted(maps.Keys(a.peers)) {
		host, _, _ := net.SplitHostPort(a.peers[id])
		if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() || host == "localhost" {
			continue
		}
		return a.peers[id]
	}
	return ""
}

// flags writes the flags as on the command line.
func (a *access) flags() string {
	text := "--peers " + a.peers.String()
	if a.keyFile != "" {
		text += " --key-file " + a.keyFile
	}
	if a.insecure {
		text += " --insecure"
	}
	return text
}
