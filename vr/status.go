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
	LogBase     wire.OpNumber // the log holds the ops after it
	Checkpoint  wire.OpNumber // the op of the newest checkpoint, 0 if there is none
	Restoring   bool          // the state is being replaced by that of another replica
	GroupLost   bool
	Members     []wire.Member
	CrashVector []wire.Member
	// Sessions is the number of open client sessions, LogBytes the memory of the log's entries.
	Sessions int
	LogBytes int
}
