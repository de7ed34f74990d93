package stack

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"vrnode/internal/assert"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// This file is where the tail of a state is while that is brought: the ops which the others execute meanwhile. They
// are written to a file as they come, and when the state has been read they are executed on it, those that have come
// while it was being read, then those that have come meanwhile, and so on. When few are left, no more are taken, and
// when the last of them is executed the replica has the state.

const (
	// tailWaits are the bytes that may wait to be written before more ops are asked for. What was asked for is taken
	// nevertheless, up to tailWaitsMost. At that bound no op is: it comes once more.
	tailWaits     = 1 << 20
	tailWaitsMost = 4 << 20
	// tailMax bounds the file. At the bound no op is taken.
	tailMax = statexfer.StateMax
	// tailPause is for how long there is no tail after the file could not be written.
	tailPause = 5 * time.Second
	// Few ops are one part in so many of what is executed from one checkpoint to the next.
	tailFew = 8
)

// A tail is ops that follow each other, in the Logs that they came in. Each has its length before it.
type tail struct {
	open  func() (Spool, error)
	spool Spool // nil before the first job has opened it

	base    wire.OpNumber // the ops after it are there
	head    mark          // up to here
	told    wire.OpNumber // what comes after it may be asked for; at most head
	full    bool          // none is taken any more
	waiting []byte        // what is not written yet, nor being written
	spare   []byte        // room for that
	writing bool
	written mark  // what is in the file
	played  mark  // what of that was executed on a state
	left    int64 // bytes that were to be executed the last time, 0: there was none

	jobs    int // that use the spool
	encoder wire.Encoder
	scratch []byte
}

// A mark is a place in a tail: behind an op, with the chain there.
type mark struct {
	op    wire.OpNumber
	chain wire.Chain
	bytes int64 // in the file
}

// newTail returns a tail that begins with the ops of a Log.
func newTail(open func() (Spool, error), m *wire.Log) *tail {
	begin := mark{op: m.First - 1, chain: m.PrevChain}
	return &tail{open: open, base: begin.op, head: begin, told: begin.op, written: begin, played: begin}
}

// take adds the ops of a Log, if they follow, and tells whether it did.
func (t *tail) take(m *wire.Log) bool {
	if t.full || m.First != t.head.op+1 || m.PrevChain != t.head.chain || len(t.waiting) >= tailWaitsMost || t.head.bytes >= tailMax {
		return false
	}
	at := len(t.waiting)
	b := binary.LittleEndian.AppendUint32(t.waiting, 0)
	t.waiting = t.encoder.Append(b, &wire.Header{}, m) // who gave it does not matter
	size := len(t.waiting) - at
	binary.LittleEndian.PutUint32(t.waiting[at:], uint32(size-lengthSize))
	var e wire.Entry
	for entries := m.Entries; entries.Next(&e); t.head.op++ {
		t.head.chain, t.scratch = t.head.chain.Next(&e, t.scratch)
	}
	t.head.bytes += int64(size)
	return true
}

const lengthSize = 4

// keepTail gives the tail what the replica was given of it.
func (h *Host) keepTail(now time.Duration, m *wire.Log, out *Effects) {
	s := &h.states
	if s.tail == nil {
		if now < s.noTail {
			return
		}
		s.tail = newTail(s.openTail, m)
	}
	if s.tail.take(m) {
		s.writeTail(&out.states)
		h.replica.Expect(now, s.expected())
	}
}

// expected returns of which op the state will be that is brought, with as much of its tail as there is.
func (s *transfer) expected() wire.OpNumber {
	if s.tail != nil {
		return s.tail.told
	}
	return s.target.Expected()
}

// checkTail drops a tail that is of no use for the state that is brought, because it was begun for another one.
func (s *transfer) checkTail(out *statexfer.Effects) {
	t := s.tail
	if t == nil {
		return
	}
	if op := s.target.Expected(); op != 0 && (op < t.base || t.told < op) {
		s.dropTail(out)
	}
}

// dropTail forgets the tail. Its file is closed when no job uses it any more.
func (s *transfer) dropTail(out *statexfer.Effects) {
	if t := s.tail; t != nil {
		s.tail = nil
		s.closeTail(t, out)
	}
}

// closeTail closes the file of a tail that was dropped, unless a job uses it.
func (s *transfer) closeTail(t *tail, out *statexfer.Effects) {
	if s.tail != t && t.jobs == 0 && t.spool != nil {
		out.Jobs = append(out.Jobs, statexfer.CloseJob(t.spool))
		t.spool = nil
	}
}

// ---- writing

// A tailJob writes what has come to the end of the file.
type tailJob struct {
	states *transfer
	tail   *tail
	b      []byte
	to     mark
	err    error
}

// writeTail has written what waits for that, as soon as what came before it is. If not much waits, more may be asked for.
func (s *transfer) writeTail(out *statexfer.Effects) {
	t := s.tail
	if t == nil {
		return
	}
	if !t.writing && len(t.waiting) > 0 {
		out.Jobs = append(out.Jobs, &tailJob{states: s, tail: t, b: t.waiting, to: t.head})
		t.waiting, t.spare, t.writing = t.spare[:0], nil, true
		t.jobs++
	}
	if len(t.waiting) < tailWaits {
		t.told = t.head.op
	}
}

func (j *tailJob) Run(func()) {
	if j.tail.spool == nil {
		if j.tail.spool, j.err = j.tail.open(); j.err != nil {
			j.tail.spool = nil
			return
		}
	}
	for b, at := j.b, j.to.bytes-int64(len(j.b)); len(b) > 0 && j.err == nil; {
		n := min(len(b), leftOfSlot(at))
		_, j.err = j.tail.spool.WriteAt(b[:n], at)
		b, at = b[n:], at+int64(n)
	}
}

// leftOfSlot returns how much may be read or written at once at a place of a spool.
func leftOfSlot(at int64) int { return int(wire.ChunkMax - at%wire.ChunkMax) }

func (j *tailJob) Done(now time.Duration, out *statexfer.Effects) {
	s, t := j.states, j.tail
	t.jobs--
	t.writing, t.spare, t.written = false, j.b[:0], j.to
	switch {
	case s.tail != t:
		s.closeTail(t, out)
	case j.err != nil:
		out.Events = append(out.Events, statexfer.Event{Kind: statexfer.EventFailed, Op: t.head.op, Err: j.err})
		s.dropTail(out)
		s.noTail = now + tailPause
	default:
		s.writeTail(out)
	}
}

func (*tailJob) IsLong() bool { return false }

// ---- executing

// playOn has the tail executed on the state that was read, as far as it is written, and gives the state to the replica when
// all of it is.
func (h *Host) playOn(now time.Duration, out *Effects) {
	s := &h.states
	if s.restored == nil {
		return
	}
	part, done := s.nextPart(h.replica.CheckpointBytes(), &out.states)
	if part != nil {
		out.states.Events = append(out.states.Events, statexfer.Event{
			Kind: statexfer.EventTail, Op: part.to.op, Total: uint64(part.to.bytes - part.from.bytes),
		})
		out.states.Jobs = append(out.states.Jobs, part)
	}
	if !done {
		return
	}
	state := s.restored
	s.restored = nil
	s.dropTail(&out.states)
	s.target.Restored(now, nil, &out.states)
	h.replica.Install(now, state, &out.protocol)
	h.send(now, out)
}

// nextPart returns the part of the tail that is to be executed next on the state, nil if there is none yet. When nothing is
// left, and nothing will come, it is done.
func (s *transfer) nextPart(every int, out *statexfer.Effects) (part *playJob, done bool) {
	t := s.tail
	switch {
	case s.playing:
		return nil, false
	case t == nil:
		return nil, true
	case t.written.op < s.restored.Op(): // it was begun for an earlier state, or anew
		if !t.writing {
			s.dropTail(out)
		}
		return nil, !t.writing
	}
	left := t.written.bytes - t.played.bytes
	t.full = t.full || t.isShort(left, int64(every))
	if t.full && t.writing {
		return nil, false
	}
	if left == 0 {
		return nil, true
	}
	t.left, s.playing = left, true
	t.jobs++
	return &playJob{states: s, tail: t, state: s.restored, from: t.played, to: t.written, every: every}, false
}

// isShort tells whether few ops are left to be executed; or, if there will not soon be fewer, so many that the logs of the
// others hold what is committed meanwhile: half of what these can hold, which is executed in the time of two checkpoints.
func (t *tail) isShort(left, every int64) bool {
	return left <= every/tailFew || t.left > 0 && left > t.left/2 && left <= 2*every
}

// A playJob executes a part of the tail on a state.
type playJob struct {
	states   *transfer
	tail     *tail
	state    *vr.Restored
	from, to mark
	every    int // bytes of the log there is a checkpoint
	err      error
}

var errTailFile = errors.New("the file with the operations that follow the state does not hold what was written to it")

func (j *playJob) Run(stepBack func()) {
	var decoder wire.Decoder
	var length [lengthSize]byte
	var b []byte
	for at := j.from.bytes; at < j.to.bytes && j.err == nil; {
		if j.err = readTail(j.tail.spool, length[:], at); j.err != nil {
			return
		}
		n := int64(binary.LittleEndian.Uint32(length[:]))
		at += lengthSize
		if n > min(j.to.bytes-at, wire.MessageMax) {
			j.err = errTailFile
			return
		}
		if int64(cap(b)) < n {
			b = make([]byte, n)
		}
		if j.err = readTail(j.tail.spool, b[:n], at); j.err != nil {
			return
		}
		at += n
		_, m, err := decoder.Decode(b[:n])
		log, is := m.(*wire.Log)
		if err != nil || !is {
			j.err = errTailFile
			return
		}
		j.err = j.state.Play(log, j.states.machine, j.every, stepBack)
	}
	if j.err == nil && !j.state.IsOf(j.to.op, j.to.chain) {
		j.err = errTailFile
	}
}

func readTail(s Spool, b []byte, at int64) error {
	for len(b) > 0 {
		n, err := s.ReadAt(b[:min(len(b), leftOfSlot(at))], at)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = errTailFile
			}
			return err
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

func (j *playJob) Done(now time.Duration, out *statexfer.Effects) {
	s, t := j.states, j.tail
	assert.That(s.playing, "one part of a tail is executed at a time")
	s.playing = false
	t.jobs--
	t.played = j.to
	if j.err != nil {
		s.restored = nil
		s.target.Restored(now, j.err, out)
		if s.tail == t {
			s.dropTail(out)
			return
		}
	}
	s.closeTail(t, out)
}

func (*playJob) IsLong() bool { return true }
