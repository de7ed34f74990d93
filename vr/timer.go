package vr

import (
	"math"
	"time"
)

// Never is the deadline of a machine that waits for nothing but messages.
const Never time.Duration = math.MaxInt64

type timer uint8

const (
	timerHeartbeat  timer = iota // primary: send Commit
	timerResend                  // primary: look for backups that make no progress
	timerSuspect                 // backup: the primary has been silent too long
	timerVote                    // repeat StartViewChange
	timerViewChange              // repeat JoinView and DoViewChange, or GetView
	timerGiveUp                  // the view has not started in time
	timerFetch                   // repeat GetLog
	timerRecovery                // repeat Recovery
	timerTail                    // ask for what follows a state
	timerCount
)

// timers holds when each timer is due.
type timers [timerCount]time.Duration

func (t *timers) stop(which timer) { t[which] = Never }

func (t *timers) stopAll() {
	for i := range t {
		t[i] = Never
	}
}

// due returns a timer that is due and stops it, or says false.
func (t *timers) due(now time.Duration) (which timer, at time.Duration, ok bool) {
	for i := range t {
		if t[i] <= now {
			at, t[i] = t[i], Never
			return timer(i), at, true
		}
	}
	return 0, 0, false
}

func (t *timers) next() time.Duration {
	next := Never
	for _, at := range t {
		next = min(next, at)
	}
	return next
}
