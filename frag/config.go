package frag

import (
	"net/netip"

	"vrnode/wire"
)

// Config is what an Endpoint must be told.
type Config struct {
	Self        wire.Peer
	Incarnation wire.Incarnation // of this run of the process
	// Seed is where session indexes, nonces, first datagram numbers and jitter come from. It must
	// differ between runs.
	Seed uint64
	// Replicas are those that this endpoint may talk to. Self may be among them and is skipped.
	Replicas []Address
}

// An Address is where a replica is expected at first. Sessions follow it when it moves.
type Address struct {
	ID   wire.Peer
	Addr netip.AddrPort
}
