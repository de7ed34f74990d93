package kv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tidwall/btree"
)

// Snapshot returns the keys and values as they are now. It takes no time: what it refers to is copied
// when the machine changes it, a few keys at a time.
func (m *Machine) Snapshot() io.WriterTo { return &snapshot{m.values.Copy()} }

type snapshot struct{ values *btree.Map[string, string] }

// WriteTo writes each key and its value, sorted by key, each with its length before it.
func (s *snapshot) WriteTo(w io.Writer) (n int64, err error) {
	var record []byte
	s.values.Scan(func(key, value string) bool {
		record = record[:0]
		for _, word := range [...]string{key, value} {
			record = binary.AppendUvarint(record, uint64(len(word)))
			record = append(record, word...)
		}
		var some int
		some, err = w.Write(record)
		n += int64(some)
		return err == nil
	})
	return n, err
}

var errState = errors.New("not keys and values as a snapshot has them")

// Restore reads the keys and values that a snapshot has written.
func (m *Machine) Restore(r io.Reader) error {
	*m = Machine{}
	b := bufio.NewReaderSize(r, max(KeyMax, ValueMax))
	last := ""
	for {
		key, err := readWord(b, KeyMax)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		value, err := readWord(b, ValueMax)
		switch {
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case key <= last:
			return fmt.Errorf("%w: %s comes after %s", errState, quote(key), quote(last))
		case m.bytes+size(key, value) > StateMax:
			return fmt.Errorf("%w: there is no room for more than %d bytes", errState, int64(StateMax))
		}
		m.values.Load(key, value)
		m.bytes += size(key, value)
		last = key
	}
}

// readWord reads a word of at most so many bytes, for which b has room, and copies it once. The error
// is io.EOF only if there is nothing left.
func readWord(b *bufio.Reader, most int) (string, error) {
	length, err := binary.ReadUvarint(b)
	if err != nil {
		return "", err
	}
	if length > uint64(most) {
		return "", fmt.Errorf("%w: a word of %d bytes", errState, length)
	}
	bytes, err := b.Peek(int(length))
	if err != nil {
		return "", io.ErrUnexpectedEOF
	}
	word := string(bytes)
	_, _ = b.Discard(len(bytes)) // they are there
	return word, nil
}
