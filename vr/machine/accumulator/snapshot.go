package accumulator

import (
	"encoding/binary"
	"errors"
	"io"
)

// Snapshot returns the value as it is now.
func (m *Machine) Snapshot() io.WriterTo { return snapshot(m.value) }

type snapshot int64

// WriteTo writes the value as eight bytes, the lowest first.
func (s snapshot) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(s)))
	return int64(n), err
}

// Restore reads the value that a snapshot has written.
func (m *Machine) Restore(r io.Reader) error {
	var b [9]byte // one more than there should be
	switch n, err := io.ReadFull(r, b[:]); {
	case n == 8 && err == io.ErrUnexpectedEOF:
		m.value = int64(binary.LittleEndian.Uint64(b[:]))
		return nil
	case err == nil || err == io.EOF || err == io.ErrUnexpectedEOF:
		return errors.New("not a value as a snapshot has it, eight bytes")
	default:
		return err
	}
}
