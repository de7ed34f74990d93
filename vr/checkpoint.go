package vr

import (
	"encoding/binary"
	"io"

	"vrnode/wire"
)

// This file is checkpoints and what they are for, a log that does not grow for ever: VR Revisited,
// section 5.1. Every replica takes its own, without a word to the others. When it does so depends only
// on the ops that it has executed, so that all replicas take the same checkpoints, and what one of
// them writes can be had from any.

// A Checkpoint is the replicated state after an op: the client-table and the state of the machine. It
// never changes, and holds no copy of anything large. It may be written by any goroutine while the
// replica goes on.
type Checkpoint struct {
	// Op is the last op that was executed, Chain the chain of the log there.
	Op    wire.OpNumber
	Chain wire.Chain
	// Epoch and Members are the configuration as of Op.
	Epoch   wire.EpochNumber
	Members []wire.Member

	// unsaved is 0, unless it is the checkpoint of a replica that has installed a state with its tail.
	unsaved  unsaved
	sessions frozen
	state    io.WriterTo
}

// CheckpointBytes returns how much of the log is executed from one checkpoint to the next.
func (r *Replica) CheckpointBytes() int { return r.cfg.LogBytes / 4 }

// unsaved are the bytes of the log that were executed since the last op at which all replicas take a checkpoint.
type unsaved int

// count counts an op that was executed, and tells whether it is time for a checkpoint. Then it begins anew.
func (u *unsaved) count(e *wire.Entry, most int) bool {
	*u += unsaved(footprint(e))
	full := int(*u) >= most || e.Kind == wire.EntryCheckpoint
	if full {
		*u = 0
	}
	return full
}

// keepBytes is how much of the log stays although a checkpoint stands for it, for others that lack
// a little.
func (r *Replica) keepBytes() int { return r.cfg.LogBytes / 2 }

// logIsFull tells whether nothing may be added to the log until some of it has been executed and
// forgotten.
func (r *Replica) logIsFull() bool { return r.log.bytes >= r.cfg.LogBytes }

// Checkpoint returns the newest checkpoint, or nil if there is none yet, or while the state is being
// replaced by another.
func (r *Replica) Checkpoint() *Checkpoint {
	if r.checkpoint == nil || r.checkpoint.state == nil {
		return nil
	}
	return r.checkpoint
}

// letGo lets go of the state of the newest checkpoint. Only its op is still of use.
func (r *Replica) letGo() {
	if c := r.checkpoint; c != nil {
		r.checkpoint = &Checkpoint{Op: c.Op}
	}
}

// takeCheckpoint takes a checkpoint of what is executed. The machine is asked first: who has wrapped it
// to measure what a checkpoint takes sees it begin.
func (r *Replica) takeCheckpoint(out *Effects) {
	r.checkpoint = &Checkpoint{
		Op: r.applied, Chain: r.log.chain(r.applied),
		Epoch: r.epoch, Members: r.members, unsaved: r.unsaved,
		state: r.machine.Snapshot(), sessions: r.sessions.freeze(),
	}
	out.event(Event{Kind: EventCheckpoint, View: r.view, Op: r.applied, Peer: r.cfg.Self})
}

// onTakeCheckpoint has every replica take a checkpoint at the same op, for who wants the state as it is
// now: an op of the log says so. There is no such op if there is a checkpoint that will do, or will be.
func (r *Replica) onTakeCheckpoint(h *wire.Header, m *wire.TakeCheckpoint, out *Effects) Reason {
	switch {
	case r.status == wire.StatusRecovering:
		return NotOperational
	case h.Cluster != r.cluster:
		return WrongCluster
	case !r.isPrimary():
		return NotPrimary
	case m.MinOp <= max(r.checkpointOp(), r.primary.marked) || m.MinOp > r.log.head+1:
		return NothingNew
	}
	return r.appendOp(h.From, &wire.Entry{View: r.view, Kind: wire.EntryCheckpoint, Client: h.From}, out)
}

// mayForget tells whether the oldest op of the log should go: the checkpoint stands for it, and the log
// takes more than it should, which is more while somebody fetches the state before that op. Nothing goes
// while a log is frozen, so that who needs it for the new view finds it whole.
func (r *Replica) mayForget() bool {
	if r.status != wire.StatusNormal || r.log.base >= r.checkpointOp() || r.isPrimary() && r.log.base == r.primary.sent {
		return false
	}
	return r.log.bytes > r.pinBytes() || r.log.bytes > r.keepBytes() && !r.isPinned()
}

// forget drops the oldest ops from the log, a few at a time.
func (r *Replica) forget() {
	for n := 0; n < forgetMax && r.mayForget(); n++ {
		r.log.forget()
	}
}

// The written form of a checkpoint is a sequence of records: a header, the sessions in the order of
// their client-ids, and what the machine writes. Numbers are of variable length.
const checkpointVersion = 2

// WriteTo writes the checkpoint, one record with each call of Write: equal checkpoints are written
// by equal calls on every replica.
func (c *Checkpoint) WriteTo(w io.Writer) (n int64, err error) {
	record := []byte{checkpointVersion}
	write := func() {
		if err == nil {
			var some int
			some, err = w.Write(record)
			n += int64(some)
		}
	}
	record = binary.AppendUvarint(record, uint64(c.Op))
	record = binary.LittleEndian.AppendUint64(record, uint64(c.Chain))
	record = binary.AppendUvarint(record, uint64(c.unsaved))
	record = binary.AppendUvarint(record, uint64(c.sessions.count))
	write()
	for _, s := range c.sessions.byClient() {
		record = s.append(record[:0])
		write()
	}
	if err != nil {
		return n, err
	}
	some, err := c.state.WriteTo(w)
	return n + some, err
}

// append adds the record of a session to b.
func (s *session) append(b []byte) []byte {
	for _, x := range [...]uint64{
		uint64(s.client), uint64(s.number), uint64(s.touched), uint64(s.forgotten), uint64(s.last - s.forgotten),
	} {
		b = binary.AppendUvarint(b, x)
	}
	for r := s.forgotten + 1; r <= s.last; r++ {
		body := s.slot(r).body
		b = append(binary.AppendUvarint(b, uint64(len(body))), body...)
	}
	return b
}
