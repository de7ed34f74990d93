package sim

import (
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"vrnode/wire"
)

// machine is the state machine of simulated replicas: an accumulator that tells its sum and the op
// that made it. It keeps the words of commands "put WORDS", which only make its state long, and writes
// down what it executed, for the checkers.
type machine struct {
	sum     int64
	digest  uint64
	kept    []string
	applied []application
	scratch []byte
	// ballast makes the state as large as a test wants it: an op replaces one piece of it.
	ballast [][]byte
}

// pieceBytes is the length of a piece of ballast.
const pieceBytes = 1 << 10

// newBallast returns so many pieces.
func newBallast(pieces int) [][]byte {
	b := make([][]byte, pieces)
	for i := range b {
		b[i] = newPiece(uint64(i), 0)
	}
	return b
}

// newPiece returns bytes that no compression makes shorter.
func newPiece(place, op uint64) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, pieceBytes), place)
	for x := place<<32 | op; len(b) < pieceBytes; {
		x = xxhash.Sum64(b[len(b)-8:]) + x
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

// Apply adds the number of a command "add 5" and returns "sum@op".
func (m *machine) Apply(op uint64, command []byte) []byte {
	n, _ := strconv.ParseInt(strings.TrimPrefix(string(command), "add "), 10, 64)
	m.sum += n
	if words, is := strings.CutPrefix(string(command), "put "); is {
		m.kept = append(m.kept, words)
	}
	if pieces := uint64(len(m.ballast)); pieces > 0 {
		place := xxhash.Sum64(command) % pieces
		m.ballast[place] = newPiece(place, op)
	}
	m.scratch = binary.LittleEndian.AppendUint64(m.scratch[:0], m.digest)
	m.scratch = binary.LittleEndian.AppendUint64(m.scratch, op)
	m.digest = xxhash.Sum64(append(m.scratch, command...))
	m.scratch = strconv.AppendInt(m.scratch[:0], m.sum, 10)
	m.scratch = append(m.scratch, '@')
	m.scratch = strconv.AppendUint(m.scratch, op, 10)
	m.applied = append(m.applied, application{op: wire.OpNumber(op), digest: m.digest, result: xxhash.Sum64(m.scratch)})
	return m.scratch
}

// Snapshot returns all of it but what it writes down.
func (m *machine) Snapshot() io.WriterTo {
	return &machine{sum: m.sum, digest: m.digest, ballast: slices.Clone(m.ballast), kept: m.kept[:len(m.kept):len(m.kept)]}
}

// WriteTo writes the sum and the digest, the ballast piece by piece, and then what was kept, each of it with
// its length before it.
func (m *machine) WriteTo(w io.Writer) (int64, error) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(m.sum))
	n, err := w.Write(binary.LittleEndian.AppendUint64(b, m.digest))
	total := int64(n)
	for _, piece := range m.ballast {
		if err != nil {
			break
		}
		n, err = w.Write(piece)
		total += int64(n)
	}
	for _, words := range m.kept {
		if err != nil {
			break
		}
		b = append(binary.AppendUvarint(b[:0], uint64(len(words))), words...)
		n, err = w.Write(b)
		total += int64(n)
	}
	return total, err
}

// Restore reads what WriteTo wrote.
func (m *machine) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil || len(b) < 16+len(m.ballast)*pieceBytes {
		return io.ErrUnexpectedEOF
	}
	m.sum, m.digest, m.kept = int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:]), nil
	b = b[16:]
	for i := range m.ballast {
		m.ballast[i], b = b[:pieceBytes], b[pieceBytes:]
	}
	for len(b) > 0 {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
		m.kept, b = append(m.kept, string(b[:length])), b[length:]
	}
	return nil
}

// opOf returns the op that a result names, and the sum, or false if it is not a machine's.
func opOf(result []byte) (sum int64, op wire.OpNumber, ok bool) {
	left, right, found := strings.Cut(string(result), "@")
	sum, err := strconv.ParseInt(left, 10, 64)
	n, err2 := strconv.ParseUint(right, 10, 64)
	return sum, wire.OpNumber(n), found && err == nil && err2 == nil
}
