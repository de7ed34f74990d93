package vr

import (
	"time"

	"vrnode/wire"
)

// This file is how a log stays where another replica will go on. Who asks for ops, or waits for a state and what
// follows it (tail.go), says which it has. The others keep those after it as long as they hear it and their memory
// lasts.

// pinTime is how long a log is kept after a GetLog.
const pinTime = 5 * time.Second

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
