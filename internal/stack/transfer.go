package stack

import (
	"io"
	"slices"
	"time"

	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// This file is where the replica's need for a state and the transfer of states meet. The replica says
// what it lacks and what it has; the source gives that, the target fetches this, and what has been
// fetched is restored and installed.

// A Job is work that takes long, or needs files. The runtime calls Run, in whatever goroutine is not
// the host's, and then gives it to Host.Done.
type Job = statexfer.Job

// A Spool is a file for a state on its way.
type Spool = statexfer.Spool

// Spools say where states are kept while they are moved. Both functions are called by jobs.
type Spools struct {
	// Source opens an empty spool for a state that is given, Target one for a state that is fetched:
	// that of the last run if it is still there.
	Source, Target func() (Spool, error)
}

// A transfer is the part of a host that moves states.
type transfer struct {
	machine vr.StateMachine
	source  *statexfer.Source
	target  *statexfer.Target
	offered wire.OpNumber // of the newest checkpoint that the source has
	need    vr.NeedState  // what the target was told; no donors: nothing
	started bool          // the target was told of a need
	// restored is a state that a job has read, for the replica.
	restored *vr.Restored
}

func newTransfer(self wire.Peer, machine vr.StateMachine, spools Spools) *transfer {
	return &transfer{
		machine: machine,
		source:  statexfer.NewSource(statexfer.SourceConfig{Self: self, Open: spools.Source}),
		target:  statexfer.NewTarget(statexfer.TargetConfig{Self: self, Open: spools.Target}),
	}
}

// Done takes back a job that has run.
func (h *Host) Done(now time.Duration, j Job, out *Effects) {
	j.Done(now, &out.states)
	if state := h.states.restored; state != nil {
		h.states.restored = nil
		h.replica.Install(now, state, &out.protocol)
		h.send(now, out)
	}
	h.move(now, out)
	out.publish()
}

// Progress returns how far the replica is with fetching a state.
func (h *Host) Progress(now time.Duration) statexfer.Progress { return h.states.target.Progress(now) }

// handTransfer gives a message to the source or the target.
func (h *Host) handTransfer(now time.Duration, header *wire.Header, m wire.Message, out *Effects) {
	if !h.replica.Admit(now, header, m, &out.protocol) {
		return
	}
	switch m.Kind() {
	case wire.KindGetManifest, wire.KindGetBlocks, wire.KindGetPiece:
		h.states.source.Step(now, header, m, &out.states)
	default:
		h.states.target.Step(now, header, m, &out.states)
	}
}

// move tells the source and the target what has become of the replica, and does what they want done.
func (h *Host) move(now time.Duration, out *Effects) {
	if h.replica == nil {
		return
	}
	s := h.states
	if s.source.Deadline() <= now {
		s.source.Tick(now, &out.states)
	}
	if s.target.Deadline() <= now {
		s.target.Tick(now, &out.states)
	}
	if c := h.replica.Checkpoint(); c != nil && c.Op > s.offered {
		s.offered = c.Op
		s.source.Offer(statexfer.Checkpoint{Op: c.Op, Chain: c.Chain, Epoch: c.Epoch, Members: c.Members, State: c})
	}
	h.tellNeed(now, out)
	if ready := out.states.Ready; ready != nil {
		out.states.Ready = nil
		if h.replica.BeginRestore(ready.Op) {
			out.states.Jobs = append(out.states.Jobs, &restoreJob{transfer: s, state: ready.State})
		} else {
			s.target.Stop(&out.states)
			s.started = false
		}
	}
	for _, e := range out.states.Messages {
		e.Header = h.replica.Header()
		out.protocol.Messages = append(out.protocol.Messages, e)
	}
	out.states.Messages = out.states.Messages[:0]
	h.send(now, out)
}

// tellNeed tells the target what the replica lacks, if that has changed.
func (h *Host) tellNeed(now time.Duration, out *Effects) {
	s := h.states
	need, lacks := h.replica.NeedState()
	switch {
	case !lacks && s.started:
		s.started = false
		s.target.Stop(&out.states)
	case lacks && !(s.started && need.MinOp == s.need.MinOp && slices.Equal(need.Donors, s.need.Donors)):
		s.started, s.need = true, need
		told := statexfer.Need{MinOp: need.MinOp, Donors: need.Donors}
		if c := h.replica.Checkpoint(); c != nil {
			told.Old = c
		}
		s.target.Start(now, told, &out.states)
	}
}

// A restoreJob reads a state into the machine, which executes nothing meanwhile.
type restoreJob struct {
	transfer *transfer
	state    io.Reader
	restored *vr.Restored
	err      error
}

func (j *restoreJob) Run() { j.restored, j.err = vr.ReadCheckpoint(j.state, j.transfer.machine) }

func (j *restoreJob) Done(now time.Duration, out *statexfer.Effects) {
	j.transfer.restored = j.restored
	j.transfer.target.Restored(now, j.err, out)
}

func (*restoreJob) IsLong() bool { return true }
