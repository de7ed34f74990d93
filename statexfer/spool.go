package statexfer

import (
	"encoding/binary"
	"errors"
	"io"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// A Spool is a file. Only jobs and the reader of a Ready use one. Where nothing has been written it
// may have holes: it is used in slots, and few of them are filled to their end.
type Spool interface {
	io.ReaderAt
	io.WriterAt
	// Size returns where the last byte is that was ever written.
	Size() (int64, error)
	// Close gives up the spool with all that is in it. A spool that a crash keeps from being closed
	// may be opened again, by the target of the next run.
	Close() error
}

// Chunks lie in slots of equal size, each behind a header that tells what it is. So a chunk that is
// not wanted any more makes room for any other, and a process that finds the spool of its last run
// knows what is in it. What it says of itself is believed only after it has been hashed again.
//
//	magic u32, length u32, digest, the bytes of the chunk
const (
	slotSize   = ChunkMax + 4<<10
	slotHeader = 4 + 4 + len(wire.Digest{})
	slotMagic  = 0x31_6c_70_73 // "spl1"
)

var errSpool = errors.New("statexfer: the spool does not hold what was written to it")

func slotAt(slot uint32) int64 { return int64(slot) * slotSize }

// writeSlot writes a chunk. If that is interrupted, the digest tells.
func writeSlot(s Spool, slot uint32, c wire.Chunk, b []byte) error {
	var header [slotHeader]byte
	binary.LittleEndian.PutUint32(header[:], slotMagic)
	binary.LittleEndian.PutUint32(header[4:], c.Length)
	copy(header[8:], c.Digest[:])
	if _, err := s.WriteAt(b, slotAt(slot)+int64(slotHeader)); err != nil {
		return err
	}
	_, err := s.WriteAt(header[:], slotAt(slot))
	return err
}

// readSlot reads len(b) bytes of the chunk in a slot.
func readSlot(s Spool, slot uint32, offset int, b []byte) error {
	n, err := s.ReadAt(b, slotAt(slot)+int64(slotHeader+offset))
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// checkSlot reads the chunk that a slot says it has, and tells whether it is that.
func checkSlot(s Spool, slot uint32, b []byte) (c wire.Chunk, ok bool) {
	var header [slotHeader]byte
	if n, _ := s.ReadAt(header[:], slotAt(slot)); n < len(header) || binary.LittleEndian.Uint32(header[:]) != slotMagic {
		return c, false
	}
	length := binary.LittleEndian.Uint32(header[4:])
	if length == 0 || length > ChunkMax || readSlot(s, slot, 0, b[:length]) != nil {
		return wire.Chunk{}, false
	}
	c = chunkOf(b[:length])
	return c, c.Digest == wire.Digest(header[8:])
}

// Memory is a spool without a file, for simulation. The zero value is empty.
type Memory struct {
	slots  [][]byte
	closed bool
}

// ReadAt is io.ReaderAt within a slot.
func (m *Memory) ReadAt(b []byte, at int64) (int, error) {
	assert.That(!m.closed, "a spool is not used after it is closed")
	slot, offset := int(at/slotSize), int(at%slotSize)
	if slot >= len(m.slots) || offset >= len(m.slots[slot]) {
		return 0, io.EOF
	}
	n := copy(b, m.slots[slot][offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is io.WriterAt within a slot.
func (m *Memory) WriteAt(b []byte, at int64) (int, error) {
	assert.That(!m.closed, "a spool is not used after it is closed")
	slot, offset := int(at/slotSize), int(at%slotSize)
	assert.That(offset+len(b) <= slotSize, "what is written to a spool is within a slot")
	for slot >= len(m.slots) {
		m.slots = append(m.slots, nil)
	}
	if short := offset + len(b) - len(m.slots[slot]); short > 0 {
		m.slots[slot] = append(m.slots[slot], make([]byte, short)...)
	}
	return copy(m.slots[slot][offset:], b), nil
}

// Size returns the end of the last slot that was written to.
func (m *Memory) Size() (int64, error) {
	if len(m.slots) == 0 {
		return 0, nil
	}
	last := len(m.slots) - 1
	return slotAt(uint32(last)) + int64(len(m.slots[last])), nil
}

// Close drops what was written.
func (m *Memory) Close() error {
	assert.That(!m.closed, "a spool is closed once")
	m.slots, m.closed = nil, true
	return nil
}
