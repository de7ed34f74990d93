package loop

import (
	"bytes"
	"errors"
	"io"
	"runtime/debug"
	"testing"
	"testing/iotest"
)

// TestReadAhead: what is read is what there is, with a step back for each buffer, and its end or an error comes after it.
func TestReadAhead(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789"), 3*aheadBuffers*aheadBytes/10)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		from io.Reader
		err  error
	}{
		"all":     {bytes.NewReader(want), nil},
		"pieces":  {iotest.HalfReader(bytes.NewReader(want)), nil},
		"end":     {iotest.DataErrReader(bytes.NewReader(want)), nil},
		"failure": {io.MultiReader(bytes.NewReader(want), iotest.ErrReader(broken)), broken},
	} {
		t.Run(name, func(t *testing.T) {
			steps := 0
			a := readAhead(test.from, uint64(len(want)), func() { steps++ })
			got, err := io.ReadAll(a)
			if err != test.err || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
			}
			if least := len(want) / aheadBytes; steps < least {
				t.Errorf("%d steps back, at least %d", steps, least)
			}
			if n, err := a.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("%d bytes after the end, %v", n, err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReadAheadIsBounded: who reads nothing is not waited for, but only so much is read for him, and
// nothing any more when he is gone.
func TestReadAheadIsBounded(t *testing.T) {
	endless := new(zeros)
	a := readAhead(endless, 0, func() {})
	if _, err := a.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if most := (aheadBuffers + 1) * aheadBytes; endless.read > most {
		t.Errorf("%d bytes were read ahead, at most %d", endless.read, most)
	}
}

type zeros struct{ read int }

func (z *zeros) Read(b []byte) (int, error) {
	z.read += len(b)
	return len(b), nil
}

// TestCollectorRests: the garbage collector rests from the beginning to the end of the reading, but for
// those who make garbage of what they read.
func TestCollectorRests(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(-1)
		debug.SetGCPercent(p)
		return p
	}
	const set = 100
	defer debug.SetGCPercent(debug.SetGCPercent(set))
	a := readAhead(new(zeros), 1<<30, func() {})
	if got := percent(); got == set {
		t.Errorf("at the beginning the collector is set to %d", got)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := percent(); got != set {
		t.Errorf("at the end the collector is set to %d, not %d", got, set)
	}
	a = readAhead(new(zeros), 1<<30, func() {})
	for range 64 {
		if _, err := io.ReadFull(a, make([]byte, 8<<20)[:1<<20]); err != nil {
			t.Fatal(err)
		}
	}
	if got := percent(); got != set {
		t.Errorf("with garbage the collector is set to %d, not %d", got, set)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}
