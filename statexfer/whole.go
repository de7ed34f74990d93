package statexfer

import (
	"time"

	"vrnode/wire"
)

// This file is what becomes of a checkpoint that is all in the spool. It is read by the replica, or it is
// of no use any more: the logs of the others do not go back to it, or to the last of the ops that came with it,
// because they went on for longer than they can remember. Then a newer one is needed. Of that only the blocks come
// that are not in this one, so each takes less time than the one before, and less has to be remembered.

// Expected returns the op of the checkpoint that will be handed over or is being read, as far as that is
// known, else 0: it is being fetched, or a donor writes it out. Of several it is the oldest that will do.
func (t *Target) Expected() wire.OpNumber {
	if t.manifest != nil && !t.choosing {
		return t.manifest.Op
	}
	oldest := wire.OpNumber(0)
	for _, d := range t.donors {
		if d.prepares > 0 && d.prepares >= t.need.MinOp && (oldest == 0 || d.prepares < oldest) {
			oldest = d.prepares
		}
	}
	return oldest
}

// Restored tells what became of a Ready. After an error all of the spool is looked through again,
// and what is damaged is fetched again. Otherwise the spool stays until Stop: if the logs of the others
// have been too short after all, the next checkpoint will be compared with this one.
func (t *Target) Restored(now time.Duration, err error, out *Effects) {
	t.pending--
	switch {
	case t.closing:
		t.close(out) // it was stopped
	case err != nil:
		t.fail(now, err, out)
	default:
		out.Events = append(out.Events, Event{Kind: EventRestored, Op: t.op()})
		t.end()
		t.spare, t.has.places = nil, nil
	}
}

// Keeps tells whether the target is idle, but has kept the checkpoint that was restored.
func (t *Target) Keeps() bool { return t.phase == wire.TransferIdle && t.whole != nil }

// Renew tells, instead of Restored, that a Ready is of no use, and a later checkpoint is needed. Start
// follows, and says which.
func (t *Target) Renew(now time.Duration, out *Effects) {
	t.pending--
	out.Events = append(out.Events, Event{Kind: EventOutrun, Op: t.op()})
	t.forget()
	t.manifest, t.slots, t.missing = nil, nil, 0
	t.choose(now)
	t.phase = wire.TransferChecking
	t.prepare(out)
}

// Drop tells, instead of Restored, that a Ready is of no use, and nothing else is needed.
func (t *Target) Drop(out *Effects) {
	t.pending--
	t.Stop(out)
}

// prepare prepares the comparison of the next checkpoint with the one that is in the spool.
func (t *Target) prepare(out *Effects) {
	j := &compareJob{state: make([]cutSlot, len(t.whole)), done: t.prepared}
	for i, slot := range t.whole {
		j.state[i].slot = slot
		if int(slot) < len(t.has.cuts) {
			j.state[i].blocks = t.has.cuts[slot]
		}
	}
	t.need.Old = nil
	t.has.keep(j.state)
	t.pending++
	out.Jobs = append(out.Jobs, j)
}

func (t *Target) prepared(now time.Duration, j *compareJob, out *Effects) {
	t.pending--
	if t.closing {
		t.close(out)
		return
	}
	t.has.places = j.places
	t.begun(now, out)
}
