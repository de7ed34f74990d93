package vr

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vrnode/wire"
)

// This file is how a state and the log are made to meet. To bring a state takes long, and meanwhile the others go on,
// in the end for longer than their logs can hold. So the replica has the tail of the state brought with it, the ops that
// follow. It asks one of the others for them,
//
//	GetLog{Has: op, From: op + 1, To: as many as there are}
//
// where op is that of the state, or of the last op of the tail, and gives those of the answer that are committed to whoever
// brings the state (Effects.Tail), who keeps them and says so (Expect). When the state is read, they are executed on it
// (Play): then it is that of the last of them. This is not done by the replica, and may take long. All others are asked for no ops,
//
//	GetLog{Has: op, From: op + 1, To: op}
//
// from time to time. Their logs must go back to op, and no further; so they answer where they begin, and keep what is
// behind it (pin.go). If the log of the primary begins later nevertheless, the state is of no use, and is not read. Then a
// newer one is: of that only what differs has to come.

const (
	// tailInterval is after what time who has given all is asked again.
	tailInterval = 100 * time.Millisecond
	// pinInterval is after what time all are told again where this replica will go on, and the least that an answer is
	// waited for; tailPatience is the most. Until then who was asked keeps its log.
	pinInterval  = 500 * time.Millisecond
	tailPatience = pinTime / 2
	// tailLogs are the Logs that are asked for at once, of somebody who has enough to do.
	tailLogs = 4
	// playOnce ops are executed on a state before others have a turn.
	playOnce = 16
)

// An expected is the state that a replica waits for, or reads, with its tail.
type expected struct {
	op    wire.OpNumber // up to it whoever brings the state has all, or will have; 0: it is not known
	given wire.OpNumber // the last op that he was given since more was asked for
	// begins is the op after which the log of the primary begins, if that is after op, else 0.
	begins wire.OpNumber
	donor  wire.Peer     // who is asked for what follows
	asking bool          // and has not answered, or not with all
	more   bool          // and has answered, and has more than was asked for
	since  time.Duration // when it was asked, or gave something last
	wait   time.Duration // how long it is waited for
	tell   time.Duration // when the others are told next
}

// Expect tells the replica of which op the state will be that is being brought, with as much of its tail as there is:
// 0 if that is not known, or no longer. It may be told the same any number of times. A state that a new group begins
// with is followed by nothing.
func (r *Replica) Expect(now time.Duration, op wire.OpNumber) {
	if r.lacks == 0 || !r.birth.base.IsZero() {
		op = 0
	}
	e := &r.expected
	switch {
	case op == e.op:
	case e.op < op && op <= e.given:
		e.op = op
		if e.more && op == e.given {
			r.timers[timerTail] = now
		}
	default:
		*e = expected{op: op, donor: e.donor, wait: e.wait}
		r.timers.stop(timerTail)
	}
	if op != 0 && r.timers[timerTail] == Never && r.status != wire.StatusHalted {
		r.timers[timerTail] = now
	}
}

// onTailTimer asks for what follows the state, and tells all others where this replica will go on.
func (r *Replica) onTailTimer(now time.Duration, out *Effects) {
	e := &r.expected
	r.timers[timerTail] = now + tailInterval
	pause := time.Duration(0)
	switch {
	case e.asking:
		pause = e.wait
	case e.op < e.given: // not all of it was kept; the rest is given again when there may be room
		pause = pinInterval
	}
	asks := now-e.since >= pause
	if e.donor == 0 || e.asking && asks {
		e.donor = r.nextDonor(e.donor)
		e.wait = min(2*e.wait, tailPatience)
	}
	tells := now >= e.tell
	if tells {
		e.tell = now + pinInterval
	}
	pin := &wire.GetLog{LastNormal: r.lastNormal, Has: e.op, From: e.op + 1, To: e.op}
	for _, id := range r.cfg.Replicas {
		switch {
		case id == r.cfg.Self:
		case id != e.donor && tells:
			out.send(r.header(), id, pin)
		case id == e.donor && asks:
			e.asking, e.more, e.given = true, false, e.op
			e.since, e.wait = now, max(e.wait, pinInterval)
			out.send(r.header(), id, &wire.GetLog{
				LastNormal: r.lastNormal, Has: e.op, From: e.op + 1, To: ^wire.OpNumber(0), Logs: tailLogs,
			})
		}
	}
}

// nextDonor returns who is asked after a replica, 0 if there is nobody.
func (r *Replica) nextDonor(last wire.Peer) wire.Peer {
	need, _ := r.NeedState()
	if len(need.Donors) == 0 {
		return 0
	}
	return need.Donors[(slices.Index(need.Donors, last)+1)%len(need.Donors)]
}

// takeTail tells whether a Log answers what onTailTimer asks, and nothing else. Committed ops are the same everywhere
// and for ever, so anybody may give them.
func (r *Replica) takeTail(now time.Duration, from wire.Peer, m *wire.Log, out *Effects) bool {
	e := &r.expected
	switch last := m.First - 1 + wire.OpNumber(m.Entries.Len()); {
	case e.op == 0 || r.lacks == 0:
		return false
	case m.Entries.Len() == 0:
		return r.learnBegin(from, m)
	case from == e.donor && m.First <= max(e.op, e.given)+1:
		e.asking = last < min(m.Last, m.Commit)
		e.more = !e.asking && last < m.Commit
		e.wait = min(max(2*(now-e.since), pinInterval), tailPatience)
		e.since = now
	}
	if m.First == 0 || m.First != max(e.op, e.given)+1 || m.Commit < m.First {
		return false
	}
	if n := m.Commit + 1 - m.First; wire.OpNumber(m.Entries.Len()) > n {
		committed := *m
		committed.Entries = m.Entries.First(int(n))
		m = &committed
	}
	out.Tail = m
	e.given = m.First - 1 + wire.OpNumber(m.Entries.Len())
	return true
}

// learnBegin takes note where the log of another replica begins. Only the log of the primary counts: it has what is
// not committed as well.
func (r *Replica) learnBegin(from wire.Peer, m *wire.Log) bool {
	e, first := &r.expected, m.First
	if first != e.op+1 && m.Last != first-1 {
		return false
	}
	if from == e.donor && first == e.op+1 {
		e.asking = false // it has no more
	}
	primary := r.primaryOf(r.view)
	if r.status == wire.StatusRecovering {
		primary = r.recovery.primary
	}
	if from == primary {
		e.begins = 0
		if first > e.op+1 {
			e.begins = first - 1
		}
	}
	return first == e.op+1
}

// ---- reading

var errTail = errors.New("what was kept does not follow the state")

// Play executes those ops of a Log on the state and its machine that follow it. All of them must be committed. bytes is
// how much of the log is executed from one checkpoint to the next. It steps back for others from time to time. After an
// error neither is of use.
func (s *Restored) Play(m *wire.Log, machine StateMachine, bytes int, stepBack func()) error {
	if m.First > s.op+1 {
		return fmt.Errorf("%w: op %d behind op %d", errTail, m.First, s.op)
	}
	chain := m.PrevChain
	var e wire.Entry
	for op, entries := m.First, m.Entries; entries.Next(&e); op++ {
		if op == s.op+1 && chain != s.chain {
			return fmt.Errorf("%w: another op %d", errTail, s.op)
		}
		if chain, s.scratch = chain.Next(&e, s.scratch); op <= s.op {
			continue
		}
		s.sessions.executeOn(machine, op, &e)
		s.unsaved.count(&e, bytes)
		if s.op, s.chain = op, chain; op%playOnce == 0 {
			stepBack()
		}
	}
	return nil
}
