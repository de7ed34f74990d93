package frag

import (
	"net/netip"

	"vrnode/frag/noise"
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
	// Keys, if there are any, put the endpoint in secure mode: it talks to nobody who has none of
	// them. The first one is tried first. See noise.Check for what keys may be used together.
	Keys []noise.Key
	// Entropy is where the secrets of sessions and the cookies come from. It must be secret and
	// differ between runs.
	Entropy [32]byte
	// FixedRate is at how many bytes per second to send to each peer, for networks that are known
	// to carry that and are nobody else's: nothing makes the endpoint slow down. 0: it measures
	// what the path carries, and shares it.
	FixedRate int64
}

// An Address is where a replica is expected at first. Sessions follow it when it moves.
type Address struct {
	ID   wire.Peer
	Addr netip.AddrPort
}
