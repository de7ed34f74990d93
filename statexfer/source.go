package statexfer

import (
	"slices"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// SourceConfig is what a Source must be told.
type SourceConfig struct {
	Self wire.Peer
	// Header returns what messages begin with now. Pieces are encoded by jobs.
	Header func() wire.Header
	// Open makes an empty spool. It is called by jobs.
	Open func() (Spool, error)
}

// A Source gives checkpoints to those who need one. It is not safe for concurrent use.
//
// A checkpoint is written out when the first target asks for it, and all targets are served from the
// same spool. It stays as long as one of them comes back, whatever newer checkpoints there are:
// otherwise a transfer that takes longer than the time between two checkpoints would have no end.
type Source struct {
	cfg       SourceConfig
	newest    Checkpoint
	archives  []*served
	transfers []*transfer
	ignored   [reasonMax + 1]uint64
	stats     SourceStats
}

// SourceStats count since the start.
type SourceStats struct {
	Pieces  uint64 // pieces sent
	Bytes   uint64 // their bytes
	Refused uint64 // requests that were refused
}

// A served is a checkpoint that is written out, or will be.
type served struct {
	state    servedState
	manifest Manifest
	archive  *archive
	used     time.Duration // when it was asked for last
	until    time.Duration // when a failed one is forgotten
	err      error         // why it failed
	reading  int           // jobs that read it
}

type servedState uint8

const (
	writing servedState = iota
	written
	failed
)

// A transfer is the place that a target has.
type transfer struct {
	peer  wire.Peer
	of    *served
	asked time.Duration      // when it asked for something last
	jobs  [readsMax]*readJob // made when they are first needed
}

// NewSource returns a source that has nothing to give.
func NewSource(cfg SourceConfig) *Source { return &Source{cfg: cfg} }

// Offer tells the newest checkpoint of the replica; one that is no newer than the last is ignored. The
// last one stays if it is being given to somebody.
func (s *Source) Offer(c Checkpoint) {
	assert.That(c.State != nil, "a checkpoint has a state")
	if c.Op <= s.newest.Op {
		return
	}
	c.Members = slices.Clone(c.Members)
	s.newest = c
}

// Withdraw tells that the replica's state is about to be replaced, and the newest checkpoint must be let
// go of. What is written out is given on.
func (s *Source) Withdraw() { s.newest = Checkpoint{} }

// Prepare writes the newest checkpoint out before anybody has asked for it.
func (s *Source) Prepare(now time.Duration, out *Effects) {
	if s.choose(&wire.GetManifest{Op: s.newest.Op}) == nil {
		s.writeOut(now, out)
	}
}

// Root returns the root of the newest checkpoint, once that is written out, and why it could not be.
func (s *Source) Root() (root wire.Digest, written bool, err error) {
	a := s.choose(&wire.GetManifest{Op: s.newest.Op})
	if a == nil {
		return root, false, nil
	}
	return a.manifest.Root, a.state != writing, a.err
}

// Size returns how many bytes the newest checkpoint has, 0 if it is not written out.
func (s *Source) Size() uint64 {
	if a := s.choose(&wire.GetManifest{Op: s.newest.Op}); a != nil {
		return a.manifest.Total
	}
	return 0
}

// Transfers returns how many targets are being served.
func (s *Source) Transfers() int { return len(s.transfers) }

// Stats returns what was given.
func (s *Source) Stats() SourceStats { return s.stats }

// Ignored returns how many messages were ignored for a reason.
func (s *Source) Ignored(r Reason) uint64 { return s.ignored[r] }

// Step handles a message. Its header has been checked by the rules for all messages.
func (s *Source) Step(now time.Duration, h *wire.Header, m wire.Message, out *Effects) {
	if !h.From.IsReplica() && !h.From.IsClient() || h.From == s.cfg.Self {
		s.ignored[ReasonStranger]++
		return
	}
	switch m := m.(type) {
	case *wire.GetManifest:
		s.onGetManifest(now, h.From, m, out)
	case *wire.GetBlocks:
		s.onGetBlocks(now, h.From, m, out)
	case *wire.GetPiece:
		s.onGetPiece(now, h.From, m, out)
	default:
		s.ignored[ReasonNotForUs]++
	}
}

func (s *Source) onGetManifest(now time.Duration, from wire.Peer, m *wire.GetManifest, out *Effects) {
	refuse := func(why wire.TransferRefusal, retry time.Duration) {
		s.refuse(from, wire.TransferRefused{Op: m.Op, Chunk: wire.NoChunk, Why: why}, retry, out)
	}
	if s.place(from) == nil && s.room(now, from) < 0 {
		refuse(wire.TransferBusy, retryBusy)
		return
	}
	a := s.choose(m)
	if a == nil {
		op := s.newest.Op
		switch {
		case op == 0 || op < m.Op || m.Op == 0 && op < m.MinOp:
			refuse(wire.TransferNotYet, retryNotYet)
			return
		case m.Op != 0 && m.Op != op:
			refuse(wire.TransferGone, retryNotYet)
			return
		}
		if a = s.writeOut(now, out); a == nil {
			refuse(wire.TransferBusy, retryBusy)
			return
		}
	}
	if a.state == failed {
		refuse(wire.TransferFailed, retryFailed)
		return
	}
	s.admit(now, from, a, out)
	if a.state == writing {
		s.refuse(from, wire.TransferRefused{Op: m.Op, Chunk: wire.NoChunk, Why: wire.TransferPreparing, Prepares: a.manifest.Op}, retryPreparing, out)
		return
	}
	if m.Part >= parts(uint64(len(a.manifest.Chunks))) {
		s.ignored[ReasonMalformed]++
		return
	}
	answer := out.manifests.Take()
	a.manifest.part(m.Part, answer)
	out.send(s.cfg.Self, from, answer)
}

// choose returns what there is for a request: the checkpoint that is asked for, or else the newest
// that will do and is, or is being, written out.
func (s *Source) choose(m *wire.GetManifest) *served {
	var best *served
	for _, a := range s.archives {
		op := a.manifest.Op
		if op == m.Op || m.Op == 0 && op >= m.MinOp && (best == nil || op > best.manifest.Op) {
			best = a
		}
	}
	return best
}

// writeOut begins to write out the newest checkpoint, or returns nil if there is no room for it.
func (s *Source) writeOut(now time.Duration, out *Effects) *served {
	if len(s.archives) == archivesMax {
		unused := slices.IndexFunc(s.archives, func(a *served) bool { return !s.isUsed(a) })
		if unused < 0 {
			return nil
		}
		s.drop(unused, out)
	}
	c := &s.newest
	a := &served{used: now, manifest: Manifest{Op: c.Op, Chain: c.Chain, Epoch: c.Epoch, Members: c.Members}}
	s.archives = append(s.archives, a)
	out.Jobs = append(out.Jobs, &fillJob{
		open: s.cfg.Open, state: c.State, root: a.manifest,
		done: func(now time.Duration, j *fillJob, out *Effects) { s.filled(now, a, j, out) },
	})
	return a
}

func (s *Source) filled(now time.Duration, a *served, j *fillJob, out *Effects) {
	a.used = now
	if j.err != nil {
		a.state, a.until, a.err = failed, now+retryFailed, j.err
		s.transfers = slices.DeleteFunc(s.transfers, func(t *transfer) bool { return t.of == a })
		if j.spool != nil {
			out.Jobs = append(out.Jobs, &closeJob{spool: j.spool})
		}
		out.Events = append(out.Events, Event{Kind: EventFailed, Op: a.manifest.Op, Err: j.err})
		return
	}
	a.state, a.archive, a.manifest = written, j.archive, j.root
	out.Events = append(out.Events, Event{Kind: EventWritten, Op: a.manifest.Op})
}

// isUsed tells whether an archive has to stay: somebody has a place for it, or a job has its spool.
func (s *Source) isUsed(a *served) bool {
	return a.state == writing || a.reading > 0 ||
		slices.ContainsFunc(s.transfers, func(t *transfer) bool { return t.of == a })
}

func (s *Source) drop(i int, out *Effects) {
	if a := s.archives[i]; a.state == written {
		out.Jobs = append(out.Jobs, &closeJob{spool: a.archive.spool})
	}
	s.archives = slices.Delete(s.archives, i, i+1)
}

func (s *Source) place(peer wire.Peer) *transfer {
	for _, t := range s.transfers {
		if t.peer == peer {
			return t
		}
	}
	return nil
}

// room returns where there is a place for one more target, or -1. If all are taken, it is that of the
// one which has not asked for anything for the longest time, and at least for idleTime. When the guests
// have all of theirs, a guest can have only that of another one.
func (s *Source) room(now time.Duration, peer wire.Peer) int {
	guests := 0
	for _, t := range s.transfers {
		if t.peer.IsClient() {
			guests++
		}
	}
	crowded := peer.IsClient() && guests == guestsMax
	if !crowded && len(s.transfers) < transfersMax {
		return len(s.transfers)
	}
	at := -1
	for i, t := range s.transfers {
		if t.asked+idleTime <= now && (t.peer.IsClient() || !crowded) && (at < 0 || t.asked < s.transfers[at].asked) {
			at = i
		}
	}
	return at
}

// admit gives a target a place, if there is one, or prolongs the one it has.
func (s *Source) admit(now time.Duration, peer wire.Peer, a *served, out *Effects) *transfer {
	t := s.place(peer)
	if t == nil {
		at := s.room(now, peer)
		if at < 0 {
			return nil
		}
		t = &transfer{peer: peer}
		if at == len(s.transfers) {
			s.transfers = append(s.transfers, nil)
		}
		s.transfers[at] = t
		out.Events = append(out.Events, Event{Kind: EventServing, Op: a.manifest.Op, Peer: peer})
	}
	t.of, t.asked, a.used = a, now, now
	return t
}

// chunk returns what a request for a chunk is about, or nil after it has refused it.
func (s *Source) chunk(now time.Duration, from wire.Peer, op wire.OpNumber, chunk uint64, out *Effects) *transfer {
	at := slices.IndexFunc(s.archives, func(a *served) bool { return a.manifest.Op == op && a.state == written })
	if at < 0 {
		s.refuse(from, wire.TransferRefused{Op: op, Chunk: chunk, Why: wire.TransferGone}, retryNotYet, out)
		return nil
	}
	if chunk >= uint64(len(s.archives[at].manifest.Chunks)) {
		s.ignored[ReasonMalformed]++
		return nil
	}
	t := s.admit(now, from, s.archives[at], out)
	if t == nil {
		s.refuse(from, wire.TransferRefused{Op: op, Chunk: chunk, Why: wire.TransferBusy}, retryBusy, out)
	}
	return t
}

func (s *Source) onGetBlocks(now time.Duration, from wire.Peer, m *wire.GetBlocks, out *Effects) {
	t := s.chunk(now, from, m.Op, m.Chunk, out)
	if t == nil {
		return
	}
	answer := out.blocks.Take()
	*answer = wire.Blocks{Op: m.Op, Chunk: m.Chunk, Blocks: t.of.archive.blocksOf(int(m.Chunk))}
	out.send(s.cfg.Self, from, answer)
}

func (s *Source) onGetPiece(now time.Duration, from wire.Peer, m *wire.GetPiece, out *Effects) {
	t := s.chunk(now, from, m.Op, m.Chunk, out)
	if t == nil {
		return
	}
	c := t.of.manifest.Chunks[m.Chunk]
	if !inOrder(m.Runs, c.Length) {
		s.ignored[ReasonMalformed]++
		return
	}
	j := s.idleJob(t)
	if j == nil {
		s.refuse(from, wire.TransferRefused{Op: m.Op, Chunk: m.Chunk, Why: wire.TransferBusy}, retryPiece, out)
		return
	}
	j.busy, j.archive, j.to, j.header = true, t.of, from, s.cfg.Header()
	j.piece = wire.Piece{Op: m.Op, Chunk: m.Chunk}
	j.spool, j.slot = t.of.archive.spool, t.of.archive.index[c.Digest]
	j.runs = append(j.runs[:0], m.Runs...)
	t.of.reading++
	out.Jobs = append(out.Jobs, j)
}

func (s *Source) idleJob(t *transfer) *readJob {
	for i, j := range t.jobs {
		if j == nil {
			t.jobs[i] = &readJob{source: s}
			return t.jobs[i]
		}
		if !j.busy {
			return j
		}
	}
	return nil
}

// inOrder tells whether runs follow each other within so many bytes, and whether there are any.
func inOrder(runs []wire.Run, length uint32) bool {
	end := uint64(0)
	for _, r := range runs {
		if uint64(r.Offset) < end || r.Length == 0 {
			return false
		}
		end = uint64(r.Offset) + uint64(r.Length)
	}
	return len(runs) > 0 && end <= uint64(length)
}

// read sends a piece that was read. The job is free again when that is sent.
func (s *Source) read(_ time.Duration, j *readJob, out *Effects) {
	op := j.archive.manifest.Op
	j.archive.reading--
	out.read = append(out.read, j)
	if j.err != nil {
		out.Events = append(out.Events, Event{Kind: EventFailed, Op: op, Err: j.err})
		s.refuse(j.to, wire.TransferRefused{Op: op, Chunk: j.piece.Chunk, Why: wire.TransferFailed}, retryFailed, out)
		return
	}
	s.stats.Pieces++
	s.stats.Bytes += uint64(j.piece.Parts.Size())
	out.send(s.cfg.Self, j.to, &j.piece)
}

func (s *Source) refuse(to wire.Peer, m wire.TransferRefused, retry time.Duration, out *Effects) {
	s.stats.Refused++
	m.RetryMillis = uint64(retry / time.Millisecond)
	out.send(s.cfg.Self, to, &m)
}

// Tick takes places from targets that do not come back, and drops what nobody asks for.
func (s *Source) Tick(now time.Duration, out *Effects) {
	s.transfers = slices.DeleteFunc(s.transfers, func(t *transfer) bool { return t.asked+leaseTime <= now })
	for i := 0; i < len(s.archives); {
		if a := s.archives[i]; !s.isUsed(a) && s.expires(a) <= now {
			s.drop(i, out)
		} else {
			i++
		}
	}
}

func (s *Source) expires(a *served) time.Duration {
	if a.state == failed {
		return a.until
	}
	return a.used + archiveKeep
}

// Deadline returns when Tick next has something to do.
func (s *Source) Deadline() time.Duration {
	at := Never
	for _, t := range s.transfers {
		at = min(at, t.asked+leaseTime)
	}
	for _, a := range s.archives {
		if !s.isUsed(a) {
			at = min(at, s.expires(a))
		}
	}
	return at
}
