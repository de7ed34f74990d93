package vr

import "vrnode/wire"

// Status is a copy of what is worth looking at, for people and for the simulator's checkers.
type Status struct {
	Self        wire.Peer
	Incarnation wire.Incarnation
	Cluster     wire.ClusterID
	Epoch       wire.EpochNumber
	Status      wire.Status
	View        wire.ViewNumber
	LastNormal  wire.ViewNumber
	Primary     wire.Peer // of View; 0 without a configuration
	Op          wire.OpNumber
	Commit      wire.OpNumber
	Applied     wire.OpNumber
	GroupLost   bool
	Members     []wire.Member
	CrashVector []wire.Member
	// Sessions is the number of open client sessions, LogBytes what the log's entries take.
	Sessions int
	LogBytes int
}
