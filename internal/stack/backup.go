package stack

import (
	"time"

	"vrnode/statexfer"
	"vrnode/wire"
)

// This file is what a program outside the group does with states: it fetches that of a group, to keep
// it, and gives one that was kept to replicas that are to form a group with it.

// Fetch begins to fetch a checkpoint of a group, or changes whom it is fetched from.
func (h *Host) Fetch(now time.Duration, cluster wire.ClusterID, need statexfer.Need, out *Effects) {
	h.states.cluster = cluster
	if h.states.ready == nil {
		h.states.target.Start(now, need, &out.states)
	}
	h.move(now, out)
	out.publish()
}

// Fetched returns the checkpoint, as soon as all of it is there. It may be read by any goroutine until
// EndFetch.
func (h *Host) Fetched() *statexfer.Ready { return h.states.ready }

// EndFetch ends what Fetch began.
func (h *Host) EndFetch(out *Effects) {
	h.states.stop(out)
	out.publish()
}

// Give begins to write out a checkpoint, to give it to those who want it.
func (h *Host) Give(now time.Duration, c statexfer.Checkpoint, out *Effects) {
	h.states.source.Offer(c)
	h.states.source.Prepare(now, &out.states)
	out.publish()
}

// Given returns the root of that checkpoint, once it is written out, and why it could not be.
func (h *Host) Given() (root wire.Digest, written bool, err error) { return h.states.source.Root() }

// Gave returns how many bytes of it went out, and how many it has.
func (h *Host) Gave() (bytes, size uint64) {
	return h.states.source.Stats().Bytes, h.states.source.Size()
}
