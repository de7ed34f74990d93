package statexfer

import (
	"math"
	"time"

	"vrnode/wire"
)

// Never is the Deadline of a machine that waits for nothing.
const Never = time.Duration(math.MaxInt64)

// Sizes, in bytes. How a checkpoint is cut follows from them, so all replicas must have the same.
const (
	// StateMax bounds a checkpoint. A source refuses to write out a longer one.
	StateMax = 16 << 30
	// ChunkMax bounds a chunk and BlockMax a block; where the next one would make it longer, it ends.
	ChunkMax = wire.ChunkMax
	BlockMax = 64 << 10
	// A block of less than blockMin bytes goes on, if the next record fits; with one of blockLong or
	// more it does not. In between it is the hash of the record that decides, one in blockEvery.
	blockMin   = 512
	blockLong  = 4 * blockMin
	blockEvery = 4
	// A chunk of less than chunkMin bytes goes on likewise; then the hash of the block decides, once in
	// chunkEvery bytes. With a larger chunkMin a block might end a chunk before that, since both have a bound.
	chunkMin   = 128 << 10
	chunkEvery = 96 << 10
	// ChunksMax bounds the chunks of a checkpoint: all but the last have chunkMin bytes or more.
	ChunksMax = StateMax/chunkMin + 1
)

// What a source does at once. At each of these bounds it refuses, and says when to come again.
const (
	// transfersMax bounds the targets that a source serves.
	transfersMax = 4
	// guestsMax bounds those of them that are not replicas, so that those find a place.
	guestsMax = 1
	// readsMax bounds the pieces that are being read for one target.
	readsMax = piecesMax
	// archivesMax bounds the checkpoints that are written out.
	archivesMax = 2
	// leaseTime is how long a target that asks for nothing keeps its place, and idleTime how long if
	// another one wants it: who has all says nothing, and does not come back. archiveKeep is how long a
	// checkpoint that nobody asks for stays: as long as a process may take to start again.
	leaseTime   = 10 * time.Second
	idleTime    = time.Second
	archiveKeep = 2 * time.Minute
)

// When to come again.
const (
	retryBusy      = 500 * time.Millisecond
	retryPreparing = 200 * time.Millisecond
	retryNotYet    = time.Second
	retryFailed    = 5 * time.Second
	retryPiece     = 50 * time.Millisecond
	// retryMost bounds what a target believes of it.
	retryMost = 10 * time.Second
)

// What a target does at once. What is above a bound waits for its turn.
const (
	// piecesMax bounds the chunks that are asked of one source, fetchesMax those that are under way
	// in all. Each has a buffer of ChunkMax from when it has come until it is stored.
	piecesMax  = 16
	fetchesMax = 4 * piecesMax
	// writesMax bounds the chunks that wait to be written, those of checkpoints included that have been
	// replaced meanwhile: with fetchesMax of them nothing more is asked for, and as many may be under way.
	writesMax = 2 * fetchesMax
	// slotsMax bounds the slots of a spool: an old state, a new one, and what is under way.
	slotsMax = 2*ChunksMax + writesMax
)

// The patience of a target.
const (
	// An answer may take patienceTimes as long as those of its source usually do, within bounds. The
	// first may take patienceTimes usualFirst.
	usualFirst    = 500 * time.Millisecond
	patienceTimes = 8
	patienceLeast = 2 * time.Second
	patienceMost  = time.Minute
	// answerGood is what an answer may take. If it takes longer, less is asked for at a time: what
	// waits in a queue on the way would be lost with its source.
	answerGood = 500 * time.Millisecond
	// A silent source is left alone for silencePause, one that sent something wrong for wrongPause,
	// and twice as long each time up to wrongPauseMost.
	silencePause   = 2 * time.Second
	wrongPause     = 10 * time.Second
	wrongPauseMost = 2 * time.Minute
	// donorsFirst donors are asked at first. The next one is if one of them does not answer within restWaits, or
	// has nothing to give, and all are if the transfer takes longer than restJoins.
	donorsFirst = 2
	restWaits   = time.Second
	restJoins   = 15 * time.Second
	// chooseAfter is how long no source that has the checkpoint is heard, beyond what it may take to
	// answer, before another one is chosen.
	chooseAfter = 10 * time.Second
	// failurePause is how long a target rests when its own spool or the restoring failed.
	failurePause = 5 * time.Second
	// rateEvery is how often the rate is measured.
	rateEvery = time.Second
)
