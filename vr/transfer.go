package vr

import (
	"time"

	"vrnode/wire"
)

// This file is state transfer: VR Revisited, section 5.2, without its truncation.
//
// There is one fetch at a time, for one of four purposes. What it brings is staged apart from the
// log, except for a gap inside the present view, which can only append: so the log that a
// DoViewChange describes stays whole and servable until a complete one takes its place.

type fetchPurpose uint8

const (
	fetchGap       fetchPurpose = iota + 1 // ops of the present view that this backup missed
	fetchBestLog                           // the best log of a view change, for its new primary
	fetchCommitted                         // the committed ops that a StartView stands on
	fetchRecovery                          // everything, after the loss of memory
)

// fetch is the transfer under way; purpose 0 means none.
type fetch struct {
	purpose    fetchPurpose
	lastNormal wire.ViewNumber // the view whose log is wanted
	to         wire.OpNumber
	donor      wire.Peer
	staging    *log          // nil for a gap
	since      time.Duration // when it began, or asked last because an answer came
	asked      wire.OpNumber // all up to it has come or is under way
	asking     bool          // what follows it was asked for
	again      wire.OpNumber // up to it some may have been asked for more than once
	came       time.Duration // when a Log came last
	least      time.Duration // the least time after which an answer came; 0: none has
	wait       time.Duration // before it asks again
	idle       int           // times in a row that it had to
}

// unfinished tells whether a staged fetch still misses ops.
func (f *fetch) unfinished() bool { return f.staging != nil && f.staging.head < f.to }

func (r *Replica) beginFetch(now time.Duration, f fetch, out *Effects) {
	r.endFetch()
	r.fetch = f
	r.fetch.since, r.fetch.came, r.fetch.wait = now, now, max(r.patience, fetchIntervalMin)
	if r.lacks == 0 {
		out.event(Event{Kind: EventFetching, View: r.view, Op: f.to, Peer: f.donor})
	}
	r.sendGetLog(now, out)
}

func (r *Replica) endFetch() {
	r.fetch = fetch{}
	r.ahead.clear()
	r.timers.stop(timerFetch)
}

// fetched returns the op up to which the fetch has everything.
func (r *Replica) fetched() wire.OpNumber {
	if r.fetch.staging != nil {
		return r.fetch.staging.head
	}
	return r.log.head
}

func (r *Replica) sendGetLog(now time.Duration, out *Effects) {
	f := &r.fetch
	f.asked, f.asking = max(f.asked, r.fetched()), true // what was given twice may be more than was asked for
	if r.timers[timerFetch] == Never {
		r.timers[timerFetch] = now + f.wait
	}
	to := f.to
	if first, is := r.ahead.after(f.asked); is {
		to = first - 1 // what is kept need not come once more
	}
	out.send(r.header(), f.donor, &wire.GetLog{LastNormal: f.lastNormal, Has: r.fetched(), From: f.asked + 1, To: to, Logs: r.logs})
}

// askLog fetches what is missing up to an op of the present view.
func (r *Replica) askLog(now time.Duration, to wire.OpNumber, out *Effects) {
	if r.fetch.purpose != 0 && r.fetched() < r.fetch.to {
		r.fetch.to = max(r.fetch.to, to)
		return
	}
	r.beginFetch(now, fetch{purpose: fetchGap, lastNormal: r.view, to: to, donor: r.primaryOf(r.view)}, out)
}

// answered takes note of a Log that is the first one of an answer. What was asked for again in front of Logs that are
// kept does not tell how long an answer takes: nobody knows which one this is, nor was the path empty. If none are kept,
// all was asked for again because it takes so long.
func (r *Replica) answered(now time.Duration, m *wire.Log) {
	f := &r.fetch
	if !f.asking || m.First != f.asked+1 {
		return
	}
	if m.First > f.again || len(r.ahead.kept) == 0 {
		r.adapt(now-f.since, now-f.came)
	}
	f.asked, f.asking = min(m.Last, f.to), false
}

// goOn is called when the next Log has come. Only that puts off asking again: while it does not come, all others
// are of no use.
func (r *Replica) goOn(now time.Duration) {
	f := &r.fetch
	r.timers[timerFetch] = now + f.wait
	f.came, f.idle = now, 0
}

// askOn asks for what follows all that was asked for or is kept, when the first Log of the answer to that has come: so
// it is under way while the others come. Where there is no room, only what lies in front of something that is kept
// could be. It is called when a message, and what was kept for it, has been handled.
func (r *Replica) askOn(now time.Duration, out *Effects) {
	f := &r.fetch
	if f.purpose == 0 || f.asking {
		return
	}
	f.asked = min(r.ahead.through(max(f.asked, r.fetched())), f.to)
	_, isHole := r.ahead.after(f.asked)
	if room := isHole || len(r.ahead.kept) < 2*logsMax; room && f.asked < f.to {
		f.since = now
		r.sendGetLog(now, out)
	}
}

// adapt learns from an answer that has begun to come so long after it was asked for, and so long after the Log
// before it. It will be waited twice as long: asking again for what is under way on a slow link makes the link
// slower. Over a long path more is asked for at once, until it fills the path.
func (r *Replica) adapt(took, pause time.Duration) {
	f := &r.fetch
	f.wait = min(max(2*took, fetchIntervalMin), fetchIntervalMax)
	r.patience = f.wait
	if f.least == 0 || took < f.least {
		f.least = took
	}
	switch {
	case took < fetchLatency:
		r.logs = 1
	case took > 3*f.least: // the path is full; twice as long may be because something was lost
		r.logs = max(r.logs/2, 1)
	case 5*pause > 3*took: // most of the time nothing came
		r.logs = min(max(2*r.logs, 2), logsMax)
	}
}

// onFetchTimer asks again, somebody else if there is anybody, and waits longer for the answer.
func (r *Replica) onFetchTimer(now time.Duration, out *Effects) {
	f := &r.fetch
	switch {
	case f.purpose == 0:
		return
	case f.purpose == fetchGap && r.log.head >= f.to:
		r.endFetch()
		return
	case f.purpose == fetchRecovery && f.idle == fetchIdleMax:
		r.askAgain(now, out)
		return
	}
	f.idle++
	f.wait = min(2*f.wait, fetchIntervalMax)
	f.again, f.asked = max(f.again, f.asked+1, r.fetched()+1), 0
	if len(r.ahead.kept) == 0 {
		r.logs = 1
	}
	r.changeDonor()
	r.sendGetLog(now, out)
}

// changeDonor turns to the next replica that may hold what is wanted. What a recovering replica
// needs beyond the commit-number only its view's primary can vouch for.
func (r *Replica) changeDonor() {
	f := &r.fetch
	if f.purpose == fetchRecovery {
		return
	}
	for i := range r.cfg.Replicas {
		id := r.cfg.Replicas[(r.seat(f.donor)+1+i)%len(r.cfg.Replicas)]
		if id == r.cfg.Self {
			continue
		}
		if p := r.viewChange.promises[r.seat(id)]; f.purpose == fetchBestLog && (!p.made || p.lastNormal != f.lastNormal || p.op < f.to) {
			continue
		}
		f.donor = id
		return
	}
}

// onGetLog gives ops from the log. Which it may give depends on how sure it is that the asker
// wants these and no others:
//
//	(a) normal in the asker's view: all of them, for they are that view's log,
//	(b) promised to the asker's view, with a log of the view that is wanted: all, for it is frozen,
//	(c) else those that are committed, which are the same everywhere and for ever.
//
// An answer without ops says where its sender's log begins, so that who is told that it begins too late
// knows that it needs a state. Who asks for no ops wants to know that, and that they stay; see pin.go.
func (r *Replica) onGetLog(now time.Duration, h *wire.Header, m *wire.GetLog, out *Effects) Reason {
	if m.From == 0 {
		return Malformed
	}
	last := r.commit
	if h.View == r.view && m.LastNormal == r.lastNormal {
		last = r.log.head
	}
	last = min(last, m.To)
	if m.From > r.log.base {
		r.pin(now, h.From, m)
		if m.From <= last {
			r.giveLogs(h.From, m, last, out)
			return 0
		}
	}
	answer := out.logs.Take()
	*answer = wire.Log{LastNormal: r.lastNormal, First: m.From, Commit: r.commit, Entries: answer.Entries.Reset()}
	if m.From <= r.log.base {
		answer.First, answer.Last = r.log.base+1, r.log.base
	}
	out.send(r.header(), h.From, answer)
	if m.From <= m.To {
		return CannotGive
	}
	return 0
}

// giveLogs sends the ops up to one, in as many Logs as are asked for, but in no more than logsMax for all that
// ask at once, or one for each.
func (r *Replica) giveLogs(to wire.Peer, m *wire.GetLog, last wire.OpNumber, out *Effects) {
	var answers [logsMax]*wire.Log
	n, next := 0, m.From
	for ; next <= last && (n == 0 || uint64(n) < m.Logs && out.logs.Lent() < logsMax); n++ {
		answer := out.logs.Take()
		*answer = wire.Log{
			LastNormal: r.lastNormal, First: next, PrevChain: r.log.chain(next - 1), Commit: r.commit,
			Entries: r.log.copy(answer.Entries.Reset(), next, last, logChunkBytes),
		}
		next += wire.OpNumber(answer.Entries.Len())
		answers[n] = answer
	}
	for _, answer := range answers[:n] {
		answer.Last = next - 1
		out.send(r.header(), to, answer)
	}
}

// onLog takes fetched ops: those of the log that was asked for, and committed ones of any.
func (r *Replica) onLog(now time.Duration, h *wire.Header, m *wire.Log, out *Effects) Reason {
	f := &r.fetch
	if r.takeTail(now, h.From, m, out) {
		return 0
	}
	if f.purpose == 0 {
		return NotAwaited
	}
	if h.View > r.header().View {
		return r.viewMovedOn(now, h.View, out)
	}
	if m.Entries.Len() == 0 {
		return r.onLogRefused(now, h, m, out)
	}
	if m.First == 0 || m.First+wire.OpNumber(m.Entries.Len()) < m.First {
		return Malformed
	}
	last := m.First + wire.OpNumber(m.Entries.Len()) - 1
	switch {
	case m.LastNormal != f.lastNormal && last > m.Commit:
		return OldView
	case m.First > f.to:
		return NothingNew
	}
	r.answered(now, m)
	switch {
	case last <= r.fetched():
		return NothingNew
	case m.First > r.fetched()+1: // one in front of it has to come once more
		why := r.ahead.keepLog(h, m, last)
		if why == TooEarly {
			f.came = now
		}
		return why
	}
	if f.purpose == fetchGap {
		return r.fillGap(now, m, out)
	}
	if m.First <= f.staging.base {
		return NothingNew
	}
	return r.stage(now, m, out)
}

// stage adds fetched ops to the staging area and goes on, or ends the fetch.
func (r *Replica) stage(now time.Duration, m *wire.Log, out *Effects) Reason {
	f := &r.fetch
	if f.staging.chain(m.First-1) != m.PrevChain {
		r.halt(Diverged, out)
		return 0
	}
	r.lacks = 0
	var e wire.Entry
	for op, entries := m.First, m.Entries; entries.Next(&e) && op <= f.to; op++ {
		if op > f.staging.head {
			f.staging.append(&e)
		}
	}
	if f.unfinished() {
		r.goOn(now)
		return 0
	}
	r.timers.stop(timerFetch)
	switch f.purpose {
	case fetchBestLog:
		r.tryStart(now, out)
	case fetchCommitted:
		r.backup.early.wake(r.primaryOf(r.view))
	case fetchRecovery:
		r.finishRecovery(now, out)
	}
	return 0
}

// fillGap appends what a backup missed of its own view.
func (r *Replica) fillGap(now time.Duration, m *wire.Log, out *Effects) Reason {
	if r.logIsFull() {
		return WindowFull // it is asked for again
	}
	if !r.extend(&wire.Prepare{First: m.First, PrevChain: m.PrevChain, Commit: m.Commit, Entries: m.Entries}, out) {
		return 0
	}
	if len(r.backup.early.kept) == 0 { // else they tell how far to go on
		r.fetch.to = max(r.fetch.to, m.Commit) // there may be no Prepares until it is near
	}
	if r.log.head < r.fetch.to {
		r.goOn(now)
	} else {
		r.endFetch()
	}
	return 0
}

// viewMovedOn follows a donor that is in a newer view. Its ops may have been committed there, and
// so need not agree with those that are staged for the view that it has left. The newer view may
// not have started yet, so this replica promises it; if it has, its primary answers with StartView.
func (r *Replica) viewMovedOn(now time.Duration, w wire.ViewNumber, out *Effects) Reason {
	if r.status == wire.StatusRecovering {
		r.askAgain(now, out)
	} else {
		r.startViewChange(now, w, out)
	}
	return CannotGive
}

// onLogRefused turns elsewhere: the donor has moved on, or has forgotten what is wanted. Then others
// have, too, and the replica needs a state; it goes on to ask, in case somebody's log is longer.
func (r *Replica) onLogRefused(now time.Duration, h *wire.Header, m *wire.Log, out *Effects) Reason {
	forgotten := m.Last == m.First-1 && m.Last > r.fetched()
	switch {
	case h.From != r.fetch.donor:
		return NotAwaited
	case forgotten && r.fetch.purpose == fetchBestLog:
		r.forfeit(now, out)
		return CannotGive
	case forgotten:
		r.lack(m.First-1, out)
	}
	if r.fetch.purpose == fetchRecovery {
		r.askAgain(now, out)
	}
	return CannotGive
}
