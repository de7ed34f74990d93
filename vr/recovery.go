package vr

import (
	"slices"
	"time"

	"vrnode/wire"
)

// This file is recovery: VR Revisited, section 4.3, with crash-consistent quorums (DISC
// 2017, section 4.2) in place of its nonce, because a plain quorum of answers can forget the
// promises that its members made before they lost their own memory.
//
// A process can not tell its first start from a later one, so every start is a recovery, and a
// group is born by Form alone (birth.go). When more members are without memory than the group survives, no
// one can recover: the group has stopped, says so, and never forms by itself.

type recovery struct {
	responses [wire.MembersMax]response // by position in cfg.Replicas
	cluster   wire.ClusterID            // of the group that answered, zero until one did
	view      wire.ViewNumber           // of the target, while fetching
	primary   wire.Peer                 // the last target
	commit    wire.OpNumber             // of the target
	epoch     wire.EpochNumber          // of the target
	members   []wire.Member             // of the target
	interval  time.Duration
}

// response is the newest RecoveryResponse of one replica.
type response struct {
	made        bool
	from        wire.Peer
	incarnation wire.Incarnation
	view        wire.ViewNumber
	isPrimary   bool
	op          wire.OpNumber
	commit      wire.OpNumber
}

// forgetOlder drops the answer of an earlier run of a replica.
func (r *recovery) forgetOlder(id wire.Peer, i wire.Incarnation) {
	for at := range r.responses {
		if p := &r.responses[at]; p.made && p.from == id && p.incarnation < i {
			*p = response{}
		}
	}
}

// ---- the replica without memory

// beginRecovery is the state at every start.
func (r *Replica) beginRecovery(now time.Duration) {
	r.status = wire.StatusRecovering
	r.forgetAnswers(recoveryIntervalMin)
	r.timers.stopAll()
	r.timers[timerRecovery] = now
}

// forgetAnswers forgets what was answered, and what that has said of runs.
func (r *Replica) forgetAnswers(interval time.Duration) {
	r.crashVector = crashVector{{ID: r.cfg.Self, Incarnation: r.incarnation}}
	r.recovery = recovery{interval: interval}
	r.endFetch()
}

// onRecoveryTimer asks everybody. It also judges whether the group can still be helped.
func (r *Replica) onRecoveryTimer(now time.Duration, out *Effects) {
	if r.recovery.interval == recoveryIntervalMin {
		out.event(Event{Kind: EventRecovering, Peer: r.cfg.Self})
	}
	h := r.header()
	if r.mayTurn() {
		h.Cluster = wire.ClusterID{} // any group may answer
	}
	r.broadcastAs(h, &wire.Recovery{}, out)
	r.timers[timerRecovery] = now + r.recovery.interval + r.jitter(r.recovery.interval/4)
	r.recovery.interval = min(2*r.recovery.interval, recoveryIntervalMax)
	r.judgeGroup(now, out)
}

// askAgain gives up the target: its primary has moved on. What is committed stays. A replica that
// waits for a state asks at leisure.
func (r *Replica) askAgain(now time.Duration, out *Effects) {
	staging := r.fetch.staging
	if staging != nil && staging.head > r.recovery.commit {
		staging.truncate(max(staging.base, r.recovery.commit))
	}
	r.endFetch()
	r.fetch.staging = staging
	r.recovery.responses = [wire.MembersMax]response{}
	r.recovery.view = 0
	r.recovery.interval = recoveryIntervalMin
	r.timers[timerRecovery] = now
	if r.lacks != 0 {
		r.recovery.interval = recoveryIntervalMax
		r.timers[timerRecovery] = now + recoveryIntervalMax
	}
}

// onRecoveryResponse collects answers to this run. They must be crash-consistent, too: an answer
// of a run that another answer knows to be over does not count.
func (r *Replica) onRecoveryResponse(now time.Duration, h *wire.Header, m *wire.RecoveryResponse, out *Effects) Reason {
	switch {
	case r.status != wire.StatusRecovering || r.birth.formed():
		return NotAwaited
	case m.ForIncarnation != r.incarnation:
		return NotThisRun
	case !r.fits(m.Members, false):
		return NotListed
	case h.Cluster.IsZero() || m.Commit > m.Op || m.IsPrimary != (h.From == primaryAmong(m.Members, h.View)):
		return Malformed
	}
	if r.isOfAnother(h) { // and it may turn: see ignoreCluster
		r.forgetAnswers(r.recovery.interval)
		r.outrun = 0
	}
	if len(r.recovery.members) > 0 && !slices.Equal(r.recovery.members, m.Members) {
		return WrongEpoch
	}
	for _, other := range m.CrashVector {
		if other.ID == r.cfg.Self && other.Incarnation > r.incarnation {
			r.startOver(now, other.Incarnation)
			return NotThisRun
		}
	}
	r.joinCrashVector(now, m.CrashVector, out)
	if h.Incarnation < r.crashVector.get(h.From) {
		return StaleSender
	}
	p := &r.recovery.responses[r.seat(h.From)]
	if p.made && (p.view > h.View || p.view == h.View && p.op > m.Op) {
		return NothingNew
	}
	*p = response{
		made: true, from: h.From, incarnation: h.Incarnation,
		view: h.View, isPrimary: m.IsPrimary, op: m.Op, commit: m.Commit,
	}
	r.recovery.cluster, r.recovery.epoch = h.Cluster, h.Epoch
	r.recovery.members = append(r.recovery.members[:0], m.Members...)
	r.tryRecover(now, out)
	return 0
}

// mayTurn tells whether the replica may still ask another group than the one that has answered. That may be
// one that was lost: a member of it that nobody could end answers like any other. As long as nothing is
// fetched from the group, nothing but part of a log was taken from it, which is dropped.
func (r *Replica) mayTurn() bool {
	return r.fetch.purpose == 0 && r.lacks == 0 && r.mayBeBorn()
}

// tryRecover picks the target when a quorum has answered: the state of the primary of the highest
// view among them. No backup's will do, because it may lack what this replica acknowledged. Nor will
// that of a primary which has not committed what a state stands for that this replica has: it will
// have soon, or it has been replaced and does not know it yet.
func (r *Replica) tryRecover(now time.Duration, out *Effects) {
	if r.fetch.purpose != 0 {
		return
	}
	n, view := 0, wire.ViewNumber(0)
	for _, p := range r.recovery.responses {
		if p.made {
			n++
			view = max(view, p.view)
		}
	}
	if n < quorumOf(len(r.recovery.members)) {
		return
	}
	for _, p := range r.recovery.responses {
		if p.made && p.isPrimary && p.view == view && p.commit >= r.log.base {
			r.fetchEverything(now, p, out)
			return
		}
	}
}

// fetchEverything brings the target's log.
func (r *Replica) fetchEverything(now time.Duration, p response, out *Effects) {
	r.recovery.view, r.recovery.commit, r.recovery.primary = p.view, p.commit, p.from
	staging := r.fetch.staging
	if staging == nil || staging.head > p.op {
		staging = r.log.piece(r.log.base) // nothing, or where a state ends
	}
	r.timers.stop(timerRecovery)
	r.fetch = fetch{purpose: fetchRecovery, lastNormal: p.view, to: p.op, donor: p.from, staging: staging}
	if !r.fetch.unfinished() {
		r.finishRecovery(now, out)
		return
	}
	r.beginFetch(now, r.fetch, out)
}

// finishRecovery makes the replica operational, in one step and only with the whole log.
func (r *Replica) finishRecovery(now time.Duration, out *Effects) {
	target := r.recovery
	r.log = *r.fetch.staging
	r.cluster, r.epoch, r.members = target.cluster, target.epoch, target.members
	r.view, r.recovery = target.view, recovery{}
	r.becomeNormal(now, target.commit, out)
	out.event(Event{Kind: EventRecovered, View: r.view, Op: r.log.head, Peer: r.cfg.Self})
	r.judgeGroup(now, out)
	r.acknowledge(out)
}

// onStaleIncarnation: somebody knows a later run of this replica. One that has no memory yet takes
// a larger number, for its clock went backwards; one that is operational has been replaced.
func (r *Replica) onStaleIncarnation(now time.Duration, m *wire.StaleIncarnation, out *Effects) Reason {
	if m.Known <= r.incarnation {
		return NothingNew
	}
	if r.status != wire.StatusRecovering || r.birth.formed() {
		r.halt(Fenced, out)
		return 0
	}
	r.startOver(now, m.Known)
	return 0
}

// startOver begins the recovery again under an incarnation above the one that is known.
func (r *Replica) startOver(now time.Duration, known wire.Incarnation) {
	r.incarnation = FreshIncarnation(0, r.random.Uint64(), known)
	r.beginRecovery(now)
}

// ---- those who help

// onRecovery answers a replica that has lost its memory. Its new incarnation was learned before:
// that is what makes the answer worth something. The answer is made from the very state that
// Prepares are made from, so it holds every op that a Prepare has carried.
func (r *Replica) onRecovery(now time.Duration, h *wire.Header, out *Effects) Reason {
	r.judgeGroup(now, out)
	switch r.status {
	case wire.StatusRecovering:
		out.send(r.header(), h.From, &wire.RecoveringToo{})
		return NotOperational
	case wire.StatusViewChange:
		return NotNormal // it asks again
	}
	out.send(r.header(), h.From, &wire.RecoveryResponse{
		ForIncarnation: h.Incarnation, IsPrimary: r.isPrimary(), Op: r.log.head, Commit: r.commit,
		Members: r.members, CrashVector: r.crashVector.copy(),
	})
	return 0
}

// ---- diagnosis

// recentlyRecovering is for how long a replica counts as being without memory after it said so.
const recentlyRecovering = 3 * recoveryIntervalMax

// judgeGroup finds out whether so many replicas are without memory that none can recover.
func (r *Replica) judgeGroup(now time.Duration, out *Effects) {
	without := 0
	for i, id := range r.cfg.Replicas {
		p := &r.peers[i]
		if id == r.cfg.Self && r.status == wire.StatusRecovering || p.recovering && now-p.recoveryAt < recentlyRecovering {
			without++
		}
	}
	n := len(r.cfg.Replicas)
	lost := n-without < quorumOf(n)
	if lost && !r.groupLost {
		out.event(Event{Kind: EventGroupLost, View: r.view, Peer: r.cfg.Self})
	}
	r.groupLost = lost
}

// report answers a Probe, or a client that asks a replica without memory for service.
func (r *Replica) report(now time.Duration, to wire.Peer, seq uint64, out *Effects) {
	r.judgeGroup(now, out)
	m := &wire.ProbeReply{
		Seq: seq, Status: r.status, LastNormal: r.lastNormal, Op: r.log.head, Commit: r.commit,
		Applied: r.applied, GroupLost: r.groupLost, Members: r.members,
		ClientCount: uint64(len(r.sessions.seats)),
		LogBase:     r.log.base, Checkpoint: r.checkpointOp(),
		Transfer: wire.TransferReport{Phase: wire.TransferIdle}, // whoever moves states knows better
	}
	if r.birth.held {
		m.Held = r.birth.base.Root
	}
	for i, id := range r.cfg.Replicas {
		if id == r.cfg.Self {
			continue
		}
		heard := ^uint64(0)
		if r.peers[i].everHeard {
			heard = uint64((now - r.peers[i].heard) / time.Microsecond)
		}
		m.Peers = append(m.Peers, wire.PeerReport{ID: id, Op: r.primary.match[i], HeardMicros: heard})
	}
	out.send(r.header(), to, m)
}
