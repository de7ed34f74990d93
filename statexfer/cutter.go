package statexfer

import (
	"crypto/sha256"

	"github.com/cespare/xxhash/v2"

	"vrnode/wire"
)

// A Cutter cuts what is written to it into chunks, and these into blocks. Each call of Write is a
// record. Blocks end with records, and which record or block is the last of its kind follows from
// its content alone, as far as the bounds allow: a record that is inserted, removed or changed moves
// no cut that is far away. A record longer than BlockMax is cut into blocks of its own.
type Cutter struct {
	emit func(chunk []byte, blocks []wire.Block) error
	err  error
	// buf is the chunk so far, and the block that is still open from begin on.
	buf    []byte
	begin  int
	blocks []wire.Block
}

// NewCutter returns a cutter that calls emit with each chunk and its blocks, which are valid during
// the call. An error of emit ends it.
func NewCutter(emit func(chunk []byte, blocks []wire.Block) error) *Cutter {
	return &Cutter{emit: emit, buf: make([]byte, 0, ChunkMax+BlockMax), blocks: make([]wire.Block, 0, wire.BlocksMax)}
}

// Write takes a record.
func (c *Cutter) Write(record []byte) (int, error) {
	n := len(record)
	if len(c.buf)-c.begin+n > BlockMax {
		c.endBlock()
	}
	for rest := record; len(rest) > 0; {
		part := rest[:min(len(rest), BlockMax)]
		rest = rest[len(part):]
		c.buf = append(c.buf, part...)
		if n > BlockMax {
			c.endBlock()
		}
	}
	if size := len(c.buf) - c.begin; size >= blockMin && (n >= blockMin || size >= blockLong || xxhash.Sum64(record)%blockEvery == 0) {
		c.endBlock()
	}
	if c.err != nil {
		return 0, c.err
	}
	return n, nil
}

// Close ends the last chunk.
func (c *Cutter) Close() error {
	c.endBlock()
	c.endChunk(len(c.buf))
	return c.err
}

// endBlock ends the open block, if there is one, and the chunk in front of it or with it.
func (c *Cutter) endBlock() {
	if len(c.buf) == c.begin {
		return
	}
	if len(c.buf) > ChunkMax {
		c.endChunk(c.begin)
	}
	block := c.buf[c.begin:]
	hash := xxhash.Sum64(block)
	c.blocks = append(c.blocks, wire.Block{Hash: hash, Length: uint32(len(block))})
	c.begin = len(c.buf)
	if c.begin >= chunkMin && hash%chunkEvery < uint64(len(block)) || len(c.blocks) == wire.BlocksMax {
		c.endChunk(c.begin)
	}
}

// endChunk ends the chunk after so many bytes of the buffer.
func (c *Cutter) endChunk(end int) {
	if end == 0 {
		return
	}
	if c.err == nil {
		c.err = c.emit(c.buf[:end], c.blocks)
	}
	c.buf = c.buf[:copy(c.buf, c.buf[end:])]
	c.begin, c.blocks = 0, c.blocks[:0]
}

// chunkOf returns what a manifest says of a chunk of these bytes.
func chunkOf(b []byte) wire.Chunk {
	return wire.Chunk{Digest: digestOf(b), Sum: xxhash.Sum64(b), Length: uint32(len(b))}
}

// digestOf returns the digest of bytes.
func digestOf(b []byte) wire.Digest {
	sum := sha256.Sum256(b)
	return wire.Digest(sum[:len(wire.Digest{})])
}
