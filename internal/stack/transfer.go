package stack

import (
	"errors"
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

// Spools say where states are kept while they are moved. All functions are called by jobs.
type Spools struct {
	// Source opens an empty spool for a state that is given.
	Source func() (Spool, error)
	// Target opens one for a state of a group that is fetched: that of the last run if it is still there.
	Target func(group wire.ClusterID) (Spool, error)
	// Tail opens an empty one for what follows a state that is fetched.
	Tail func() (Spool, error)
	// Ahead, if there is one, returns what reads so many bytes from r, to be closed by its user. It may
	// read ahead of him, and calls stepBack for him as a job does.
	Ahead func(r io.Reader, bytes uint64, stepBack func()) io.ReadCloser
}

// A transfer is the part of a host that moves states.
type transfer struct {
	machine vr.StateMachine
	source  *statexfer.Source
	target  *statexfer.Target
	ahead   func(io.Reader, uint64, func()) io.ReadCloser
	offered wire.OpNumber    // of the newest checkpoint that the source has
	need    vr.NeedState     // what the target was told; no donors: nothing
	started bool             // the target was told of a need
	ready   *statexfer.Ready // what the target has the whole of, until it is restored
	// restored is a state that a job has read, for the replica, and tail the ops that follow it, nil before there are any.
	restored *vr.Restored
	tail     *tail
	openTail func() (Spool, error)
	noTail   time.Duration // there is none before: the last one could not be written
	playing  bool          // a job executes some of the tail on the state
	// cluster is the group that a program outside of it fetches a state of.
	cluster wire.ClusterID
}

func (h *Host) newTransfer(machine vr.StateMachine, spools Spools) transfer {
	ahead := spools.Ahead
	if ahead == nil {
		ahead = func(r io.Reader, _ uint64, _ func()) io.ReadCloser { return io.NopCloser(r) }
	}
	return transfer{
		machine: machine, ahead: ahead, openTail: spools.Tail,
		source: statexfer.NewSource(statexfer.SourceConfig{Self: h.self, Header: h.header, Open: spools.Source}),
		target: statexfer.NewTarget(statexfer.TargetConfig{Self: h.self, Open: spools.Target}),
	}
}

// Done takes back a job that has run.
func (h *Host) Done(now time.Duration, j Job, out *Effects) {
	j.Done(now, &out.states)
	if r, is := j.(*restoreJob); is && r.err != nil {
		h.replica.Lose(&out.protocol)
	}
	h.move(now, out)
	out.publish()
}

// Progress returns how far the replica is with fetching a state.
func (h *Host) Progress(now time.Duration) statexfer.Progress { return h.states.target.Progress(now) }

// reportOf puts the progress into the form in which others are told of it.
func reportOf(p statexfer.Progress) wire.TransferReport {
	r := wire.TransferReport{Phase: p.Phase}
	if p.Phase == wire.TransferIdle {
		return r
	}
	r.Op, r.Total, r.Have, r.Moved, r.Rate = p.Op, p.Total, p.Have, p.Moved, p.Rate
	r.Sources, r.LeftMillis = uint64(p.Sources), ^uint64(0)
	if p.Left != statexfer.Never {
		r.LeftMillis = uint64(p.Left / time.Millisecond)
	}
	return r
}

// handTransfer gives a message to the source or the target.
func (h *Host) handTransfer(now time.Duration, header *wire.Header, m wire.Message, out *Effects) {
	if h.replica != nil && !h.replica.Admit(now, header, m, &out.protocol) {
		return
	}
	if h.replica == nil && header.From.IsClient() {
		h.drop(ReasonForged)
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
	s := &h.states
	if s.source.Deadline() <= now {
		s.source.Tick(now, &out.states)
	}
	if s.target.Deadline() <= now {
		s.target.Tick(now, &out.states)
	}
	if out.states.Ready != nil { // before the need may end for which it came
		s.ready, out.states.Ready = out.states.Ready, nil
	}
	if h.replica != nil {
		h.serveReplica(now, out)
	}
	header := h.header()
	for _, e := range out.states.Messages {
		e.Header = header
		out.protocol.Messages = append(out.protocol.Messages, e)
	}
	out.states.Messages = out.states.Messages[:0]
	h.send(now, out)
}

// header returns what messages of source and target begin with.
func (h *Host) header() wire.Header {
	if h.replica == nil {
		return wire.Header{Cluster: h.states.cluster, From: h.guest}
	}
	return h.replica.Header()
}

// serveReplica gives the source what the replica has, the target what it lacks, and the replica what
// the target has fetched.
func (h *Host) serveReplica(now time.Duration, out *Effects) {
	s := &h.states
	h.playOn(now, out)
	if c := h.replica.Checkpoint(); c != nil && c.Op > s.offered {
		s.offered = c.Op
		s.source.Offer(statexfer.Checkpoint{Op: c.Op, Chain: c.Chain, Epoch: c.Epoch, Members: c.Members, State: c})
	}
	h.tellNeed(now, out)
	s.checkTail(&out.states)
	if s.ready != nil && !h.replica.Hold(&out.protocol) {
		h.restore(now, out)
	}
	h.replica.Expect(now, s.expected())
}

// restore has a state read that has been fetched, if that is of use.
func (h *Host) restore(now time.Duration, out *Effects) {
	s := &h.states
	if h.replica.BeginRestore(s.expected()) {
		s.source.Withdraw()
		out.states.Jobs = append(out.states.Jobs, &restoreJob{host: h, ready: s.ready})
		s.ready = nil
		return
	}
	if _, lacks := h.replica.NeedState(); !lacks {
		s.stop(out)
		return
	}
	s.ready = nil
	s.target.Renew(now, &out.states)
	h.tellNeed(now, out)
}

// stop ends what the target does.
func (s *transfer) stop(out *Effects) {
	if s.ready != nil {
		s.target.Drop(&out.states)
	} else {
		s.target.Stop(&out.states)
	}
	s.started, s.ready = false, nil
	s.dropTail(&out.states)
}

// tellNeed tells the target what the replica lacks, if that has changed.
func (h *Host) tellNeed(now time.Duration, out *Effects) {
	s := &h.states
	need, lacks := h.replica.NeedState()
	if !lacks && s.target.Keeps() {
		s.started = false
		if h.replica.Follows() {
			s.stop(out)
		}
		return
	}
	if s.started && (!lacks || need.Root != s.need.Root) {
		s.stop(out)
	}
	if !lacks || s.started && need.MinOp == s.need.MinOp && need.Reserve == s.need.Reserve && slices.Equal(need.Donors, s.need.Donors) {
		return
	}
	s.started, s.need = true, need
	told := statexfer.Need{
		Group: h.replica.Header().Cluster, MinOp: need.MinOp, Root: need.Root, Donors: need.Donors, Reserve: need.Reserve,
	}
	if c := h.replica.Checkpoint(); c != nil {
		told.Old = c
	}
	s.target.Start(now, told, &out.states)
}

// A restoreJob reads a state into the machine, which executes nothing meanwhile.
type restoreJob struct {
	host     *Host
	ready    *statexfer.Ready
	restored *vr.Restored
	err      error
}

var errOtherState = errors.New("the state is not of the op that it was said to be of")

func (j *restoreJob) Run(stepBack func()) {
	state := j.host.states.ahead(j.ready.State, j.ready.Size, stepBack)
	j.restored, j.err = vr.ReadCheckpoint(state, j.host.states.machine)
	_ = state.Close() // which can only mean that nobody reads any more
	if j.err == nil && !j.restored.IsOf(j.ready.Op, j.ready.Chain) {
		j.restored, j.err = nil, errOtherState
	}
}

func (j *restoreJob) Done(now time.Duration, out *statexfer.Effects) {
	j.host.states.restored = j.restored
	if j.err != nil {
		j.host.states.target.Restored(now, j.err, out)
	}
}

func (*restoreJob) IsLong() bool { return true }
