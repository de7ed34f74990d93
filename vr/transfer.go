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
	since      time.Duration // when it began, or the last answer was complete
	first      time.Duration // how long the first Log of this answer has taken; 0: it has not come
	wait       time.Duration // before it asks again
	idle       int           // times in a row that it had to
	logs       uint64        // how many may answer
	answer     uint64        // how many do
}

// unfinished tells whether a staged fetch still misses ops.
func (f *fetch) unfinished() bool { return f.staging != nil && f.staging.head < f.to }

func (r *Replica) beginFetch(now time.Duration, f fetch, out *Effects) {
	r.endFetch()
	r.fetch = f
	r.fetch.since, r.fetch.wait, r.fetch.logs = now, fetchIntervalMin, 1
	if r.lacks == 0 {
		out.event(Event{Kind: EventFetching, View: r.view, Op: f.to, Peer: f.donor})
	}
	r.sendGetLog(now, out)
}

func (r *Replica) endFetch() {
	r.fetch = fetch{}
	r.ahead.clear()
}

// fetched returns the op up to which the fetch has everything.
func (r *Replica) fetched() wire.OpNumber {
	if r.fetch.staging != nil {
		return r.fetch.staging.head
	}
	return r.log.head
}

func (r *Replica) sendGetLog(now time.Duration, out *Effects) {
	r.timers[timerFetch] = now + r.fetch.wait
	out.send(r.header(), r.fetch.donor, &wire.GetLog{
		LastNormal: r.fetch.lastNormal, From: r.fetched() + 1, To: r.fetch.to, Logs: r.fetch.logs,
	})
}

// askLog fetches what is missing up to an op of the present view.
func (r *Replica) askLog(now time.Duration, to wire.OpNumber, out *Effects) {
	if r.fetch.purpose != 0 && r.fetched() < r.fetch.to {
		r.fetch.to = max(r.fetch.to, to)
		return
	}
	r.beginFetch(now, fetch{purpose: fetchGap, lastNormal: r.view, to: to, donor: r.primaryOf(r.view)}, out)
}

// goOn waits for the next Log of an answer, or asks for the next part when there are no more. For that it will
// wait twice as long as this one took: asking again for what is under way on a slow link makes the link slower.
// Over a long path it asks for more at once, as long as waiting is most of what it does.
func (r *Replica) goOn(now time.Duration, more uint64, out *Effects) {
	f := &r.fetch
	took := now - f.since
	if f.first == 0 {
		f.first, f.answer = took, more+1
	}
	r.ahead.wake(f.donor)
	if more > 0 {
		r.timers[timerFetch] = now + f.wait
		return
	}
	f.wait = min(max(2*took, fetchIntervalMin), fetchIntervalMax)
	switch {
	case f.idle > 0 || f.first < fetchLatency:
		f.logs = 1
	case f.answer < f.logs: // there was no more
	case took < 2*f.first:
		f.logs = min(2*f.logs, logsMax)
	default:
		f.logs = max(f.logs/2, 1)
	}
	f.since, f.first, f.idle = now, 0, 0
	r.sendGetLog(now, out)
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
	f.wait, f.logs = min(2*f.wait, fetchIntervalMax), 1
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
	first, last := m.From, min(last, m.To)
	if first <= r.log.base {
		first, last = r.log.base+1, 0
	} else {
		r.pin(now, h.From, m)
	}
	r.giveLog(h.From, first, last, m.Logs, out)
	if m.From > last && m.From <= m.To {
		return CannotGive
	}
	return 0
}

// giveLog sends the ops first … last in so many Logs at most, and in no more than logsMax for all that ask at
// once, but one for each. If there are none it sends one without any.
func (r *Replica) giveLog(to wire.Peer, first, last wire.OpNumber, logs uint64, out *Effects) {
	var answers [logsMax]*wire.Log
	room := max(logsMax-out.logs.Lent(), 1)
	n := 0
	for n == 0 || first <= last && n < room && uint64(n) < logs {
		answer := out.logs.Take()
		*answer = wire.Log{LastNormal: r.lastNormal, First: first, Commit: r.commit, Entries: answer.Entries.Reset()}
		if first <= last {
			answer.PrevChain = r.log.chain(first - 1)
			answer.Entries = r.log.copy(answer.Entries, first, last, logChunkBytes)
			first += wire.OpNumber(answer.Entries.Len())
		}
		answers[n] = answer
		n++
	}
	for i, answer := range answers[:n] {
		answer.More = uint64(n - 1 - i)
		out.send(r.header(), to, answer)
	}
}

// onLog takes fetched ops: those of the log that was asked for, and committed ones of any.
func (r *Replica) onLog(now time.Duration, h *wire.Header, m *wire.Log, out *Effects) Reason {
	f := &r.fetch
	if m.Entries.Len() == 0 && r.learnTail(h.From, m.First) {
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
	case last <= r.fetched() || m.First > f.to:
		return NothingNew
	case m.First > r.fetched()+1: // one in front of it has to come once more
		return r.ahead.keepInOrder(h, m, m.First)
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
		r.goOn(now, m.More, out)
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
		r.goOn(now, m.More, out)
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
	forgotten := m.First > r.fetched()+1
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
