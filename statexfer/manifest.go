package statexfer

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"

	"vrnode/wire"
)

// A Checkpoint is the state of a replica as of op-number Op.
type Checkpoint struct {
	Op      wire.OpNumber
	Chain   wire.Chain
	Epoch   wire.EpochNumber
	Members []wire.Member
	// State writes all that the replica knows as of Op, a record a Write, and always the same. It is
	// immutable and is called by jobs only, so not in the thread of the protocol.
	State io.WriterTo
}

// A Manifest tells what a checkpoint consists of.
type Manifest struct {
	Op      wire.OpNumber
	Chain   wire.Chain
	Epoch   wire.EpochNumber
	Members []wire.Member
	Total   uint64
	Root    wire.Digest
	Chunks  []wire.Chunk
}

// digest returns what Root has to be: the digest of all the rest.
func (m *Manifest) digest() wire.Digest {
	le := binary.LittleEndian
	var b []byte
	b = le.AppendUint64(b, uint64(m.Op))
	b = le.AppendUint64(b, uint64(m.Chain))
	b = le.AppendUint64(b, uint64(m.Epoch))
	b = append(b, byte(len(m.Members)))
	for _, member := range m.Members {
		b = le.AppendUint64(b, uint64(member.ID))
		b = le.AppendUint64(b, uint64(member.Incarnation))
	}
	b = le.AppendUint64(b, m.Total)
	b = le.AppendUint64(b, uint64(len(m.Chunks)))
	h := sha256.New()
	h.Write(b)
	for i := range m.Chunks {
		b = append(b[:0], m.Chunks[i].Digest[:]...)
		b = le.AppendUint64(b, m.Chunks[i].Sum)
		h.Write(le.AppendUint32(b, m.Chunks[i].Length))
	}
	return wire.Digest(h.Sum(b[:0])[:len(wire.Digest{})])
}

// parts returns the number of messages that the manifest takes; an empty one takes one as well.
func parts(count uint64) uint64 {
	return max(1, (count+wire.ManifestMax-1)/wire.ManifestMax)
}

// part fills a message with a part of the manifest. The message shares memory with it.
func (m *Manifest) part(part uint64, to *wire.Manifest) {
	first := min(part*wire.ManifestMax, uint64(len(m.Chunks)))
	end := min(first+wire.ManifestMax, uint64(len(m.Chunks)))
	*to = wire.Manifest{
		Op: m.Op, Chain: m.Chain, Epoch: m.Epoch, Members: m.Members, Total: m.Total, Count: uint64(len(m.Chunks)),
		Root: m.Root, Part: part, Chunks: m.Chunks[first:end],
	}
}

// wellFormed tells whether a message can be a part of a manifest.
func wellFormed(m *wire.Manifest) bool {
	if m.Op == 0 || m.Total > StateMax || m.Count > ChunksMax || m.Part >= parts(m.Count) {
		return false
	}
	if uint64(len(m.Chunks)) != min(m.Count-m.Part*wire.ManifestMax, wire.ManifestMax) {
		return false
	}
	return !slices.ContainsFunc(m.Chunks, func(c wire.Chunk) bool { return c.Length == 0 || c.Length > ChunkMax })
}

// A draft is a manifest that is being fetched, part by part.
type draft struct {
	Manifest
	count uint64
	next  uint64 // the part that is wanted
}

// begin makes a draft of part 0.
func begin(m *wire.Manifest) *draft {
	return &draft{count: m.Count, Manifest: Manifest{
		Op: m.Op, Chain: m.Chain, Epoch: m.Epoch, Members: slices.Clone(m.Members), Total: m.Total, Root: m.Root,
	}}
}

// add takes the next part and tells whether it belongs to what there is.
func (d *draft) add(m *wire.Manifest) bool {
	if m.Part != d.next || m.Root != d.Root || m.Count != d.count || m.Op != d.Op {
		return false
	}
	d.Chunks = append(d.Chunks, m.Chunks...)
	d.next++
	return true
}

// isWhole tells whether no part is missing.
func (d *draft) isWhole() bool { return d.next == parts(d.count) }

// isRight tells whether a whole draft is what its root says. Then it can be relied on as far as its
// source can.
func (d *draft) isRight() bool {
	total := uint64(0)
	for i := range d.Chunks {
		total += uint64(d.Chunks[i].Length)
	}
	return total == d.Total && d.digest() == d.Root
}
