package accumulator

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestSnapshot(t *testing.T) {
	var m Machine
	m.Apply(1, []byte("add -5"))
	snapshot := m.Snapshot()
	m.Apply(2, []byte("add 100"))
	var b bytes.Buffer
	if n, err := snapshot.WriteTo(&b); n != 8 || err != nil || b.Len() != 8 {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	var other Machine
	if err := other.Restore(bytes.NewReader(b.Bytes())); err != nil || string(other.Apply(3, []byte("read"))) != "-5" {
		t.Errorf("restored %d: %v", other.value, err)
	}
	for n := range 10 {
		err := other.Restore(bytes.NewReader(make([]byte, n)))
		if (err == nil) != (n == 8) {
			t.Errorf("restored from %d bytes: %v", n, err)
		}
	}
	if err := other.Restore(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
