package vr

import (
	"time"

	"vrnode/wire"
)

// This file is the normal case: VR Revisited, section 4.1, with batches and pipelining (6.2).
//
//	client ──Request──> primary ──Prepare──> backups ──PrepareOK──> primary ──Reply──> client
//
// The primary appends a request to its log when it comes and sends what has been appended, as one
// Prepare, from Tick: so a batch is what came while the last Prepares were under way.

// primary is what only a primary keeps. Replicas are indexed by position in cfg.Replicas.
type primary struct {
	match     [wire.MembersMax]wire.OpNumber // acknowledged in this view by the known incarnation
	sent      wire.OpNumber                  // every op up to it went out in a Prepare
	sentTwice wire.OpNumber                  // value of sent before the last Prepare
	bytes     int                            // entries above the commit-number, in wire form
	seq       uint64                         // of the last heartbeat
	silent    bool                           // abdicated
	resend    [wire.MembersMax]resend
	proposals map[wire.Peer]proposal // clients with ops above applied
	marked    wire.OpNumber          // the last op that asks for a checkpoint, of those above applied at first
	early     early                  // Requests that came before an earlier one of their client
	// startViews says when each replica may next have a StartView.
	startViews [wire.MembersMax]pace
}

// pace spaces out what is sent again and again.
type pace struct {
	wait time.Duration
	at   time.Duration
}

// resend watches one backup for progress.
type resend struct {
	match wire.OpNumber // when last looked at
	wait  time.Duration
	at    time.Duration
}

// proposal is the youngest op of a client in the log.
type proposal struct {
	session wire.SessionNumber // 0: a Register
	request wire.RequestNumber
}

// backup is what only a backup keeps.
type backup struct {
	heartbeat uint64        // seq of the last heartbeat in this view
	heard     time.Duration // when the primary was last heard, by a fresh heartbeat or a Prepare
	silence   time.Duration // the longest between two times that it was heard, those of long ago shrunk
	slept     bool          // since then the replica was stopped itself, and has begun to listen anew
	early     early         // Prepares that came before the ops in front of them
	told      wire.OpNumber // the highest commit-number that the primary has told in this view
}

// becomePrimary starts the primary's part of the view that was just installed.
func (r *Replica) becomePrimary(now time.Duration) {
	r.primary = primary{
		sent: r.log.head, sentTwice: r.log.head,
		proposals: make(map[wire.Peer]proposal),
	}
	r.primary.match[r.seat(r.cfg.Self)] = r.complete()
	r.proposeAll()
	for op := r.commit + 1; op <= r.log.head; op++ {
		r.primary.bytes += r.log.entry(op).Size()
	}
	for i := range r.peers {
		r.peers[i].heard = now // a new primary gives everyone time to answer
	}
	r.timers[timerHeartbeat] = now
	r.timers[timerResend] = now + prepareResendMin
}

// forget takes back what an earlier incarnation of a replica has acknowledged.
func (p *primary) forget(seat int) {
	p.match[seat] = 0
	p.resend[seat] = resend{}
	p.startViews[seat] = pace{}
}

// proposeAll finds the clients with ops above applied.
func (r *Replica) proposeAll() {
	clear(r.primary.proposals)
	for op := r.applied + 1; op <= r.log.head; op++ {
		r.propose(op)
	}
}

// propose remembers that the client of the op has it in the log.
func (r *Replica) propose(op wire.OpNumber) {
	e := r.log.entry(op)
	switch e.Kind {
	case wire.EntryCheckpoint:
		r.primary.marked = op
		return
	case wire.EntryRegister:
		if r.primary.proposals[e.Client].session == 0 {
			r.primary.proposals[e.Client] = proposal{}
		}
		return
	}
	r.primary.proposals[e.Client] = proposal{e.Session, e.Request}
}

// ---- requests

// ignoreRequest decides whether a Register or a Request may be taken, and tells the client if not.
func (r *Replica) ignoreRequest(now time.Duration, h *wire.Header, out *Effects) Reason {
	if r.status == wire.StatusRecovering {
		r.report(now, h.From, 0, out)
		return NotOperational
	}
	if !h.Cluster.IsZero() && h.Cluster != r.cluster {
		r.refuse(h.From, wire.RefusalWrongCluster, out)
		return WrongCluster
	}
	if !r.isPrimary() {
		r.refuse(h.From, wire.RefusalNotPrimary, out)
		return NotPrimary
	}
	return 0
}

func (r *Replica) refuse(client wire.Peer, why wire.Refusal, out *Effects) {
	out.send(r.header(), client, &wire.Refused{Client: client, Why: why, Primary: r.primaryOf(r.view)})
}

// onRegister opens a session: it makes a Register op, unless the client has a session or an op
// that will open one.
func (r *Replica) onRegister(now time.Duration, h *wire.Header, out *Effects) Reason {
	if why := r.ignoreRequest(now, h, out); why != 0 {
		return why
	}
	if _, ok := r.primary.proposals[h.From]; ok {
		return NothingNew
	}
	if s := r.sessions.of(h.From); s != nil {
		out.send(r.header(), h.From, &wire.Registered{Client: h.From, Session: s.number})
		return 0
	}
	return r.appendOp(h.From, &wire.Entry{View: r.view, Kind: wire.EntryRegister, Client: h.From}, out)
}

// onRequest takes the commands that are next for their session, in order; answers those that were
// executed from the client-table; and keeps those that came too early.
func (r *Replica) onRequest(now time.Duration, h *wire.Header, m *wire.Request, out *Effects) Reason {
	if why := r.ignoreRequest(now, h, out); why != 0 {
		return why
	}
	next := r.nextRequest(h.From, m)
	if m.First > next {
		if e := &r.primary.early; e.isFull() || len(e.kept) == earlyRequests {
			e.forgetOldest() // its client repeats it, or is gone
		}
		return r.primary.early.keep(h, m)
	}
	r.resendResults(h.From, m, out)
	e := wire.Entry{
		View: r.view, Kind: wire.EntryCommand, Client: h.From,
		Session: m.Session, Request: m.First, Acked: m.Acked,
	}
	why := NothingNew
	for commands := m.Commands; ; e.Request++ {
		command, ok := commands.Next()
		if !ok {
			break
		}
		if e.Request < next {
			continue
		}
		e.Body = command
		if why = r.appendOp(h.From, &e, out); why != 0 {
			break
		}
	}
	r.primary.early.wake(h.From)
	return why
}

// nextRequest returns the request-number that the log lacks next of the client's session. Of a
// session that is not known it believes the client: executing the op will tell, and only that
// can, because a replica that is no longer the primary need not have heard of a new session.
func (r *Replica) nextRequest(client wire.Peer, m *wire.Request) wire.RequestNumber {
	if p, ok := r.primary.proposals[client]; ok && p.session == m.Session {
		return p.request + 1
	}
	if s := r.sessions.find(client, m.Session); s != nil {
		return s.last + 1
	}
	return m.First
}

// resendResults answers the requests of m that were executed.
func (r *Replica) resendResults(client wire.Peer, m *wire.Request, out *Effects) {
	s := r.sessions.find(client, m.Session)
	if s == nil {
		return
	}
	for i := range m.Commands.Len() {
		if request := m.First + wire.RequestNumber(i); request <= s.last {
			outcome, body := s.result(request)
			r.reply(client, m.Session, request, outcome, body, out)
		}
	}
}

// appendOp puts an op into the primary's log, or refuses it at a bound.
func (r *Replica) appendOp(client wire.Peer, e *wire.Entry, out *Effects) Reason {
	full := r.log.head-r.commit >= windowOps || r.primary.bytes+e.Size() > windowBytes
	if full || r.logIsFull() {
		r.refuse(client, wire.RefusalBusy, out)
		return WindowFull
	}
	r.log.append(e)
	r.primary.bytes += e.Size()
	r.primary.match[r.seat(r.cfg.Self)] = r.complete()
	r.propose(r.log.head)
	return 0
}

// ---- Prepare

// mayFlush tells whether a Prepare should go out now: there is something to send, and either few
// Prepares are under way or the batch is full.
func (r *Replica) mayFlush() bool {
	if !r.isPrimary() || r.primary.sent == r.log.head {
		return false
	}
	return r.commit >= r.primary.sentTwice || r.log.head-r.primary.sent >= windowOps/prepareInFlight ||
		r.primary.bytes >= prepareBytes
}

// flush sends what was appended since the last Prepare.
func (r *Replica) flush(now time.Duration, out *Effects) {
	for r.mayFlush() {
		first := r.primary.sent + 1
		m := r.prepare(first, out)
		h := r.header()
		for i, id := range r.cfg.Replicas {
			if id != r.cfg.Self && r.primary.match[i]+2*windowOps >= first && !r.peers[i].recovering && !r.isFar(i) {
				out.send(h, id, m)
			}
		}
		r.primary.sentTwice = r.primary.sent
		r.primary.sent += wire.OpNumber(m.Entries.Len())
		r.tally(out) // a group of one commits by itself
	}
}

// prepare makes a Prepare of the ops from first on, as many as fit.
func (r *Replica) prepare(first wire.OpNumber, out *Effects) *wire.Prepare {
	m := out.prepares.Take()
	m.First, m.PrevChain, m.Commit = first, r.log.chain(first-1), r.commit
	m.Entries = r.log.copy(m.Entries.Reset(), first, r.log.head, prepareBytes)
	return m
}

// onPrepare appends the ops that are next. A backup takes ops in order only, so that "has n"
// always means "has every op up to n", which is what PrepareOK promises.
func (r *Replica) onPrepare(now time.Duration, h *wire.Header, m *wire.Prepare, out *Effects) Reason {
	if why := r.ignoreFromPrimary(now, h, out); why != 0 {
		if why == TooEarly {
			return r.backup.early.keep(h, m)
		}
		return why
	}
	if m.First == 0 {
		return Malformed
	}
	r.hearPrimary(now)
	r.backup.told = max(r.backup.told, m.Commit)
	if m.First > r.log.head+1 {
		r.askLog(now, m.First-1, out)
		return r.backup.early.keep(h, m)
	}
	if r.logIsFull() {
		return WindowFull // the primary repeats it, and others need not wait
	}
	r.extend(m, out)
	return 0
}

// extend takes ops of the present view into a backup's log, those of them that are beyond its head,
// and acknowledges them. It halts and says false if what is before them, or one of those that are not
// beyond, is not what the log holds.
func (r *Replica) extend(m *wire.Prepare, out *Effects) bool {
	if !r.log.follows(m.First, m.PrevChain, m.Entries) {
		r.halt(Diverged, out)
		return false
	}
	var e wire.Entry
	for op, entries := m.First, m.Entries; entries.Next(&e); op++ {
		if op > r.log.head {
			r.log.append(&e)
			r.lacks = 0
		} else if op <= r.log.base {
			continue
		} else if own := r.log.entry(op); own.View != e.View || own.Client != e.Client || own.Request != e.Request {
			r.halt(Diverged, out)
			return false
		}
	}
	r.backup.early.wake(r.primaryOf(r.view))
	r.advanceCommit(min(m.Commit, r.log.head), out)
	r.acknowledge(out)
	return true
}

// complete returns up to where this replica has all ops of its view, as a state or in its log: nowhere,
// while the state is being replaced.
func (r *Replica) complete() wire.OpNumber {
	if r.restoring {
		return 0
	}
	return r.log.head
}

// acknowledge tells the primary how far the log is complete in this view.
func (r *Replica) acknowledge(out *Effects) {
	if r.restoring {
		return
	}
	m := out.prepareOKs.Take()
	m.Op = r.log.head
	out.send(r.header(), r.primaryOf(r.view), m)
}

// ignoreFromPrimary applies the rules for Prepare and Commit. A message of a newer view, or of a
// view that this replica has promised but not seen start, tells that the view has started: the
// replica asks for it, and the message is too early.
func (r *Replica) ignoreFromPrimary(now time.Duration, h *wire.Header, out *Effects) Reason {
	switch {
	case h.View < r.view:
		return OldView
	case h.From != r.primaryOf(h.View):
		return NotFromPrimary
	case h.View > r.view || r.status == wire.StatusViewChange:
		r.catchUp(now, h.View, out)
		r.bearWith(now)
		return TooEarly
	}
	return 0
}

// onPrepareOK counts an acknowledgement. It is cumulative and holds for the sender's present
// incarnation only.
func (r *Replica) onPrepareOK(now time.Duration, h *wire.Header, op wire.OpNumber, out *Effects) Reason {
	switch {
	case h.View < r.view:
		return OldView
	case h.View > r.view:
		r.catchUp(now, h.View, out)
		return TooEarly
	case !r.isPrimary():
		return NotPrimary
	}
	i := r.seat(h.From)
	if r.primary.silent {
		r.timers[timerHeartbeat] = now
	}
	if op <= r.primary.match[i] {
		return NothingNew
	}
	r.primary.match[i] = min(op, r.log.head)
	r.tally(out)
	return 0
}

// tally commits what a quorum holds: VR Revisited, section 4.1, step 5. Counting is right for
// entries of earlier views as well, because an acknowledgement says that the sender's whole log
// is the primary's up to there.
func (r *Replica) tally(out *Effects) {
	var sorted [wire.MembersMax]wire.OpNumber
	n := 0
	for i := range r.cfg.Replicas {
		if !r.isMember(i) {
			continue
		}
		at := n
		for ; at > 0 && sorted[at-1] < r.primary.match[i]; at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = r.primary.match[i]
		n++
	}
	r.advanceCommit(sorted[r.quorum()-1], out)
}

// isMember tells whether the replica at a position of cfg.Replicas belongs to the configuration.
func (r *Replica) isMember(seat int) bool {
	for _, m := range r.members {
		if m.ID == r.cfg.Replicas[seat] {
			return true
		}
	}
	return false
}

// ---- Commit

// onHeartbeatTimer tells the backups that the primary lives and what is committed. A primary that
// nobody answers falls silent, so that backups that still hear it can replace it. It only asks who has
// done so: where the primaries of two views have fallen silent, nobody else would speak first.
func (r *Replica) onHeartbeatTimer(now time.Duration, out *Effects) {
	r.timers[timerHeartbeat] = now + heartbeatInterval
	if r.abdicates(now) {
		if !r.primary.silent {
			out.event(Event{Kind: EventAbdicated, View: r.view, Op: r.commit, Peer: r.cfg.Self})
		}
		r.primary.silent = true
		r.timers[timerHeartbeat] = now + viewChangeInterval
		r.broadcast(&wire.GetView{}, out)
		return
	}
	r.primary.silent = false
	r.primary.seq++
	m := out.commits.Take()
	m.Seq, m.Commit, m.CommitChain = r.primary.seq, r.commit, r.log.chain(r.commit)
	r.broadcast(m, out)
}

// abdicates tells whether so few replicas were heard lately that this primary can commit nothing.
func (r *Replica) abdicates(now time.Duration) bool {
	heard := 1
	for i, id := range r.cfg.Replicas {
		if id != r.cfg.Self && r.isMember(i) && now-r.peers[i].heard < abdicateTimeout {
			heard++
		}
	}
	return heard < r.quorum()
}

// onCommit hears the primary's heartbeat. A delayed or repeated one proves nothing.
func (r *Replica) onCommit(now time.Duration, h *wire.Header, m *wire.Commit, out *Effects) Reason {
	if why := r.ignoreFromPrimary(now, h, out); why != 0 {
		return why
	}
	if m.Seq <= r.backup.heartbeat {
		return OldHeartbeat
	}
	r.backup.heartbeat = m.Seq
	r.hearPrimary(now)
	r.backup.told = max(r.backup.told, m.Commit)
	if r.log.base <= m.Commit && m.Commit <= r.log.head && r.log.chain(m.Commit) != m.CommitChain {
		r.halt(Diverged, out)
		return 0
	}
	r.advanceCommit(min(m.Commit, r.log.head), out)
	if m.Commit > r.log.head {
		r.askLog(now, m.Commit, out)
	}
	ack := out.commitAcks.Take()
	ack.Seq, ack.Op = m.Seq, r.complete()
	out.send(r.header(), h.From, ack)
	return 0
}

// advanceCommit raises the commit-number and executes.
func (r *Replica) advanceCommit(op wire.OpNumber, out *Effects) {
	if op <= r.commit {
		return
	}
	if r.isPrimary() {
		for n := r.commit + 1; n <= op; n++ {
			r.primary.bytes -= r.log.entry(n).Size()
		}
	}
	r.commit = op
	out.event(Event{Kind: EventCommitted, View: r.view, Op: op})
	r.execute(out)
}

// execute applies committed ops in order, at most applyMax of them, so that a long backlog does
// not hold back heartbeats. The primary answers the clients. When enough has been executed there is a
// checkpoint.
func (r *Replica) execute(out *Effects) {
	for range applyMax {
		if r.applied == r.commit || r.restoring {
			return
		}
		r.applied++
		e := r.log.entry(r.applied)
		r.executeOp(r.applied, e, out)
		if r.unsaved.count(e, r.CheckpointBytes()) {
			r.takeCheckpoint(out)
		}
	}
}

func (r *Replica) executeOp(op wire.OpNumber, e *wire.Entry, out *Effects) {
	session, outcome, body := r.sessions.executeOn(r.machine, op, e)
	if !r.isPrimary() || !e.Client.IsClient() { // the entry may be of a primary that took anything
		return
	}
	switch e.Kind {
	case wire.EntryRegister:
		r.settle(e)
		out.send(r.header(), e.Client, &wire.Registered{Client: e.Client, Session: session})
	case wire.EntryCommand:
		r.settle(e)
		r.reply(e.Client, e.Session, e.Request, outcome, body, out)
	}
}

// settle forgets a proposal that the client-table tells from now on.
func (r *Replica) settle(e *wire.Entry) {
	if p, ok := r.primary.proposals[e.Client]; ok && p.session == e.Session && p.request == e.Request {
		delete(r.primary.proposals, e.Client)
	}
}

// reply sends a result; consecutive results for one client share a message.
func (r *Replica) reply(client wire.Peer, session wire.SessionNumber, request wire.RequestNumber, outcome wire.Outcome, body []byte, out *Effects) {
	if n := len(out.Messages); n > 0 {
		last, ok := out.Messages[n-1].Message.(*wire.Reply)
		if ok && last.Client == client && last.Session == session && last.Results.Size() < prepareBytes &&
			last.First+wire.RequestNumber(last.Results.Len()) == request && out.Messages[n-1].From == r.cfg.Self {
			last.Results = last.Results.Append(outcome, body)
			return
		}
	}
	m := out.replies.Take()
	m.Client, m.Session, m.First = client, session, request
	m.Results = m.Results.Reset().Append(outcome, body)
	out.send(r.header(), client, m)
}

// onResendTimer repeats the oldest unacknowledged ops to each backup that is alive but has made no
// progress. It never repeats anything to everybody. A backup that lacks what the log has forgotten finds
// out by itself, from the heartbeats.
func (r *Replica) onResendTimer(now time.Duration, out *Effects) {
	r.timers[timerResend] = now + prepareResendMin
	for i, id := range r.cfg.Replicas {
		w, match := &r.primary.resend[i], r.primary.match[i]
		alive := !r.peers[i].recovering && now-r.peers[i].heard < abdicateTimeout
		if id == r.cfg.Self || !r.isMember(i) || !alive || match >= r.primary.sent || match < r.log.base {
			*w = resend{match: match}
			continue
		}
		if w.wait == 0 || w.match != match {
			*w = resend{match: match, wait: prepareResendMin, at: now + prepareResendMin}
			continue
		}
		if now >= w.at {
			out.send(r.header(), id, r.prepare(match+1, out))
			w.wait = min(2*w.wait, prepareResendMax)
			w.at = now + w.wait
		}
	}
}
