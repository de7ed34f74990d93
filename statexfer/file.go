package statexfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"vrnode/wire"
)

// This file is the form in which a checkpoint is kept outside of any group. Numbers are little-endian.
//
//	head   magic "vrbackup", version u32, cluster 16 bytes, op u64, chain u64, made u64 (ms since 1970),
//	       and the digest of these
//	piece  length u32, from 1 to FilePieceMax; the bytes; the digest of the number of the piece, from 0
//	       as u64, and of the bytes
//	 …
//	end    length u32, 0; pieces u64, bytes u64 that they have; SHA-256 of all the file before it
//
// The bytes of the pieces, one after the other, are what State of the checkpoint writes. A digest is the
// first half of a SHA-256. Nothing follows the end. A program that finds another version reads no
// further than that.
const (
	fileMagic   = "vrbackup"
	fileVersion = 2
	fileHead    = len(fileMagic) + 4 + len(wire.ClusterID{}) + 3*8

	// FilePieceMax bounds the bytes of a piece.
	FilePieceMax = 64 << 10
)

// A FileHead says what a file has.
type FileHead struct {
	Cluster wire.ClusterID // the group that the state is of
	Op      wire.OpNumber
	Chain   wire.Chain
	Made    uint64 // when, in ms since 1970
}

// Why a file is refused, for errors.Is. The text says where it is wrong.
var (
	ErrFileForeign = errors.New("not a backup")
	ErrFileVersion = errors.New("a backup of another version")
	ErrFileCut     = errors.New("the backup is cut off")
	ErrFileDamaged = errors.New("the backup is damaged")
)

// WriteFile writes a file with the state that is read from state to its end, and returns the size of
// the file.
func WriteFile(w io.Writer, h FileHead, state io.Reader) (size int64, err error) {
	f := &fileWriter{w: w, all: sha256.New()}
	le := binary.LittleEndian
	head := le.AppendUint32([]byte(fileMagic), fileVersion)
	head = append(head, h.Cluster[:]...)
	head = le.AppendUint64(head, uint64(h.Op))
	head = le.AppendUint64(head, uint64(h.Chain))
	head = le.AppendUint64(head, h.Made)
	sum := digestOf(head)
	f.write(head)
	f.write(sum[:])
	piece := make([]byte, FilePieceMax)
	pieces, total := uint64(0), uint64(0)
	for f.err == nil {
		n, err := io.ReadFull(state, piece)
		if n > 0 {
			sum := pieceDigest(pieces, piece[:n])
			f.write(le.AppendUint32(nil, uint32(n)))
			f.write(piece[:n])
			f.write(sum[:])
			pieces, total = pieces+1, total+uint64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return f.size, err
		}
	}
	end := le.AppendUint32(nil, 0)
	end = le.AppendUint64(end, pieces)
	f.write(le.AppendUint64(end, total))
	f.write(f.all.Sum(nil))
	return f.size, f.err
}

// pieceDigest is the digest of a piece at its place.
func pieceDigest(number uint64, b []byte) wire.Digest {
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, number))
	h.Write(b)
	return wire.Digest(h.Sum(nil)[:len(wire.Digest{})])
}

type fileWriter struct {
	w    io.Writer
	all  hash.Hash
	size int64
	err  error
}

func (f *fileWriter) write(b []byte) {
	if f.err == nil {
		var n int
		n, f.err = f.w.Write(b)
		f.size += int64(n)
		f.all.Write(b)
	}
}

// A FileReader reads a file. It gives nothing of a piece before it has checked it.
type FileReader struct {
	Head FileHead
	r    *bufio.Reader
	all  hash.Hash
	at   int64
	// pieces and total count what was read.
	pieces, total uint64
}

// OpenFile reads the head of a file.
func OpenFile(r io.Reader) (*FileReader, error) {
	f := &FileReader{r: bufio.NewReaderSize(r, FilePieceMax), all: sha256.New()}
	head := make([]byte, fileHead+len(wire.Digest{}))
	n, err := io.ReadFull(f.r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	magic := head[:min(n, len(fileMagic))]
	switch {
	case n == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrFileForeign)
	case !bytes.HasPrefix([]byte(fileMagic), magic):
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrFileForeign, fileMagic)
	}
	le := binary.LittleEndian
	b := head[len(fileMagic):]
	if n >= len(fileMagic)+4 && le.Uint32(b) != fileVersion {
		return nil, fmt.Errorf("%w: it is of version %d, and this program reads version %d", ErrFileVersion, le.Uint32(b), fileVersion)
	}
	if n < len(head) {
		return nil, fmt.Errorf("%w after %d bytes, in its head", ErrFileCut, n)
	}
	if digestOf(head[:fileHead]) != wire.Digest(head[fileHead:]) {
		return nil, fmt.Errorf("%w in its head", ErrFileDamaged)
	}
	b = b[4:]
	f.Head.Cluster = wire.ClusterID(b[:16])
	f.Head.Op, f.Head.Chain = wire.OpNumber(le.Uint64(b[16:])), wire.Chain(le.Uint64(b[24:]))
	f.Head.Made = le.Uint64(b[32:])
	f.all.Write(head)
	f.at = int64(len(head))
	if f.Head.Op == 0 {
		return nil, fmt.Errorf("%w in its head: it is of op 0", ErrFileDamaged)
	}
	return f, nil
}

// WriteTo writes the state to w, a piece with each call of Write, and checks the end of the file.
func (f *FileReader) WriteTo(w io.Writer) (n int64, err error) {
	buffer := make([]byte, FilePieceMax+len(wire.Digest{}))
	for {
		begin := f.at
		if err := f.take(buffer[:4]); err != nil {
			return n, err
		}
		length := binary.LittleEndian.Uint32(buffer)
		if length == 0 {
			return n, f.end()
		}
		if length > FilePieceMax {
			return n, fmt.Errorf("%w at byte %d: piece %d has a length of %d", ErrFileDamaged, begin, f.pieces, length)
		}
		piece, sum := buffer[:length], buffer[length:length+uint32(len(wire.Digest{}))]
		if err := f.take(buffer[:len(piece)+len(sum)]); err != nil {
			return n, err
		}
		if pieceDigest(f.pieces, piece) != wire.Digest(sum) {
			return n, fmt.Errorf("%w at byte %d: piece %d is not what was written", ErrFileDamaged, begin, f.pieces)
		}
		some, err := w.Write(piece)
		n += int64(some)
		if err != nil {
			return n, err
		}
		f.pieces, f.total = f.pieces+1, f.total+uint64(length)
	}
}

// take reads all of b.
func (f *FileReader) take(b []byte) error {
	n, err := io.ReadFull(f.r, b)
	f.at += int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w after %d bytes, in piece %d", ErrFileCut, f.at, f.pieces)
	}
	f.all.Write(b)
	return err
}

// end reads what is behind the last piece.
func (f *FileReader) end() error {
	begin := f.at - 4
	var b [16 + sha256.Size]byte
	if err := f.take(b[:16]); err != nil {
		return err
	}
	want := f.all.Sum(nil)
	if err := f.take(b[16:]); err != nil {
		return err
	}
	le := binary.LittleEndian
	if le.Uint64(b[:]) != f.pieces || le.Uint64(b[8:]) != f.total {
		return fmt.Errorf("%w at byte %d: it ends after piece %d, and has had %d", ErrFileDamaged, begin, le.Uint64(b[:]), f.pieces)
	}
	if !bytes.Equal(b[16:], want) {
		return fmt.Errorf("%w: the whole is not what was written", ErrFileDamaged)
	}
	switch _, err := f.r.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("%w at byte %d: something follows its end", ErrFileDamaged, f.at)
	default:
		return err
	}
}

// State returns how many bytes of the state were read, and Size how many of the file.
func (f *FileReader) State() uint64 { return f.total }

// Size is described at State.
func (f *FileReader) Size() int64 { return f.at }
