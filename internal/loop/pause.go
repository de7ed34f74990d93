package loop

import (
	"io"
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// A Pause is for how long the loop's goroutine did nothing else because of a checkpoint: from when it
// asked the machine for a snapshot until the call of the host was over in which it did, with what else that
// call had to do. What it costs later to copy what is changed is no part of it.
type Pause struct {
	Op    wire.OpNumber // of the checkpoint, 0 if it is let go of already
	Began time.Time
	Took  time.Duration
	// Worked is for how much of that the goroutine's thread had a CPU, 0 where that is not known. Else
	// others had it, or all of the process stood still.
	Worked time.Duration
}

// Pauses sums up all of them.
type Pauses struct {
	Checkpoints    uint64
	Total, Longest time.Duration
}

// A timed is a machine of which is known when it was last asked for a snapshot.
type timed struct {
	vr.StateMachine
	asked  time.Time     // zero after notePause
	worked time.Duration // by the thread until then
}

func (m *timed) Snapshot() io.WriterTo {
	if m.asked.IsZero() { // else another one was taken in the same call, and the pause is that of both
		m.asked, m.worked = time.Now(), threadWorked()
	}
	return m.StateMachine.Snapshot()
}

// notePause takes note of the checkpoint in the call of the host that is over, if there was one.
func (l *Loop) notePause() {
	if l.machine == nil || l.machine.asked.IsZero() {
		return
	}
	p := Pause{Began: l.machine.asked, Took: time.Since(l.machine.asked), Worked: threadWorked() - l.machine.worked}
	l.machine.asked = time.Time{}
	if c := l.host.Replica().Checkpoint(); c != nil {
		p.Op = c.Op
	}
	l.pauses.Checkpoints++
	l.pauses.Total += p.Took
	l.pauses.Longest = max(l.pauses.Longest, p.Took)
	if l.events != nil {
		l.tell(event{pause: &p})
	}
}
