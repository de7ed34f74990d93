package vr

import (
	"time"

	"vrnode/wire"
)

// This file is how a state and the log are made to meet. To bring a state takes long, and meanwhile the
// others go on. What they have executed since the state must still be in their logs when it is there.
// So who waits for a state says again and again where it will go on:
//
//	GetLog{Has: op, From: op + 1, To: op}, where op is that of the state
//
// asks for no ops. The others answer where their logs begin, and keep them from there on as long as they
// hear it and their memory lasts. If it does not, the replica learns by the same answer that the state
// is of no use, before it reads it, and waits for a newer one: of that only what differs has to come.

const (
	pinInterval = 500 * time.Millisecond // between two such GetLogs
	pinTime     = 5 * time.Second        // how long a log is kept after one
)

// pinBytes is how much of the log stays for those who fetch a state. What is left is for the ops that
// come before the next checkpoint is taken, and before what it stands for is forgotten.
func (r *Replica) pinBytes() int { return r.cfg.LogBytes / 8 * 7 }

// A pin is the wish of another replica that the ops after one stay.
type pin struct {
	after wire.OpNumber
	asked wire.OpNumber // what it asked for begins behind this one: up to that it may be under way
	to    wire.OpNumber // and ends here; at most asked, if it asked for none yet
	until time.Duration // 0: there is none
}

// pin notes that a replica will want the ops from one on, or wants them now.
func (r *Replica) pin(now time.Duration, id wire.Peer, m *wire.GetLog) {
	r.pins[r.seat(id)] = pin{m.Has, m.From - 1, m.To, now + pinTime}
}

// isPinned tells whether somebody wants the oldest op of the log, and all after it. Who wants more than
// there is gets nothing by what is left.
func (r *Replica) isPinned() bool {
	for i := range r.pins {
		if p := &r.pins[i]; p.until > 0 && p.after == r.log.base {
			return true
		}
	}
	return false
}

// isFar tells whether a replica asks for ops of the log, and for so early ones that it could not keep the
// Prepares that come meanwhile: it would ask for their ops as well, and have twice the work of the others,
// to whom it is to catch up. By how many bytes it is behind is estimated. What it does not ask for does not
// count: that may be under way to it, and over a long path it may be much. Who has all that is committed is
// never far: what is not may wait for it.
func (r *Replica) isFar(seat int) bool {
	p := &r.pins[seat]
	has := max(p.asked, r.primary.match[seat])
	lacks := r.log.head
	if p.to > p.asked {
		lacks = min(p.to, lacks)
	}
	if p.until == 0 || has >= min(lacks, r.commit) || r.log.head == r.log.base {
		return false
	}
	return uint64(lacks-has)*uint64(r.log.bytes)/uint64(r.log.head-r.log.base) > earlyBytes
}

// unpin ends the pins of those who have not been heard for long.
func (r *Replica) unpin(now time.Duration) {
	for i := range r.pins {
		if r.pins[i].until <= now {
			r.pins[i] = pin{}
		}
	}
}

// An expected is the state that a replica waits for, or reads.
type expected struct {
	op wire.OpNumber // 0: it is not known
	// tail is the op after which the log of the primary begins, if that is after op, else 0.
	tail wire.OpNumber
}

// Expect tells the replica of which op the state is that is being brought, 0 if that is not known, or no
// longer. It may be told the same any number of times. A state that a new group begins with is followed by
// nothing.
func (r *Replica) Expect(now time.Duration, op wire.OpNumber) {
	if r.lacks == 0 || !r.birth.base.IsZero() {
		op = 0
	}
	if r.expected.op != op {
		r.expected = expected{op: op}
		r.timers.stop(timerPin)
	}
	if op != 0 && r.timers[timerPin] == Never && r.status != wire.StatusHalted {
		r.timers[timerPin] = now
	}
}

// onPinTimer tells everybody where this replica will go on.
func (r *Replica) onPinTimer(now time.Duration, out *Effects) {
	r.timers[timerPin] = now + pinInterval
	op := r.expected.op
	r.broadcast(&wire.GetLog{LastNormal: r.lastNormal, Has: op, From: op + 1, To: op}, out)
}

// learnTail takes note where the log of another replica begins, and tells whether that was an answer to
// what onPinTimer asks, and nothing else. Only the log of the primary counts: it has what is not
// committed as well.
func (r *Replica) learnTail(from wire.Peer, m *wire.Log) bool {
	e, first := &r.expected, m.First
	if e.op == 0 || first != e.op+1 && m.Last != first-1 {
		return false
	}
	primary := r.primaryOf(r.view)
	if r.status == wire.StatusRecovering {
		primary = r.recovery.primary
	}
	if from == primary {
		e.tail = 0
		if first > e.op+1 {
			e.tail = first - 1
		}
	}
	return first == e.op+1
}
