package statexfer

import (
	"io"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/wire"
)

// A Job is work that takes long: it reads, writes, cuts and hashes. The runtime calls Run once, in
// whatever thread is not that of the protocol, and then Done once, in that of the protocol. Jobs may
// run in any order and at the same time.
type Job interface {
	// Run calls stepBack mostly after each 0.1 ms or so, for others who need the CPU, if the job is long. After
	// a short one the runtime does.
	Run(stepBack func())
	// Done gives the outcome to the machine that wanted it.
	Done(now time.Duration, out *Effects)
	// IsLong tells that Run goes through a whole state; no other job should wait behind it.
	IsLong() bool
}

// A fillJob makes an archive: of what is in a spool, and of a state.
type fillJob struct {
	open    func() (Spool, error) // nil: spool is open
	spool   Spool
	state   io.WriterTo // nil: none
	compare bool        // the state is to be compared with another
	archive *archive
	root    Manifest // for a source: all but its chunks and root is given
	err     error
	done    func(now time.Duration, j *fillJob, out *Effects)
}

func (j *fillJob) Run(stepBack func()) {
	if j.open != nil {
		if j.spool, j.err = j.open(); j.err != nil {
			return
		}
	}
	if j.archive, j.err = scan(j.spool, stepBack); j.err != nil || j.state == nil {
		return
	}
	if j.err = j.archive.write(j.state, stepBack); j.err != nil {
		return
	}
	if j.compare {
		j.archive.compare(stepBack)
		return
	}
	j.root.Chunks, j.root.Total = j.archive.chunks, j.archive.total
	j.root.Root = j.root.digest()
}

func (j *fillJob) Done(now time.Duration, out *Effects) { j.done(now, j, out) }

func (*fillJob) IsLong() bool { return true }

// A readJob reads runs of a chunk for a target, and makes the answer ready to be sent.
type readJob struct {
	source *Source
	busy   bool
	// archive and to are nil after the end of what they were for.
	archive *served
	to      wire.Peer
	spool   Spool
	slot    uint32
	runs    []wire.Run
	buffer  []byte // between the file and the piece, if there are several runs
	err     error

	header  wire.Header
	piece   wire.Piece
	parcel  wire.Parcel
	encoder wire.Encoder
}

func (j *readJob) Run(func()) {
	if j.read(); j.err == nil {
		j.encoder.Seal(&j.parcel, &j.header, &j.piece)
	}
}

// read reads the runs into the place where they are sent from.
func (j *readJob) read() {
	first, last := j.runs[0], j.runs[len(j.runs)-1]
	parts := j.parcel.Parts(int(last.Offset+last.Length-first.Offset) + wire.PartHead*len(j.runs))
	if len(j.runs) == 1 {
		var room []byte
		j.piece.Parts, room = parts.Extend(first.Offset, int(first.Length))
		j.err = readSlot(j.spool, j.slot, int(first.Offset), room)
		return
	}
	if j.buffer == nil {
		j.buffer = make([]byte, ChunkMax)
	}
	b := j.buffer[:last.Offset+last.Length-first.Offset]
	if j.err = readSlot(j.spool, j.slot, int(first.Offset), b); j.err != nil {
		return
	}
	for _, r := range j.runs {
		parts = parts.Append(r.Offset, b[r.Offset-first.Offset:][:r.Length])
	}
	j.piece.Parts = parts
}

func (j *readJob) Done(now time.Duration, out *Effects) { j.source.read(now, j, out) }

func (*readJob) IsLong() bool { return false }

// A storeJob completes a chunk with blocks of the old state, and writes it into a slot if it is what
// it should be.
type storeJob struct {
	target *Target
	spool  Spool
	slot   uint32
	chunk  wire.Chunk
	copies []copied
	parcel wire.Parcel // with the chunk where a piece has its first part
	wrong  bool
	err    error
	// fetch is what the job is for, and round the manifest that it belongs to.
	fetch *fetch
	round uint64
}

// A copied is a run of bytes of the old state that belongs into a chunk.
type copied struct {
	slot             uint32
	from, to, length int
}

func (j *storeJob) Run(func()) {
	b := j.parcel.Part(int(j.chunk.Length))
	for _, c := range j.copies {
		if j.err = readSlot(j.spool, c.slot, c.from, b[c.to:c.to+c.length]); j.err != nil {
			return
		}
	}
	if j.wrong = !j.isRight(b); j.wrong {
		return
	}
	j.err = writeSlot(j.spool, j.slot, j.chunk, b)
}

// isRight tells whether the chunk is what it should be. What has come whole can only be damaged, which its
// sum tells ten times as fast as the digest does. Where blocks were copied because their hashes are equal,
// a client may have chosen values for which the sum is equal as well.
func (j *storeJob) isRight(b []byte) bool {
	if len(j.copies) > 0 {
		return digestOf(b) == j.chunk.Digest
	}
	return xxhash.Sum64(b) == j.chunk.Sum
}

func (j *storeJob) Done(now time.Duration, out *Effects) { j.target.stored(now, j, out) }

func (*storeJob) IsLong() bool { return false }

// A compareJob makes the places of a state that is in the spool.
type compareJob struct {
	state  []cutSlot
	places []place
	done   func(now time.Duration, j *compareJob, out *Effects)
}

func (j *compareJob) Run(stepBack func()) { j.places = placesOf(j.state, stepBack) }

func (j *compareJob) Done(now time.Duration, out *Effects) { j.done(now, j, out) }

func (*compareJob) IsLong() bool { return true }

// A closeJob closes a spool that nobody uses any more.
type closeJob struct {
	spool Spool
	done  func(now time.Duration, out *Effects)
}

// CloseJob returns a job that closes a spool.
func CloseJob(s Spool) Job { return &closeJob{spool: s} }

// Run ignores the error of Close: there is nobody who could do anything about it, and what is left
// of the spool is found by the next run.
func (j *closeJob) Run(func()) { _ = j.spool.Close() }

func (j *closeJob) Done(now time.Duration, out *Effects) {
	if j.done != nil {
		j.done(now, out)
	}
}

func (*closeJob) IsLong() bool { return false }
