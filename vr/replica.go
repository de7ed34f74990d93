package vr

import (
	"math/rand/v2"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// A Replica is one replica of a group: the paper's protocol as a state machine. It is not safe
// for concurrent use. Effects are released only after the call that made them has returned, so
// what a message says of the state was true when the message was made.
type Replica struct {
	cfg     Config
	machine StateMachine
	random  *rand.Rand

	incarnation wire.Incarnation
	cluster     wire.ClusterID
	epoch       wire.EpochNumber
	members     []wire.Member // the configuration, in the order that decides who is primary
	crashVector crashVector

	status     wire.Status
	view       wire.ViewNumber       // a promise: never acknowledge anything in a lower view
	lastNormal wire.ViewNumber       // highest view whose complete initial log was installed; v' in the paper
	log        log                   //
	commit     wire.OpNumber         // Invariant: applied <= commit <= log.head.
	applied    wire.OpNumber         // last op executed
	sessions   sessions              // as of applied
	unsaved    unsaved               // as of applied
	checkpoint *Checkpoint           // the newest; nil before the first. Invariant: log.base <= its op.
	peers      [wire.MembersMax]peer // by position in cfg.Replicas
	timers     timers

	primary    primary       // normal.go
	backup     backup        // normal.go
	viewChange viewChange    // viewchange.go
	fetch      fetch         // transfer.go
	logs       uint64        // how many may answer a GetLog; 0: one
	patience   time.Duration // how long the first answer of a fetch is waited for; 0: nothing is known of that
	ahead      early         // Logs that came before those in front of them
	recovery   recovery      // recovery.go
	birth      birth         // birth.go
	groupLost  bool          // recovery.go

	lacks     wire.OpNumber        // restore.go: others have no log up to it, and this replica needs it; 0: nothing
	restoring bool                 // the machine is being restored, and executes nothing
	restored  *Restored            // the state that the machine has been restored to, until it may be adopted
	outrun    wire.OpNumber        // states up to it are of no use: the primary's log begins later
	expected  expected             // tail.go: the state that is being brought
	pins      [wire.MembersMax]pin // pin.go
}

// peer is what is known of another replica, whatever the status of either.
type peer struct {
	heard      time.Duration // when a message of it was last accepted
	everHeard  bool
	recovering bool          // it said that it has no memory, and nothing else since
	recoveryAt time.Duration // when it last said so
}

// New returns a replica without memory. Every start is a recovery: only Form, or the answers of
// enough other members, make it operational. cfg must list Self among at most
// wire.MembersMax distinct Replicas.
func New(cfg Config, machine StateMachine) *Replica {
	r := &Replica{
		cfg:         cfg,
		machine:     machine,
		random:      rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.Self))),
		incarnation: cfg.Incarnation,
		sessions:    newSessions(),
	}
	if r.cfg.LogBytes == 0 {
		r.cfg.LogBytes = LogBytesDefault
	}
	assert.That(r.seat(cfg.Self) >= 0 && len(cfg.Replicas) <= wire.MembersMax, "a replica is one of at most MembersMax")
	r.beginRecovery(0)
	return r
}

// Step handles one message. It keeps nothing of h and m after it returns. A message is accepted,
// or ignored for a Reason that an Event tells.
func (r *Replica) Step(now time.Duration, h *wire.Header, m wire.Message, out *Effects) {
	if why := r.ignoreHeader(now, h, m.Kind(), out); why != 0 {
		out.ignored(h, m, why)
		return
	}
	if why := r.handle(now, h, m, out); why != 0 {
		out.ignored(h, m, why)
	}
	r.adopt(now, out)
	r.replayEarly(now, out)
	r.check()
}

// handle is the one switch over all messages. It returns why the message was ignored, or 0.
func (r *Replica) handle(now time.Duration, h *wire.Header, m wire.Message, out *Effects) Reason {
	switch m := m.(type) {
	case *wire.Register:
		return r.onRegister(now, h, out)
	case *wire.Request:
		return r.onRequest(now, h, m, out)
	case *wire.Prepare:
		return r.onPrepare(now, h, m, out)
	case *wire.PrepareOK:
		return r.onPrepareOK(now, h, m.Op, out)
	case *wire.Commit:
		return r.onCommit(now, h, m, out)
	case *wire.CommitAck:
		return r.onPrepareOK(now, h, m.Op, out)
	case *wire.StartViewChange:
		return r.onStartViewChange(now, h, out)
	case *wire.JoinView:
		return r.onJoinView(now, h, out)
	case *wire.DoViewChange:
		return r.onDoViewChange(now, h, m, out)
	case *wire.StartView:
		return r.onStartView(now, h, m, out)
	case *wire.GetView:
		return r.onGetView(now, h, out)
	case *wire.ViewChangeProgress:
		return r.onViewChangeProgress(now, h, m)
	case *wire.GetLog:
		return r.onGetLog(now, h, m, out)
	case *wire.Log:
		return r.onLog(now, h, m, out)
	case *wire.Form:
		return r.onForm(now, h, m, out)
	case *wire.FetchBase:
		return r.onFetchBase(h, m, out)
	case *wire.TakeCheckpoint:
		return r.onTakeCheckpoint(h, m, out)
	case *wire.Recovery:
		return r.onRecovery(now, h, out)
	case *wire.RecoveryResponse:
		return r.onRecoveryResponse(now, h, m, out)
	case *wire.RecoveringToo:
		return 0 // ignoreHeader has noted it
	case *wire.StaleIncarnation:
		return r.onStaleIncarnation(now, m, out)
	case *wire.Probe:
		r.report(now, h.From, m.Seq, out)
		return 0
	}
	return Misaddressed
}

// Tick fires the timers that are due, sends what was batched, forgets what a checkpoint stands for and
// executes what is committed.
// Calling it early or late is safe; a runtime calls it after each batch of Steps and at Deadline.
func (r *Replica) Tick(now time.Duration, out *Effects) {
	for {
		which, at, ok := r.timers.due(now)
		if !ok {
			break
		}
		r.onTimer(now, which, now-at, out)
	}
	r.unpin(now)
	r.forget()
	r.execute(out)
	r.flush(now, out)
	if r.groupLost { // not all that could tell otherwise are heard
		r.judgeGroup(now, out)
	}
	r.check()
}

func (r *Replica) onTimer(now time.Duration, which timer, late time.Duration, out *Effects) {
	switch which {
	case timerHeartbeat:
		r.onHeartbeatTimer(now, out)
	case timerResend:
		r.onResendTimer(now, out)
	case timerSuspect:
		r.onSuspectTimer(now, late, out)
	case timerVote:
		r.onVoteTimer(now, out)
	case timerViewChange:
		r.onViewChangeTimer(now, out)
	case timerGiveUp:
		r.suspect(now, out)
	case timerFetch:
		r.onFetchTimer(now, out)
	case timerRecovery:
		r.onRecoveryTimer(now, out)
	case timerTail:
		r.onTailTimer(now, out)
	}
}

// Deadline returns when Tick next has something to do; a time in the past means at once.
func (r *Replica) Deadline() time.Duration {
	if r.applied < r.commit && !r.restoring || r.mayFlush() || r.mayForget() {
		return 0
	}
	return r.timers.next()
}

// ---- identities

// seat returns the position of a replica in cfg.Replicas, or -1.
func (r *Replica) seat(id wire.Peer) int {
	for i, other := range r.cfg.Replicas {
		if other == id {
			return i
		}
	}
	return -1
}

// primaryOf returns the primary of a view, or 0 without a configuration.
func (r *Replica) primaryOf(view wire.ViewNumber) wire.Peer { return primaryAmong(r.members, view) }

// primaryAmong returns the primary of a view: view modulo the number of members, in their order.
func primaryAmong(members []wire.Member, view wire.ViewNumber) wire.Peer {
	if len(members) == 0 {
		return 0
	}
	return members[view%wire.ViewNumber(len(members))].ID
}

func (r *Replica) isPrimary() bool {
	return r.status == wire.StatusNormal && r.primaryOf(r.view) == r.cfg.Self
}

func (r *Replica) isBackup() bool {
	return r.status == wire.StatusNormal && r.primaryOf(r.view) != r.cfg.Self
}

// quorumOf returns the size of a quorum of n members: a majority, n - f.
func quorumOf(n int) int { return n/2 + 1 }

func (r *Replica) quorum() int { return quorumOf(len(r.members)) }

// ---- the common rules for every message

// ignoreHeader applies the rules that depend on a header and a kind alone: H1 to H4 of
// PROTOCOL.md. It learns the sender's incarnation.
func (r *Replica) ignoreHeader(now time.Duration, h *wire.Header, kind wire.Kind, out *Effects) Reason {
	if r.status == wire.StatusHalted && kind != wire.KindProbe {
		return Halted
	}
	if h.From.IsClient() {
		return r.ignoreClient(h, kind)
	}
	if speaker(kind) == client {
		return Misaddressed
	}
	i := r.seat(h.From)
	if i < 0 || h.From == r.cfg.Self {
		return UnknownSender
	}
	if h.View > viewMax {
		return Malformed
	}
	if r.ignoreCluster(h, kind) {
		return WrongCluster
	}
	if known := r.crashVector.get(h.From); h.Incarnation < known && !r.isOfAnother(h) {
		if r.status != wire.StatusRecovering {
			out.send(r.header(), h.From, &wire.StaleIncarnation{Known: known})
		} else if p := &r.peers[i]; kind == wire.KindRecovery && (!p.everHeard || now-p.heard >= recentlyRecovering) {
			// A zombie of it has used a later number. Who could tell it has no memory either, and a replica without
			// memory is silent; but that this one has none counts when the group is judged. If a later run was heard
			// just now, this is what an earlier one has said.
			p.recovering, p.recoveryAt = true, now
		}
		return StaleSender
	}
	if r.status != wire.StatusRecovering || isOfTheOperational(kind) && !h.Cluster.IsZero() && h.Cluster == r.recovery.cluster {
		r.learnIncarnation(now, h.From, h.Incarnation, out)
	}
	r.hear(now, i, kind, out)
	if r.status == wire.StatusRecovering {
		if !heardWhileRecovering(kind) {
			return NotOperational
		}
		return 0
	}
	if h.Epoch != r.epoch {
		return WrongEpoch
	}
	return 0
}

// A speakers says who sends messages of a kind: replicas, clients, or both.
type speakers uint8

const (
	replica speakers = iota
	client
	either
)

func speaker(kind wire.Kind) speakers {
	switch kind {
	case wire.KindRegister, wire.KindRequest, wire.KindProbe, wire.KindForm, wire.KindFetchBase, wire.KindTakeCheckpoint:
		return client
	case wire.KindGetManifest, wire.KindGetBlocks, wire.KindGetPiece,
		wire.KindManifest, wire.KindBlocks, wire.KindPiece, wire.KindTransferRefused:
		return either
	}
	return replica
}

// ignoreClient applies the rules to what comes from outside the group. A program may fetch the state
// of the group that it names, and may bring one only if it was announced by FetchBase.
func (r *Replica) ignoreClient(h *wire.Header, kind wire.Kind) Reason {
	switch kind {
	case wire.KindGetManifest, wire.KindGetBlocks, wire.KindGetPiece:
		if r.status == wire.StatusRecovering {
			return NotOperational
		}
		if h.Cluster != r.cluster {
			return WrongCluster
		}
	case wire.KindManifest, wire.KindBlocks, wire.KindPiece, wire.KindTransferRefused:
		if h.From != r.birth.donor {
			return NotAwaited
		}
	default:
		if speaker(kind) != client {
			return Misaddressed
		}
	}
	return 0
}

// Admit tells whether a message that is not the replica's, but of a transfer of states, is one that
// its runtime may believe: the rules for all messages apply to it.
func (r *Replica) Admit(now time.Duration, h *wire.Header, m wire.Message, out *Effects) bool {
	why := r.ignoreHeader(now, h, m.Kind(), out)
	if why != 0 {
		out.ignored(h, m, why)
	}
	return why == 0
}

// Header returns the header that a message of this replica has now.
func (r *Replica) Header() wire.Header { return r.header() }

// ignoreCluster applies H1. A replica without memory knows no group and may ask any.
func (r *Replica) ignoreCluster(h *wire.Header, kind wire.Kind) bool {
	if r.status == wire.StatusRecovering {
		answers := kind == wire.KindRecoveryResponse || kind == wire.KindStaleIncarnation
		return r.isOfAnother(h) && !(answers && r.mayTurn())
	}
	asks := kind == wire.KindRecovery || kind == wire.KindRecoveringToo || kind == wire.KindStaleIncarnation
	return h.Cluster != r.cluster && !(asks && h.Cluster.IsZero())
}

// isOfAnother tells whether a message to a replica without memory is of another group than the one that has answered it.
func (r *Replica) isOfAnother(h *wire.Header) bool {
	known := r.recovery.cluster
	return r.status == wire.StatusRecovering && !known.IsZero() && !h.Cluster.IsZero() && h.Cluster != known
}

// heardWhileRecovering is rule H3: a recovering replica takes no part in the normal case nor in a
// view change (section 4.3).
func heardWhileRecovering(kind wire.Kind) bool {
	return kind == wire.KindRecovery || kind == wire.KindRecoveringToo || isOfTheOperational(kind)
}

// isOfTheOperational tells of a message for a recovering replica that its sender is operational. Only then are later
// runs of the sender in that group sure to have a larger number; so a recovering replica, which promises nothing that a
// run could take with it, learns no other, nor those of another group. Else it would be deaf to those that can help it,
// after a run that came to nothing, or has long been over.
func isOfTheOperational(kind wire.Kind) bool {
	switch kind {
	case wire.KindRecoveryResponse, wire.KindStaleIncarnation, wire.KindLog,
		wire.KindManifest, wire.KindBlocks, wire.KindPiece, wire.KindTransferRefused:
		return true
	}
	return false
}

func (r *Replica) hear(now time.Duration, i int, kind wire.Kind, out *Effects) {
	p := &r.peers[i]
	p.heard, p.everHeard = now, true
	switch kind {
	case wire.KindRecovery, wire.KindRecoveringToo:
		p.recovering, p.recoveryAt = true, now
	case wire.KindGetLog, wire.KindGetManifest, wire.KindGetBlocks, wire.KindGetPiece:
		// These may come from a recovering replica.
	default:
		if p.recovering {
			p.recovering = false
			r.judgeGroup(now, out)
		}
	}
}

// learnIncarnation raises the crash vector. What an earlier run of the replica said counts no more.
func (r *Replica) learnIncarnation(now time.Duration, id wire.Peer, i wire.Incarnation, out *Effects) {
	known := r.crashVector.get(id)
	if i <= known {
		return
	}
	r.crashVector.raise(id, i)
	r.recovery.forgetOlder(id, i)
	r.viewChange.forgetOlder(id, i)
	r.primary.forget(r.seat(id))
	if known != 0 && r.status == wire.StatusNormal {
		out.event(Event{Kind: EventPeerRestarted, Peer: id, View: r.view})
		if id == r.primaryOf(r.view) {
			r.suspect(now, out)
		}
	}
}

// ---- sending

func (r *Replica) header() wire.Header {
	h := wire.Header{Cluster: r.cluster, Epoch: r.epoch, View: r.view, From: r.cfg.Self, Incarnation: r.incarnation}
	if r.status == wire.StatusRecovering {
		h.Cluster, h.View = r.recovery.cluster, r.recovery.view
	}
	return h
}

// send adds a message. The header says what was true when it was made.
func (e *Effects) send(h wire.Header, to wire.Peer, m wire.Message) {
	assert.That(to != h.From, "a replica never sends to itself")
	e.Messages = append(e.Messages, wire.Envelope{Header: h, To: to, Message: m})
}

// broadcast sends a message to all other replicas.
func (r *Replica) broadcast(m wire.Message, out *Effects) { r.broadcastAs(r.header(), m, out) }

func (r *Replica) broadcastAs(h wire.Header, m wire.Message, out *Effects) {
	for _, id := range r.cfg.Replicas {
		if id != r.cfg.Self {
			out.send(h, id, m)
		}
	}
}

func (e *Effects) ignored(h *wire.Header, m wire.Message, why Reason) {
	e.event(Event{Kind: EventIgnored, Peer: h.From, View: h.View, Message: m.Kind(), Reason: why})
}

// halt stops the replica for ever: going on would be wrong, and nothing that it could say would
// be worth hearing.
func (r *Replica) halt(why Reason, out *Effects) {
	r.status = wire.StatusHalted
	r.timers.stopAll()
	r.endFetch()
	out.event(Event{Kind: EventHalted, View: r.view, Op: r.log.head, Reason: why})
}

// ---- early messages

// replayEarly handles again the messages that came before what they need.
func (r *Replica) replayEarly(now time.Duration, out *Effects) {
	for _, e := range [...]*early{&r.backup.early, &r.primary.early} {
		for n := e.turn(); n > 0 && r.replay(now, e, out); n-- {
		}
	}
	for r.ahead.wakeLog(r.fetched()+1) && r.replay(now, &r.ahead, out) {
	}
	r.askOn(now, out)
}

// replay handles an early message that is due again, if there is one.
func (r *Replica) replay(now time.Duration, e *early, out *Effects) bool {
	h, m, ok := e.take()
	if ok && r.ignoreHeader(now, h, m.Kind(), out) == 0 {
		r.handle(now, h, m, out)
	}
	return ok
}

// ---- invariants

// check asserts what must hold after every call: I11 of PROTOCOL.md.
func (r *Replica) check() {
	assert.That(r.applied <= r.commit, "I11: applied <= commit")
	assert.That(r.commit <= r.log.head, "I11: commit <= op")
	assert.That(r.log.base <= r.applied, "I11: what the log has forgotten is executed")
	assert.That(r.lastNormal <= r.view, "I11: lastNormal <= view")
	assert.That(r.status != wire.StatusNormal || r.lastNormal == r.view, "I11: normal means lastNormal = view")
}

// ---- for people and checkers

// Status returns a copy of what is worth looking at.
func (r *Replica) Status() Status {
	return Status{
		Self: r.cfg.Self, Incarnation: r.incarnation, Cluster: r.header().Cluster, Epoch: r.epoch,
		Status: r.status, View: r.view, LastNormal: r.lastNormal, Primary: r.primaryOf(r.view),
		Op: r.log.head, Commit: r.commit, Applied: r.applied, GroupLost: r.groupLost,
		LogBase: r.log.base, Checkpoint: r.checkpointOp(), Restoring: r.restoring,
		Members:     append([]wire.Member(nil), r.members...),
		CrashVector: append([]wire.Member(nil), r.crashVector...),
		Sessions:    len(r.sessions.seats), LogBytes: r.log.bytes,
	}
}

func (r *Replica) checkpointOp() wire.OpNumber {
	if r.checkpoint == nil {
		return 0
	}
	return r.checkpoint.Op
}

// Chain returns the chain of the log at op, or false if the log does not reach it.
func (r *Replica) Chain(op wire.OpNumber) (wire.Chain, bool) {
	if op < r.log.base || op > r.log.head {
		return 0, false
	}
	return r.log.chain(op), true
}

// Entry returns the log's entry at op, or false if the log does not hold it. It is the log's.
func (r *Replica) Entry(op wire.OpNumber) (wire.Entry, bool) {
	if op <= r.log.base || op > r.log.head {
		return wire.Entry{}, false
	}
	return *r.log.entry(op), true
}
