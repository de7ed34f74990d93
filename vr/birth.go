package vr

import (
	"time"

	"vrnode/wire"
)

// This file is the birth of a group. The paper leaves it to operators, and so do we: a replica that has
// just started waits, and Form says that it is a member of a new group. That begins with nothing, or
// with a state that somebody has kept. Then two steps keep the members together:
//
//	FetchBase   each of them fetches the state from the program that has it, and holds it. That
//	            binds nobody: another FetchBase, a Form without a state, or a group that is found
//	            alive and can be recovered from, all end it.
//	Form        names the state. Who holds it reads it into its machine and is then operational, with
//	            a log that begins there; who does not ignores it.
//
// So nothing irrevocable happens before all hold the same, and nobody is operational without it.

// birth is what a replica without memory knows of a state that a group is to begin with.
type birth struct {
	base  wire.Base // zero: nobody has said anything, or there is a group to come back into
	donor wire.Peer
	held  bool // whoever runs the replica has all of it
	// cluster and members are of the group, as soon as that is formed.
	cluster wire.ClusterID
	members []wire.Member
}

// formed tells whether the replica belongs to a new group, and is still reading its state.
func (b *birth) formed() bool { return !b.cluster.IsZero() }

// mayBeBorn tells whether the replica has not come to anything yet: its machine is as it was at the start.
func (r *Replica) mayBeBorn() bool {
	return r.status == wire.StatusRecovering && !r.restoring && r.applied == 0 && !r.birth.formed()
}

// onFetchBase lets the replica want a state. Two operators at a time get in each other's way, and the
// last one is believed.
func (r *Replica) onFetchBase(h *wire.Header, m *wire.FetchBase, out *Effects) Reason {
	switch {
	case !r.mayBeBorn():
		return AlreadyOperational
	case m.Base.Op == 0:
		return Malformed
	case m.Base == r.birth.base && h.From == r.birth.donor:
		return NothingNew
	}
	r.birth = birth{base: m.Base, donor: h.From, held: r.birth.held && m.Base == r.birth.base}
	out.event(Event{Kind: EventNeedsBase, Op: m.Base.Op, Peer: h.From})
	return 0
}

// Hold tells that the runtime has the whole state that NeedState asked for, and asks whether it is to
// be held for a group that is not formed yet.
func (r *Replica) Hold(out *Effects) bool {
	if r.birth.base.IsZero() || r.birth.formed() {
		return false
	}
	if !r.birth.held {
		r.birth.held = true
		out.event(Event{Kind: EventHolds, Op: r.birth.base.Op, Peer: r.cfg.Self})
	}
	return true
}

// Lose tells that the runtime could not read the state. A member of a new group fetches it once more, which
// is in vain if whoever formed the group has left.
func (r *Replica) Lose(out *Effects) {
	r.birth.held = false
	if r.birth.formed() {
		out.event(Event{Kind: EventUnread, Op: r.birth.base.Op, Peer: r.cfg.Self})
	}
}

// onForm makes this replica a member of a new group: view 0, an empty log. Only the run that is
// listed may do so, and only if it has not come to anything yet; any other learns from the rest. If
// the group begins with a state, the replica is a member when it has read it.
func (r *Replica) onForm(now time.Duration, h *wire.Header, m *wire.Form, out *Effects) Reason {
	switch {
	case !r.mayBeBorn():
		return AlreadyOperational // or about to be: it has, or reads, the state of a group
	case h.Cluster.IsZero() || !r.fits(m.Members, true):
		return NotListed
	case !m.Base.IsZero() && !(r.birth.held && m.Base == r.birth.base):
		return NotHeld
	}
	r.birth.cluster, r.birth.members = h.Cluster, append([]wire.Member(nil), m.Members...)
	r.endFetch()
	r.timers.stopAll() // nobody is asked for a memory any more
	if m.Base.IsZero() {
		r.beBorn(now, h.From, &Restored{}, out)
	}
	return 0
}

// beBorn makes the replica operational in view 0 of the new group. Its log begins where the state ends. The
// sessions of the earlier group are over: their clients belong to that, and are told so.
func (r *Replica) beBorn(now time.Duration, operator wire.Peer, state *Restored, out *Effects) {
	r.cluster, r.members = r.birth.cluster, r.birth.members
	r.crashVector = crashVector(r.members).copy() // the group is of these runs, whatever was heard of others
	for i := range r.peers {
		r.peers[i].recovering = false
	}
	r.recovery, r.restoring = recovery{}, false
	r.outrun = 0 // was of the group that it would have come back into
	r.log = startAt(state.op, state.chain)
	r.applied, r.commit, r.sessions, r.unsaved = state.op, state.op, newSessions(), state.unsaved
	out.event(Event{Kind: EventFormed, Op: state.op, Peer: operator})
	if state.op > 0 {
		r.takeCheckpoint(out)
	}
	r.becomeNormal(now, state.op, out)
	r.judgeGroup(now, out)
	r.check()
}

// fits tells whether a configuration lists this replica, this very run of it if need be, only
// known replicas, each once, and a number of them that can recover: one, or three and more. Of
// two, none could ever come back, since recovery takes a quorum of others.
func (r *Replica) fits(members []wire.Member, thisRun bool) bool {
	listed := false
	for i, m := range members {
		for _, other := range members[:i] {
			if other.ID == m.ID {
				return false
			}
		}
		if r.seat(m.ID) < 0 {
			return false
		}
		listed = listed || m.ID == r.cfg.Self && (!thisRun || m.Incarnation == r.incarnation)
	}
	return listed && len(members) != 2 && len(members) == len(r.cfg.Replicas)
}
