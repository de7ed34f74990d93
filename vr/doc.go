// Package vr is Viewstamped Replication as a state machine: no sockets, clocks, goroutines or
// randomness. A Replica is told of messages and of time, and says what to send.
//
//	message ──> Step ─┐
//	                  ├─> Effects: messages to send, results, events
//	time ─────> Tick ─┘
//
// Read replica.go first, then normal.go, viewchange.go, recovery.go and transfer.go; each file is
// one sub-protocol of the paper, "Viewstamped Replication Revisited" (Liskov and Cowling, 2012).
// checkpoint.go is how the log stays short, restore.go what a replica does that lacks more than
// the logs of the others hold, and tail.go how it gets what they execute meanwhile.
// PROTOCOL.md holds the rules, the invariants by name, and where we deviate from the paper and why.
package vr
