// Package tally is a service for tests that are not about services.
package tally

import (
	"fmt"
	"io"
	"strconv"
)

// Machine sums the lengths of its commands. Its zero value is ready to use.
type Machine struct {
	sum    int
	result []byte
}

// Apply adds the length of a command and returns the sum, which is valid until the next call.
func (m *Machine) Apply(_ uint64, command []byte) []byte {
	m.sum += len(command)
	m.result = strconv.AppendInt(m.result[:0], int64(m.sum), 10)
	return m.result
}

// Snapshot returns the sum as it is now.
func (m *Machine) Snapshot() io.WriterTo { return number(m.sum) }

type number int

func (n number) WriteTo(w io.Writer) (int64, error) {
	written, err := fmt.Fprint(w, int(n))
	return int64(written), err
}

// Restore reads a sum.
func (m *Machine) Restore(r io.Reader) error {
	_, err := fmt.Fscan(r, &m.sum)
	return err
}
