package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vrnode/wire"
)

// peers is the value of --peers: the address of every replica by its number.
type peers map[uint64]string

// addTo gives a command the flag.
func (p *peers) addTo(cmd *cobra.Command) {
	cmd.Flags().Var(p, "peers", "all replicas of the group")
}

// Type names the value in the help.
func (p *peers) Type() string { return "ID=HOST:PORT,..." }

// String writes the value in the order of the numbers, as Set reads it.
func (p *peers) String() string {
	items := make([]string, 0, len(*p))
	for _, id := range slices.Sorted(maps.Keys(*p)) {
		items = append(items, fmt.Sprintf("%d=%s", id, (*p)[id]))
	}
	return strings.Join(items, ",")
}

// Set reads the value. A second --peers replaces the first.
func (p *peers) Set(text string) error {
	read := make(peers)
	for item := range strings.SplitSeq(text, ",") {
		if err := read.add(strings.TrimSpace(item)); err != nil {
			return err
		}
	}
	if err := checkSize(len(read)); err != nil {
		return err
	}
	*p = read
	return nil
}

func (p peers) add(item string) error {
	number, address, found := strings.Cut(item, "=")
	if !found {
		return fmt.Errorf("%q is not of the form ID=HOST:PORT", item)
	}
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil || !wire.Peer(id).IsReplica() {
		return fmt.Errorf("%q: a replica's ID is a number from 1 to %d", item, wire.ReplicaMax)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not of the form ID=HOST:PORT", item)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: a port is a number from 1 to 65535", item)
	}
	for other, taken := range p {
		if other == id {
			return fmt.Errorf("replica %d is there twice", id)
		}
		if taken == address {
			return fmt.Errorf("replicas %d and %d have the same address %s", other, id, address)
		}
	}
	p[id] = address
	return nil
}

func checkSize(n int) error {
	switch {
	case n == 2:
		return fmt.Errorf("a group of 2 replicas can never bring one back that lost its memory, " +
			"because that takes the answers of 2 others: list 1, or 3 and more")
	case n > wire.MembersMax:
		return fmt.Errorf("%d replicas are more than a group can have, %d", n, wire.MembersMax)
	}
	return nil
}

// required refuses a command line without --peers.
func (p peers) required() error {
	if len(p) == 0 {
		return usage("--peers is missing: list all replicas of the group, as in " +
			"--peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000")
	}
	return nil
}

// failures is how many replicas a group of n may lose.
func failures(n int) int { return (n - 1) / 2 }
