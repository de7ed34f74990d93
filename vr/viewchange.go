package vr

import (
	"time"

	"vrnode/wire"
)

// This file is the view change: VR Revisited, section 4.2, in one safety round.
//
// Leaving a view takes a quorum of votes (StartViewChange), which promise nothing. Entering one is
// a promise, DoViewChange, which carries the sender's crash vector but no log. The new primary
// needs a crash-consistent quorum of them: no sender may have restarted since, as far as any of
// the others knows (DISC 2017, definition 7). It fetches the best log into a staging area and
// installs it in one step. PROTOCOL.md tells why this is safe and the paper's way is not.

type viewChange struct {
	votes    [wire.MembersMax]vote // by position in cfg.Replicas
	promises [wire.MembersMax]promise
	// await: the view is known to have started elsewhere; what is missing is its StartView.
	await    bool
	attempts int           // views tried since the last one that started
	progress wire.OpNumber // of the new primary's fetch, as it said last
}

// vote is a replica's wish to leave the present view.
type vote struct {
	cast bool
	at   time.Duration
}

// promise is a DoViewChange for the present view.
type promise struct {
	made        bool
	from        wire.Peer
	incarnation wire.Incarnation
	lastNormal  wire.ViewNumber
	op          wire.OpNumber
	commit      wire.OpNumber
}

// better orders the logs that promises describe: section 4.2, step 3.
func (p promise) better(q promise) bool {
	if p.lastNormal != q.lastNormal {
		return p.lastNormal > q.lastNormal
	}
	return p.op > q.op
}

// forgetOlder drops the promise of an earlier run of a replica: it has forgotten it.
func (v *viewChange) forgetOlder(id wire.Peer, i wire.Incarnation) {
	for at := range v.promises {
		if p := &v.promises[at]; p.made && p.from == id && p.incarnation < i {
			*p = promise{}
		}
	}
}

// ---- leaving a view

// hearPrimary notes that the primary of the present view lives. The longer the silences have been
// after which it spoke again, the longer the next one may be: where a machine has too much to do,
// changing the view adds to that.
func (r *Replica) hearPrimary(now time.Duration) {
	b := &r.backup
	gap := min(now-b.heard, silenceMax)
	b.silence = max(gap, b.silence-b.silence*gap/silenceFades)
	b.heard, b.slept = now, false
	r.viewChange.votes[r.seat(r.cfg.Self)] = vote{}
	r.timers.stop(timerVote)
	r.timers[timerSuspect] = now + b.patience() + r.jitter(suspectJitter)
}

// patience returns how long the primary may be silent.
func (b *backup) patience() time.Duration { return max(3*b.silence, suspectTimeout) }

func (r *Replica) jitter(most time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(most)))
}

// onSuspectTimer suspects a silent primary, unless it was this replica that slept: then it
// listens for a while before it accuses anybody. It does so once: on a machine that is so busy that
// every timer is late, a dead primary must be replaced too.
func (r *Replica) onSuspectTimer(now, late time.Duration, out *Effects) {
	if late > suspectTimeout/2 && !r.backup.slept {
		r.backup.slept = true
		r.timers[timerSuspect] = now + 3*heartbeatInterval
		return
	}
	r.suspect(now, out)
}

// suspect votes for leaving the present view, again and again until it is left or the primary is
// heard.
func (r *Replica) suspect(now time.Duration, out *Effects) {
	if r.isPrimary() || r.status != wire.StatusNormal && r.status != wire.StatusViewChange {
		return
	}
	own := &r.viewChange.votes[r.seat(r.cfg.Self)]
	if !own.cast {
		out.event(Event{Kind: EventSuspected, View: r.view, Op: r.log.head, Peer: r.primaryOf(r.view)})
	}
	*own = vote{cast: true, at: now}
	r.timers[timerVote] = now + voteInterval
	r.broadcast(&wire.StartViewChange{}, out)
	r.countVotes(now, out)
}

func (r *Replica) onVoteTimer(now time.Duration, out *Effects) { r.suspect(now, out) }

// onStartViewChange counts a vote. A replica that has not heard the primary for half as long as it would wait
// joins at once, so that the second voter does not wait for its whole timer.
func (r *Replica) onStartViewChange(now time.Duration, h *wire.Header, out *Effects) Reason {
	switch {
	case h.View < r.view:
		r.hint(now, h, out)
		return OldView
	case h.View > r.view:
		r.startViewChange(now, h.View, out)
	}
	r.viewChange.votes[r.seat(h.From)] = vote{cast: true, at: now}
	voted := r.viewChange.votes[r.seat(r.cfg.Self)].cast
	if !voted && r.isBackup() && now-r.backup.heard > r.backup.patience()/2 {
		r.suspect(now, out)
		return 0
	}
	r.countVotes(now, out)
	return 0
}

// hint tells a replica that asks about an old view of the present one.
func (r *Replica) hint(now time.Duration, h *wire.Header, out *Effects) {
	if r.isPrimary() {
		r.sendStartView(now, h.From, out)
	}
}

// countVotes starts the next view when a quorum wants to leave this one.
func (r *Replica) countVotes(now time.Duration, out *Effects) {
	n := 0
	for i, v := range r.viewChange.votes {
		if v.cast && now-v.at <= voteWindow && i < len(r.cfg.Replicas) && r.isMember(i) {
			n++
		}
	}
	if n >= r.quorum() {
		r.startViewChange(now, r.nextView(), out)
	}
}

// nextView is the next view whose primary is not known to be without memory.
func (r *Replica) nextView() wire.ViewNumber {
	for w := r.view + 1; w <= r.view+wire.ViewNumber(len(r.members)); w++ {
		if i := r.seat(r.primaryOf(w)); !r.peers[i].recovering {
			return w
		}
	}
	return r.view + 1
}

// ---- promising a view

// startViewChange promises view w. From here to install, the log, its head and lastNormal are
// frozen: they are what DoViewChange says of them.
func (r *Replica) startViewChange(now time.Duration, w wire.ViewNumber, out *Effects) {
	r.enterView(now, w, out)
	r.viewChange.await = false
	r.broadcast(&wire.JoinView{}, out)
	r.sendDoViewChange(now, out)
}

// enterView moves to status view-change in view w.
func (r *Replica) enterView(now time.Duration, w wire.ViewNumber, out *Effects) {
	if w > r.view {
		r.backup.early.clear() // it is of views that are over
	}
	r.view, r.status = w, wire.StatusViewChange
	r.endFetch()
	r.primary.early.clear()
	r.backup = backup{early: r.backup.early}
	r.viewChange = viewChange{attempts: r.viewChange.attempts + 1}
	r.timers.stopAll()
	r.timers[timerViewChange] = now + viewChangeInterval
	r.armGiveUp(now)
	out.event(Event{Kind: EventViewChangeStarted, View: w, Op: r.log.head, Peer: r.primaryOf(w)})
}

func (r *Replica) armGiveUp(now time.Duration) {
	wait := viewChangeTimeout << min(r.viewChange.attempts-1, viewChangeDoublingsMax)
	r.timers[timerGiveUp] = now + wait + r.jitter(wait/4)
}

// onViewChangeTimer repeats what may have been lost.
func (r *Replica) onViewChangeTimer(now time.Duration, out *Effects) {
	r.timers[timerViewChange] = now + viewChangeInterval
	if r.viewChange.await {
		if !r.fetch.unfinished() {
			out.send(r.header(), r.primaryOf(r.view), &wire.GetView{})
		}
		return
	}
	r.broadcast(&wire.JoinView{}, out)
	r.sendDoViewChange(now, out)
	if r.fetch.purpose == fetchBestLog {
		r.broadcast(&wire.ViewChangeProgress{Have: r.fetch.staging.head, Need: r.fetch.to}, out)
	}
}

// onJoinView follows a replica that has promised a newer view.
func (r *Replica) onJoinView(now time.Duration, h *wire.Header, out *Effects) Reason {
	if h.View <= r.view {
		return OldView
	}
	r.startViewChange(now, h.View, out)
	return 0
}

// onViewChangeProgress gives a new primary more time while its fetch advances.
func (r *Replica) onViewChangeProgress(now time.Duration, h *wire.Header, m *wire.ViewChangeProgress) Reason {
	if h.View != r.view || r.status != wire.StatusViewChange || h.From != r.primaryOf(r.view) {
		return OldView
	}
	if m.Have <= r.viewChange.progress {
		return NothingNew
	}
	r.viewChange.progress = m.Have
	r.armGiveUp(now)
	return 0
}

func (r *Replica) sendDoViewChange(now time.Duration, out *Effects) {
	own := promise{
		made: true, from: r.cfg.Self, incarnation: r.incarnation,
		lastNormal: r.lastNormal, op: r.log.head, commit: r.commit,
	}
	if p := r.primaryOf(r.view); p != r.cfg.Self {
		out.send(r.header(), p, &wire.DoViewChange{
			LastNormal: own.lastNormal, Op: own.op, Commit: own.commit, CrashVector: r.crashVector.copy(),
		})
		return
	}
	r.viewChange.promises[r.seat(r.cfg.Self)] = own
	r.tryStart(now, out)
}

// ---- starting a view

// onDoViewChange collects promises. The crash vectors are joined first, so that what one sender
// knows of another's restart decides whether the other's promise still counts.
func (r *Replica) onDoViewChange(now time.Duration, h *wire.Header, m *wire.DoViewChange, out *Effects) Reason {
	if m.LastNormal >= h.View || m.Commit > m.Op {
		return Malformed
	}
	if !r.joinCrashVector(now, m.CrashVector, out) {
		return 0
	}
	if h.View > r.view {
		r.startViewChange(now, h.View, out)
	}
	switch {
	case h.View < r.view:
		r.hint(now, h, out)
		return OldView
	case r.isPrimary():
		r.sendStartView(now, h.From, out)
		return NothingNew
	case r.status != wire.StatusViewChange || r.viewChange.await || r.primaryOf(r.view) != r.cfg.Self:
		return NotPrimary
	case h.Incarnation < r.crashVector.get(h.From):
		return StaleSender
	}
	r.viewChange.promises[r.seat(h.From)] = promise{
		made: true, from: h.From, incarnation: h.Incarnation,
		lastNormal: m.LastNormal, op: m.Op, commit: m.Commit,
	}
	r.tryStart(now, out)
	return 0
}

// joinCrashVector learns what the sender knows. It halts and says false if the sender knows a
// later incarnation of this replica: then this process has been replaced.
func (r *Replica) joinCrashVector(now time.Duration, cv []wire.Member, out *Effects) bool {
	for _, m := range cv {
		switch {
		case m.ID == r.cfg.Self && m.Incarnation > r.incarnation:
			r.halt(Fenced, out)
			return false
		case m.ID != r.cfg.Self && r.seat(m.ID) >= 0:
			r.learnIncarnation(now, m.ID, m.Incarnation, out)
		}
	}
	return true
}

// tryStart starts the view if a crash-consistent quorum has promised it and the best log among
// them is here; if it is elsewhere, it is fetched first.
func (r *Replica) tryStart(now time.Duration, out *Effects) {
	best, commit, n := promise{}, r.commit, 0
	for _, p := range r.viewChange.promises {
		if !p.made || p.incarnation < r.crashVector.get(p.from) {
			continue
		}
		n++
		commit = max(commit, p.commit)
		if !best.made || p.better(best) {
			best = p
		}
	}
	own := r.viewChange.promises[r.seat(r.cfg.Self)]
	if !own.made || n < r.quorum() {
		return
	}
	if !best.better(own) {
		r.install(now, commit, nil, out)
		return
	}
	if f := &r.fetch; f.purpose == fetchBestLog && f.lastNormal == best.lastNormal && f.to == best.op {
		if f.staging.head == f.to {
			r.install(now, commit, f.staging, out)
		}
		return
	}
	base := r.commit
	if r.lastNormal == best.lastNormal {
		base = r.log.head // both logs are prefixes of the same primary's
	}
	r.beginFetch(now, fetch{
		purpose: fetchBestLog, lastNormal: best.lastNormal, to: best.op,
		donor: best.from, staging: r.log.piece(base),
	}, out)
}

// forfeit leaves the present view, which this replica should start and can not without a state, to
// the next one whose primary has the best log: that one can start it at once.
func (r *Replica) forfeit(now time.Duration, out *Effects) {
	best := promise{}
	for _, p := range r.viewChange.promises {
		if p.made && (!best.made || p.better(best)) {
			best = p
		}
	}
	w := r.view + 1
	for !r.hasPromised(r.primaryOf(w), best) {
		w++
	}
	r.startViewChange(now, w, out)
}

// hasPromised tells whether a member has promised a log as good as the best.
func (r *Replica) hasPromised(id wire.Peer, best promise) bool {
	p := r.viewChange.promises[r.seat(id)]
	return p.made && !best.better(p)
}

// install starts the view as its primary, in one step: never is half a log called the view's.
func (r *Replica) install(now time.Duration, commit wire.OpNumber, staging *log, out *Effects) {
	if staging != nil {
		r.log.splice(staging)
	}
	if commit > r.log.head {
		r.halt(Diverged, out)
		return
	}
	r.becomeNormal(now, commit, out)
	h := r.header()
	m := r.startView()
	for _, id := range r.cfg.Replicas {
		if id != r.cfg.Self {
			out.send(h, id, m)
		}
	}
}

// becomeNormal is the only way into status normal: the log holds the whole initial log of the
// view, and what is committed is committed.
func (r *Replica) becomeNormal(now time.Duration, commit wire.OpNumber, out *Effects) {
	r.lastNormal, r.status = r.view, wire.StatusNormal
	r.endFetch()
	r.lacks = 0
	r.birth = birth{}
	r.viewChange = viewChange{}
	r.timers.stopAll()
	r.primary = primary{}
	r.backup = backup{early: r.backup.early, heard: now, silence: r.backup.silence}
	r.backup.early.wake(r.primaryOf(r.view))
	out.event(Event{Kind: EventViewStarted, View: r.view, Op: r.log.head, Peer: r.primaryOf(r.view)})
	if r.isPrimary() {
		r.becomePrimary(now)
	} else {
		r.hearPrimary(now)
	}
	r.advanceCommit(commit, out)
}

// ---- following a view that has started

// startView describes the view's log. The entries above the commit-number are in it; those up to
// it can be had from anybody, so the message's size does not depend on the length of the log.
func (r *Replica) startView() *wire.StartView {
	m := &wire.StartView{Op: r.log.head, Commit: r.commit, Base: r.commit, BaseChain: r.log.chain(r.commit)}
	m.Entries = r.log.copy(m.Entries, r.commit+1, r.log.head, wire.MessageMax)
	return m
}

// sendStartView gives the present view to a replica that asks for it, in whatever way. It asks
// again until it has it, and on a slow link that takes a while: it is answered ever more seldom.
func (r *Replica) sendStartView(now time.Duration, to wire.Peer, out *Effects) {
	p := &r.primary.startViews[r.seat(to)]
	if now < p.at {
		return
	}
	p.wait = min(max(2*p.wait, viewChangeInterval), startViewIntervalMax)
	p.at = now + p.wait
	out.send(r.header(), to, r.startView())
}

// onGetView gives the present view to a replica that has not seen it start.
func (r *Replica) onGetView(now time.Duration, h *wire.Header, out *Effects) Reason {
	if !r.isPrimary() || h.View > r.view {
		return NotPrimary
	}
	r.sendStartView(now, h.From, out)
	return 0
}

// catchUp waits for the StartView of a view that is known to have started. It freezes the log as
// it is: cutting it back to the commit-number, as section 5.2 has it, can leave a committed op on
// fewer than a quorum, because a backup's commit-number may be stale.
func (r *Replica) catchUp(now time.Duration, w wire.ViewNumber, out *Effects) {
	if r.primaryOf(w) == r.cfg.Self || w == r.view && r.viewChange.await {
		return
	}
	r.enterView(now, w, out)
	r.viewChange.await = true
	out.send(r.header(), r.primaryOf(w), &wire.GetView{})
}

// bearWith gives the primary of a view more time, because it lives and it is this replica that still
// fetches what the view's log stands on.
func (r *Replica) bearWith(now time.Duration) {
	if r.viewChange.await && r.fetch.purpose != 0 {
		r.viewChange.votes[r.seat(r.cfg.Self)] = vote{}
		r.timers.stop(timerVote)
		r.armGiveUp(now)
	}
}

// onStartView installs the initial log of a view, at once if the committed prefix that it stands
// on is here, else after fetching that.
func (r *Replica) onStartView(now time.Duration, h *wire.Header, m *wire.StartView, out *Effects) Reason {
	switch {
	case h.View < r.view || h.View <= r.lastNormal:
		return OldView
	case h.From != r.primaryOf(h.View):
		return NotFromPrimary
	case m.Base > m.Commit || m.Commit > m.Op || m.Op-m.Base != wire.OpNumber(m.Entries.Len()):
		return Malformed
	}
	if h.View > r.view {
		r.enterView(now, h.View, out)
	}
	r.viewChange.await = true
	if m.Op < r.commit {
		// A copy from the start of the view; commits have gone on within it.
		out.send(r.header(), h.From, &wire.GetView{})
		return NothingNew
	}
	if m.Base <= r.commit {
		if m.Base >= r.log.base && r.log.chain(m.Base) != m.BaseChain {
			r.halt(Diverged, out)
			return 0
		}
	} else if m.Base > r.log.head || r.log.chain(m.Base) != m.BaseChain {
		return r.fetchBase(now, h, m, out)
	}
	r.installStartView(now, h.View, m, out)
	return 0
}

// fetchBase gets the committed ops that a StartView stands on. The StartView is kept and handled
// again when they are here; until then the log is as it was.
func (r *Replica) fetchBase(now time.Duration, h *wire.Header, m *wire.StartView, out *Effects) Reason {
	f := &r.fetch
	switch {
	case f.purpose == fetchCommitted && f.staging.head >= m.Base:
		if f.staging.chain(m.Base) != m.BaseChain {
			r.halt(Diverged, out)
			return 0
		}
		f.staging.truncate(m.Base)
		r.log.splice(f.staging)
		r.installStartView(now, h.View, m, out)
		return 0
	case f.purpose == fetchCommitted:
		idle := !f.unfinished()
		f.to = max(f.to, m.Base)
		if idle {
			f.since = now
			r.sendGetLog(now, out)
		}
	default:
		r.beginFetch(now, fetch{
			purpose: fetchCommitted, lastNormal: h.View, to: m.Base,
			donor: h.From, staging: r.log.piece(r.commit),
		}, out)
	}
	if r.backup.early.isFull() {
		r.backup.early.clear() // Prepares can be asked for; this can not go on without a StartView
	}
	return r.backup.early.keep(h, m)
}

func (r *Replica) installStartView(now time.Duration, w wire.ViewNumber, m *wire.StartView, out *Effects) {
	r.log.truncate(max(m.Base, r.commit))
	var e wire.Entry
	for op, entries := m.Base+1, m.Entries; entries.Next(&e); op++ {
		if op > r.log.head {
			r.log.append(&e)
		}
	}
	r.becomeNormal(now, max(m.Commit, r.commit), out)
	r.acknowledge(out)
}
