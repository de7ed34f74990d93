package statexfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"vrnode/wire"
)

var fileOf = FileHead{Cluster: wire.ClusterID{7, 15: 9}, Op: 40, Chain: 0xcafe, Made: 1_700_000_000_123}

// makeFile returns a file, and the state in it.
func makeFile(t *testing.T, size int) (file, state []byte) {
	for i := range size {
		state = append(state, byte(i*i>>3))
	}
	var b bytes.Buffer
	n, err := WriteFile(&b, fileOf, bytes.NewReader(state))
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	return b.Bytes(), state
}

func readFile(r io.Reader) (FileHead, []byte, error) {
	f, err := OpenFile(r)
	if err != nil {
		return FileHead{}, nil, err
	}
	var b bytes.Buffer
	_, err = f.WriteTo(&b)
	return f.Head, b.Bytes(), err
}

func TestFile(t *testing.T) {
	for _, size := range []int{0, 1, FilePieceMax - 1, FilePieceMax, FilePieceMax + 1, 3*FilePieceMax + 17} {
		file, state := makeFile(t, size)
		head, got, err := readFile(bytes.NewReader(file))
		if err != nil || head != fileOf || !bytes.Equal(got, state) {
			t.Errorf("%d bytes: %d came back, %+v, %v", size, len(got), head, err)
		}
	}
}

// What is wrong with a file is said, and where.
func TestFileIsRefused(t *testing.T) {
	file, _ := makeFile(t, 2*FilePieceMax+100)
	head := fileHead + 16
	piece := 4 + FilePieceMax + 16
	changed := func(at int) []byte {
		b := bytes.Clone(file)
		b[at] ^= 0x10
		return b
	}
	swapped := bytes.Clone(file)
	copy(swapped[head:], file[head+piece:head+2*piece])
	copy(swapped[head+piece:], file[head:head+piece])
	missing := append(bytes.Clone(file[:head]), file[head+piece:]...)
	shorter := append(bytes.Clone(file[:head+piece]), file[len(file)-52:]...)
	long := bytes.Clone(file)
	binary.LittleEndian.PutUint32(long[head:], FilePieceMax+1)
	longest := bytes.Clone(file)
	binary.LittleEndian.PutUint32(longest[head:], math.MaxUint32) // a negative int on some machines
	newer := bytes.Clone(file)
	binary.LittleEndian.PutUint32(newer[8:], 3)
	for _, c := range []struct {
		name string
		file []byte
		is   error
		says string
	}{
		{"empty", nil, ErrFileForeign, "it is empty"},
		{"something else", []byte("hello, world\n"), ErrFileForeign, `does not begin with "vrbackup"`},
		{"newer", newer, ErrFileVersion, "it is of version 3, and this program reads version 2"},
		{"cut in the magic", file[:5], ErrFileCut, "after 5 bytes, in its head"},
		{"cut in the head", file[:40], ErrFileCut, "after 40 bytes, in its head"},
		{"cut after the head", file[:head], ErrFileCut, fmt.Sprintf("after %d bytes, in piece 0", head)},
		{"cut in a piece", file[:head+piece+9], ErrFileCut, "in piece 1"},
		{"cut in the end", file[:len(file)-1], ErrFileCut, fmt.Sprintf("after %d bytes", len(file)-1)},
		{"head", changed(20), ErrFileDamaged, "in its head"},
		{"digest of the head", changed(head - 1), ErrFileDamaged, "in its head"},
		{"length", long, ErrFileDamaged, fmt.Sprintf("at byte %d: piece 0 has a length of 65537", head)},
		{"greatest length", longest, ErrFileDamaged, "piece 0 has a length of 4294967295"},
		{"first piece", changed(head + 10), ErrFileDamaged, fmt.Sprintf("at byte %d: piece 0", head)},
		{"second piece", changed(head + piece + 10), ErrFileDamaged, fmt.Sprintf("at byte %d: piece 1", head+piece)},
		{"digest of a piece", changed(head + piece - 1), ErrFileDamaged, "piece 0 is not"},
		{"pieces in another order", swapped, ErrFileDamaged, "piece 0 is not"},
		{"a piece is missing", missing, ErrFileDamaged, "piece 0 is not"},
		{"the last pieces are missing", shorter, ErrFileDamaged, "it ends after piece 3, and has had 1"},
		{"the sum of the whole", changed(len(file) - 1), ErrFileDamaged, "the whole is not"},
		{"followed", append(bytes.Clone(file), 0), ErrFileDamaged, fmt.Sprintf("at byte %d: something follows", len(file))},
	} {
		if _, _, err := readFile(bytes.NewReader(c.file)); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// A damaged byte anywhere is found, whatever comes of it.
func TestFileDamage(t *testing.T) {
	file, _ := makeFile(t, 300)
	for at := range file {
		for bit := range 8 {
			b := bytes.Clone(file)
			b[at] ^= 1 << bit
			if _, _, err := readFile(bytes.NewReader(b)); err == nil {
				t.Fatalf("bit %d of byte %d was changed, and the file was read", bit, at)
			}
		}
	}
}

// What goes wrong with reading and writing is told.
func TestFileErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, err := WriteFile(io.Discard, fileOf, io.MultiReader(strings.NewReader("x"), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := WriteFile(errWriter{broken}, fileOf, strings.NewReader("x")); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	file, _ := makeFile(t, 300)
	for _, n := range []int{3, 90, len(file)} {
		if _, _, err := readFile(io.MultiReader(bytes.NewReader(file[:n]), errReader{broken})); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

type errWriter struct{ error }

func (e errWriter) Write([]byte) (int, error) { return 0, e.error }
