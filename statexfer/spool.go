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

// Chunks lie in slots of equal size, and what is in each is said at the beginning of the group of slots that
// it belongs to. So a chunk that is not wanted any more makes room for any other, and a process that finds
// the spool of its last run knows what is in it. What is said of a slot is believed only after the slot has
// been hashed again. Chunks begin where pages of the file do: a kernel has half the work with them.
//
//	group  heads, of groupSlots slots, in what would be a slot itself; these slots
//	head   magic u32, length u32, digest
const (
	slotSize   = ChunkMax
	headSize   = 4 + 4 + len(wire.Digest{})
	groupSlots = uint32(slotSize / headSize)
	slotMagic  = 0x32_6c_70_73 // "spl2"
)

var errSpool = errors.New("statexfer: the spool does not hold what was written to it")

// slotAt returns where a slot is, and headAt where its head.
func slotAt(slot uint32) int64 {
	return groupAt(slot) + int64(1+slot%groupSlots)*slotSize
}

func headAt(slot uint32) int64 {
	return groupAt(slot) + int64(slot%groupSlots)*int64(headSize)
}

func groupAt(slot uint32) int64 { return int64(slot/groupSlots) * int64(1+groupSlots) * slotSize }

// pageSize is what a kernel keeps of a file in one piece. Where it is larger, nothing is lost.
const pageSize = 4 << 10

// writeSlot writes the chunk b, and to the end of its last page what is behind it in memory, which means
// nothing: a kernel has less work with a page that it is given as a whole. If that is interrupted, the
// digest tells.
func writeSlot(s Spool, slot uint32, c wire.Chunk, b []byte) error {
	b = b[:min((len(b)+pageSize-1)/pageSize*pageSize, cap(b))]
	if _, err := s.WriteAt(b, slotAt(slot)); err != nil {
		return err
	}
	var head [headSize]byte
	binary.LittleEndian.PutUint32(head[:], slotMagic)
	binary.LittleEndian.PutUint32(head[4:], c.Length)
	copy(head[8:], c.Digest[:])
	_, err := s.WriteAt(head[:], headAt(slot))
	return err
}

// readSlot reads len(b) bytes of the chunk in a slot.
func readSlot(s Spool, slot uint32, offset int, b []byte) error {
	n, err := s.ReadAt(b, slotAt(slot)+int64(offset))
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// checkSlot reads the chunk that a slot is said to have, and tells whether it is that.
func checkSlot(s Spool, slot uint32, b []byte) (c wire.Chunk, ok bool) {
	var head [headSize]byte
	if n, _ := s.ReadAt(head[:], headAt(slot)); n < len(head) || binary.LittleEndian.Uint32(head[:]) != slotMagic {
		return c, false
	}
	length := binary.LittleEndian.Uint32(head[4:])
	if length == 0 || length > ChunkMax || readSlot(s, slot, 0, b[:length]) != nil {
		return wire.Chunk{}, false
	}
	c = chunkOf(b[:length])
	return c, c.Digest == wire.Digest(head[8:])
}

// Memory is a spool without a file, for simulation. The zero value is empty.
type Memory struct {
	slots  [][]byte // and heads, in the order of the file
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

// Size returns where the last byte is that was written.
func (m *Memory) Size() (int64, error) {
	if len(m.slots) == 0 {
		return 0, nil
	}
	last := len(m.slots) - 1
	return int64(last)*slotSize + int64(len(m.slots[last])), nil
}

// Close drops what was written.
func (m *Memory) Close() error {
	assert.That(!m.closed, "a spool is closed once")
	m.slots, m.closed = nil, true
	return nil
}
