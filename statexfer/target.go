package statexfer

import (
	"io"
	"slices"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// TargetConfig is what a Target must be told.
type TargetConfig struct {
	Self wire.Peer
	// Open opens the spool for what is fetched of the state of a group: that of the last run if it is
	// still there, else an empty one. It is called by jobs.
	Open func(group wire.ClusterID) (Spool, error)
}

// A Need is what a replica lacks.
type Need struct {
	// Group is that of the replica.
	Group wire.ClusterID
	// MinOp is the least op-number of a checkpoint that helps.
	MinOp wire.OpNumber
	// Root is that of the manifest that is wanted, zero if any will do.
	Root wire.Digest
	// Donors are those to ask, in the order of preference; at most wire.MembersMax.
	Donors []wire.Peer
	// Reserve is the donor that has enough to do without this, 0 for none. It is asked where the others
	// are of no use, or take long.
	Reserve wire.Peer
	// Old is the state that the replica has, or nil. Only what differs from it is fetched.
	Old io.WriterTo
}

// A Target fetches a checkpoint. It is not safe for concurrent use.
//
// It begins with the first that it is offered, asks other donors for the same, and fetches
// different chunks from each. What it has it finds by digest. So nothing depends on which source a
// chunk came from or for which checkpoint, and what is equal in the next one need not come again.
type Target struct {
	cfg   TargetConfig
	phase wire.TransferPhase
	need  Need
	// has is what the spool holds, and of what the old state consists; nil before that is known.
	has *archive
	// whole are the slots of the last checkpoint of which all is in the spool. The next one is compared
	// with it. While the target is idle they stay until Stop.
	whole []uint32
	// free are slots that nothing of worth is in, writes those that jobs write to.
	free   []uint32
	writes []uint32
	// pending counts jobs that use the spool. closing: it will be closed, and is not open to others.
	pending int
	closing bool
	resume  time.Duration // when wire.TransferResting ends

	donors   []*donor
	draft    *draft
	drafting *donor // who the draft is from
	// choosing: any checkpoint will do, there is none yet or nobody has it any more.
	choosing bool
	heard    time.Duration // when a source was heard last that has the checkpoint
	began    time.Duration // when the need was there first

	// manifest is what is being fetched, nil before it is chosen; round counts them.
	manifest *Manifest
	round    uint64
	slots    []uint32 // slot of each chunk plus 1; 0 means missing
	missing  int
	cursor   int     // no chunk before it has never been asked for
	again    []retry // chunks to be asked for once more

	fetches []*fetch
	spare   []*fetch
	parcels []wire.Parcel // whose buffers are free
	meter   meter
	ignored [reasonMax + 1]uint64
}

// A retry is a chunk that is to be asked for again, whole if a comparison of blocks misled. from was asked
// for it last, and may answer yet.
type retry struct {
	chunk uint32
	whole bool
	from  *donor
	asked time.Duration
}

// NewTarget returns a target that needs nothing.
func NewTarget(cfg TargetConfig) *Target { return &Target{cfg: cfg, phase: wire.TransferIdle} }

// Ignored returns how many messages were ignored for a reason.
func (t *Target) Ignored(r Reason) uint64 { return t.ignored[r] }

// Start tells what the replica needs, at first or now. Group and Old count only at first. While a
// checkpoint is being restored, or the spool of the last transfer closed, it has no effect until
// that is over: then it is for the caller to see whether the need is still there.
func (t *Target) Start(now time.Duration, need Need, out *Effects) {
	assert.That(len(need.Donors) <= wire.MembersMax, "no more donors than members")
	t.need.MinOp, t.need.Root, t.need.Donors = need.MinOp, need.Root, append(t.need.Donors[:0], need.Donors...)
	t.need.Reserve = need.Reserve
	if t.phase == wire.TransferIdle {
		t.need.Group, t.need.Old = need.Group, need.Old
		t.choosing, t.heard, t.meter, t.began = true, now, meter{}, now
		t.donors = nil
		t.phase = wire.TransferChecking
		out.Events = append(out.Events, Event{Kind: EventStarted, Op: need.MinOp})
		switch {
		case t.closing:
		case t.whole != nil:
			t.prepare(out)
		default:
			t.check(out)
		}
	}
	t.setDonors()
	if t.manifest != nil && t.manifest.Op < need.MinOp && t.phase != wire.TransferRestoring {
		t.choose(now)
	}
	t.ask(now, out)
}

// Stop ends the transfer: the replica needs no state any more, and what is in the spool is of no use.
func (t *Target) Stop(out *Effects) {
	if t.phase == wire.TransferIdle && t.whole == nil {
		return
	}
	t.end()
	t.whole = nil
	if t.has != nil || t.pending > 0 {
		t.closing = true
		t.close(out)
	}
}

// end makes the target idle.
func (t *Target) end() {
	t.phase = wire.TransferIdle
	t.need = Need{}
	t.forget()
	t.donors, t.draft, t.drafting = nil, nil, nil
	t.manifest, t.slots, t.missing = nil, nil, 0
}

// close closes the spool as soon as no job uses it.
func (t *Target) close(out *Effects) {
	if !t.closing || t.pending > 0 {
		return
	}
	if t.has == nil { // it could not be opened
		t.closed(0, out)
		return
	}
	spool := t.has.spool
	t.has = nil
	t.pending++
	out.Jobs = append(out.Jobs, &closeJob{spool, t.closed})
}

func (t *Target) closed(_ time.Duration, out *Effects) {
	t.pending, t.closing = 0, false
	if t.phase == wire.TransferChecking {
		t.check(out)
		return
	}
	t.spare, t.parcels = nil, nil // they are of use while chunks come
}

// check finds out what there is already.
func (t *Target) check(out *Effects) {
	j := &fillJob{state: t.need.Old, compare: true, done: t.checked}
	if t.has != nil {
		j.spool, t.has = t.has.spool, nil
	} else {
		group := t.need.Group
		j.open = func() (Spool, error) { return t.cfg.Open(group) }
	}
	t.need.Old, t.whole = nil, nil
	t.pending++
	out.Jobs = append(out.Jobs, j)
}

func (t *Target) checked(now time.Duration, j *fillJob, out *Effects) {
	t.pending--
	if j.spool != nil {
		t.has = j.archive
		if t.has == nil {
			t.has = &archive{spool: j.spool}
		}
	}
	if t.closing {
		t.close(out)
		return
	}
	if j.err != nil {
		t.fail(now, j.err, out)
		return
	}
	t.begun(now, out)
}

// begun begins to fetch, as soon as it is known what there is.
func (t *Target) begun(now time.Duration, out *Effects) {
	t.phase = wire.TransferFetching
	if t.manifest != nil {
		t.plan()
	}
	t.fetch(now, out)
}

// fail rests for a while; then the whole spool is looked through again.
func (t *Target) fail(now time.Duration, err error, out *Effects) {
	t.phase, t.resume = wire.TransferResting, now+failurePause
	t.forget()
	out.Events = append(out.Events, Event{Kind: EventFailed, Op: t.op(), Err: err})
}

// forget gives up what is under way. Jobs that run nevertheless find out by their round.
func (t *Target) forget() {
	t.round++
	t.spare = append(t.spare, slices.DeleteFunc(t.fetches, func(f *fetch) bool { return f.stage == storing })...)
	t.fetches, t.again = t.fetches[:0], nil
	for _, d := range t.donors {
		d.flight = 0
	}
}

func (t *Target) op() wire.OpNumber {
	if t.manifest == nil {
		return 0
	}
	return t.manifest.Op
}

// adopt takes a manifest for what is to be fetched.
func (t *Target) adopt(now time.Duration, m *Manifest, from *donor, out *Effects) {
	kind := EventChosen
	if t.manifest != nil || t.whole != nil {
		kind = EventReplaced
	}
	out.Events = append(out.Events, Event{Kind: kind, Op: m.Op, Peer: from.peer})
	t.forget()
	t.manifest, t.choosing, t.heard = m, false, now
	for _, d := range t.donors {
		d.has, d.gone = d.offered == m.Root, false
		d.waiting = false
	}
	if t.phase == wire.TransferFetching {
		t.plan()
	}
}

// plan finds what there is of the manifest, and makes room of all else.
func (t *Target) plan() {
	n := len(t.manifest.Chunks)
	t.slots, t.cursor, t.missing = make([]uint32, n), 0, n
	wanted := make([]bool, len(t.has.slots))
	t.meter.begin(t.manifest.Total)
	for i, c := range t.manifest.Chunks {
		slot, there := t.has.index[c.Digest]
		if there && t.has.slots[slot].Length == c.Length {
			wanted[slot] = true
			t.settle(uint32(i), slot)
			t.meter.reused += uint64(c.Length)
		}
	}
	t.free = t.free[:0]
	for slot := len(wanted) - 1; slot >= 0; slot-- {
		if !wanted[slot] && !t.has.isOld(uint32(slot)) {
			c := &t.has.slots[slot]
			if c.Length > 0 {
				delete(t.has.index, c.Digest)
				c.Length = 0
				t.has.cut(uint32(slot), nil)
			}
			if !slices.Contains(t.writes, uint32(slot)) {
				t.free = append(t.free, uint32(slot))
			}
		}
	}
}

// settle notes where a chunk is.
func (t *Target) settle(chunk, slot uint32) {
	t.slots[chunk] = slot + 1
	t.missing--
	t.meter.have += uint64(t.manifest.Chunks[chunk].Length)
}

// takeSlot returns a slot that nothing of worth is in.
func (t *Target) takeSlot() uint32 {
	if n := len(t.free); n > 0 {
		slot := t.free[n-1]
		t.free = t.free[:n-1]
		return slot
	}
	assert.That(len(t.has.slots) < slotsMax, "there are slots for two states")
	t.has.slots = append(t.has.slots, wire.Chunk{})
	return uint32(len(t.has.slots) - 1)
}

// finish hands over the whole, if nothing is missing.
func (t *Target) finish(out *Effects) {
	if t.phase != wire.TransferFetching || t.manifest == nil || t.missing > 0 || t.manifest.Op < t.need.MinOp {
		return
	}
	m := t.manifest
	slots := make([]uint32, len(t.slots))
	for i, s := range t.slots {
		slots[i] = s - 1
	}
	t.phase, t.whole = wire.TransferRestoring, slots
	t.pending++ // what reads it
	out.Ready = &Ready{
		Checkpoint: Checkpoint{Op: m.Op, Chain: m.Chain, Epoch: m.Epoch, Members: m.Members},
		State:      &reader{spool: t.has.spool, chunks: m.Chunks, slots: slots, buffer: make([]byte, ChunkMax)},
		Size:       m.Total,
	}
	out.Events = append(out.Events, Event{Kind: EventWhole, Op: m.Op, Total: m.Total, Moved: t.meter.moved})
}

// Step handles a message. Its header has been checked by the rules for all messages.
func (t *Target) Step(now time.Duration, h *wire.Header, m wire.Message, out *Effects) {
	d := t.donor(h.From)
	switch {
	case t.phase == wire.TransferIdle || t.phase == wire.TransferRestoring || t.phase == wire.TransferResting:
		t.ignored[ReasonIdle]++
		return
	case d == nil:
		t.ignored[ReasonStranger]++
		return
	}
	switch m := m.(type) {
	case *wire.Manifest:
		t.onManifest(now, d, m, out)
	case *wire.Blocks:
		t.onBlocks(now, d, m, out)
	case *wire.Piece:
		t.onPiece(now, d, m, out)
	case *wire.TransferRefused:
		t.onRefused(now, d, m)
	default:
		t.ignored[ReasonNotForUs]++
		return
	}
	t.ask(now, out)
	t.fetch(now, out)
}

// Tick gives up what takes too long, and asks somebody else.
func (t *Target) Tick(now time.Duration, out *Effects) {
	switch {
	case t.phase == wire.TransferResting && t.resume <= now:
		// What is still being written would be read at the same time.
		if t.pending > 0 {
			t.resume = now + failurePause
			return
		}
		t.phase = wire.TransferChecking
		t.check(out)
	case t.phase == wire.TransferChecking || t.phase == wire.TransferFetching:
	default:
		return
	}
	t.expire(now, out)
	if t.phase == wire.TransferFetching {
		t.meter.tick(now)
	}
	t.ask(now, out)
	t.fetch(now, out)
}

// Deadline returns when Tick next has something to do.
func (t *Target) Deadline() time.Duration {
	switch t.phase {
	case wire.TransferResting:
		return t.resume
	case wire.TransferChecking, wire.TransferFetching:
	default:
		return Never
	}
	at := t.expires()
	if t.phase == wire.TransferFetching {
		at = min(at, t.meter.next)
	}
	return at
}
