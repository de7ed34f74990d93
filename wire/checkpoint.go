package wire

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// What the messages of a transfer are made of. A checkpoint is a run of bytes that is cut into
// chunks, and these into blocks; package statexfer says where and why.

const (
	// ChunkMax bounds a chunk, in bytes.
	ChunkMax = 256 << 10
	// ManifestMax bounds the chunks of one part of a manifest.
	ManifestMax = 8 << 10
	// BlocksMax bounds the blocks of a chunk, and with them the runs that can be asked for.
	BlocksMax = 512
	// NoChunk is the Chunk of a TransferRefused that refuses a manifest.
	NoChunk = 1<<64 - 1
)

// A Digest is the first half of a SHA-256. Clients choose what is hashed, so it has to be a hash
// for which nobody finds two inputs with the same result.
type Digest [16]byte

// String writes the digest as 32 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// A Chunk is the unit in which a checkpoint is checked and stored. The digest is what it is named by,
// the sum tells at many times the speed whether it is damaged.
type Chunk struct {
	Digest Digest // of its bytes
	Sum    uint64 // xxhash64 of its bytes
	Length uint32
}

// A Block is the unit in which two versions of a chunk are compared. Its hash is xxhash64: it
// tells where to look, and the digest of the chunk whether it was right.
type Block struct {
	Hash   uint64
	Length uint32
}

// A Run is Length bytes of a chunk from Offset on.
type Run struct {
	Offset, Length uint32
}

// TransferRefusal is why a source did not give what it was asked for.
type TransferRefusal uint8

const (
	// TransferBusy: the source serves as many targets, or reads as many pieces, as it may.
	TransferBusy TransferRefusal = iota + 1
	// TransferPreparing: the checkpoint is being written out.
	TransferPreparing
	// TransferNotYet: the source has no checkpoint that is new enough.
	TransferNotYet
	// TransferGone: the source does not have the checkpoint, or no longer.
	TransferGone
	// TransferFailed: the source could not write or read the checkpoint.
	TransferFailed
)

var transferRefusalNames = [...]string{
	TransferBusy: "busy", TransferPreparing: "preparing", TransferNotYet: "not-yet", TransferGone: "gone",
	TransferFailed: "failed",
}

func (r TransferRefusal) String() string { return name(transferRefusalNames[:], int(r), "refusal") }

// TransferPhase is what a replica does to fetch a state.
type TransferPhase uint8

const (
	// TransferIdle: it needs none.
	TransferIdle TransferPhase = iota + 1
	// TransferChecking: it finds out what it has: in its spool, and of its old state.
	TransferChecking
	// TransferFetching: it has chosen one, or looks for one, and fetches it.
	TransferFetching
	// TransferRestoring: it has all of it and reads it.
	TransferRestoring
	// TransferResting: something failed, and it rests before it tries again.
	TransferResting
)

var transferPhaseNames = [...]string{
	TransferIdle: "idle", TransferChecking: "checking", TransferFetching: "fetching", TransferRestoring: "restoring",
	TransferResting: "failed",
}

func (p TransferPhase) String() string { return name(transferPhaseNames[:], int(p), "phase") }

// Parts is a list of runs with their bytes, in wire form: a four-byte offset, a four-byte length and
// the bytes, for each.
type Parts struct {
	count  int
	raw    []byte
	parcel *Parcel // that they lie in, or nil
}

// Len returns the number of parts left.
func (s Parts) Len() int { return s.count }

// Size returns the size of the parts left in wire form.
func (s Parts) Size() int { return len(s.raw) }

// Next returns the offset and the bytes of the first part, or false if there is none. The bytes
// share memory with the message.
func (s *Parts) Next() (uint32, []byte, bool) {
	if s.count == 0 {
		return 0, nil, false
	}
	offset := binary.LittleEndian.Uint32(s.raw)
	n := int(binary.LittleEndian.Uint32(s.raw[4:]))
	body := s.raw[8 : 8+n : 8+n]
	s.raw = s.raw[8+n:]
	s.count--
	return offset, body, true
}

// Append returns s with the bytes at an offset added.
func (s Parts) Append(offset uint32, body []byte) Parts {
	s, room := s.Extend(offset, len(body))
	copy(room, body)
	return s
}

// Extend returns s with room for n bytes at an offset added, and that room, in which there is anything.
func (s Parts) Extend(offset uint32, n int) (Parts, []byte) {
	raw := binary.LittleEndian.AppendUint32(s.raw, offset)
	raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	at := len(raw)
	raw = slices.Grow(raw, n)[:at+n]
	return Parts{s.count + 1, raw, s.parcel}, raw[at:]
}

// Parcel returns the parcel that the parts, and the message with them, lie in, or nil.
func (s Parts) Parcel() *Parcel { return s.parcel }

// In returns s, which lies in a parcel.
func (s Parts) In(p *Parcel) Parts {
	s.parcel = p
	return s
}

// partsLen is for a Decoder: it returns the length in bytes of count parts at the front of b, or -1.
func partsLen(b []byte, count int) int {
	if count > BlocksMax {
		return -1
	}
	at := 0
	for range count {
		if len(b)-at < 8 {
			return -1
		}
		n := binary.LittleEndian.Uint32(b[at+4:])
		at += 8
		if n > ChunkMax || len(b)-at < int(n) {
			return -1
		}
		at += int(n)
	}
	return at
}

var chunkList = listOf[Chunk]{
	name: "chunks", highest: ManifestMax, size: len(Digest{}) + 8 + 4,
	append: func(b []byte, c *Chunk) []byte {
		b = binary.LittleEndian.AppendUint64(append(b, c.Digest[:]...), c.Sum)
		return binary.LittleEndian.AppendUint32(b, c.Length)
	},
	read: func(b []byte) Chunk {
		rest := b[len(Digest{}):]
		return Chunk{Digest(b[:len(Digest{})]), binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint32(rest[8:])}
	},
}

var blockList = listOf[Block]{
	name: "blocks", highest: BlocksMax, size: 8 + 4,
	append: func(b []byte, k *Block) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(b, k.Hash), k.Length)
	},
	read: func(b []byte) Block { return Block{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])} },
}

var runList = listOf[Run]{
	name: "runs", highest: BlocksMax, size: 4 + 4,
	append: func(b []byte, r *Run) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, r.Offset), r.Length)
	},
	read: func(b []byte) Run { return Run{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])} },
}
