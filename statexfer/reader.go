package statexfer

import (
	"io"

	"vrnode/wire"
)

// A reader reads a checkpoint from a spool, from its first byte to its last. It hashes every chunk,
// because time has passed, most of them were never compared with anything but their sums, and it is the
// last to look.
type reader struct {
	spool  Spool
	chunks []wire.Chunk
	slots  []uint32
	buffer []byte
	rest   []byte // of the chunk before
}

func (r *reader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		if len(r.chunks) == 0 {
			return 0, io.EOF
		}
		chunk := r.buffer[:r.chunks[0].Length]
		if err := readSlot(r.spool, r.slots[0], 0, chunk); err != nil {
			return 0, err
		}
		if digestOf(chunk) != r.chunks[0].Digest {
			return 0, errSpool
		}
		r.rest, r.chunks, r.slots = chunk, r.chunks[1:], r.slots[1:]
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
