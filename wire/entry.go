package wire

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// EntryKind is what an op does when it is executed.
type EntryKind uint8

const (
	// EntryCommand: the state machine applies the body.
	EntryCommand EntryKind = iota + 1
	// EntryRegister: a client session is opened; the body is empty.
	EntryRegister
	// EntryCheckpoint: every replica takes a checkpoint; the body is empty.
	EntryCheckpoint
)

var entryKindNames = [...]string{EntryCommand: "command", EntryRegister: "register", EntryCheckpoint: "checkpoint"}

func (k EntryKind) String() string { return name(entryKindNames[:], int(k), "entry") }

// An Entry is one op of the log. It is the same bytes in every log that holds it: View is the view
// in which it was first proposed and is never changed afterwards.
type Entry struct {
	View    ViewNumber
	Kind    EntryKind
	Client  Peer
	Session SessionNumber
	Request RequestNumber
	// Acked tells that the client holds the results of all its requests up to it, so that
	// replicas may drop them. It is in the log because what is dropped is replicated state.
	Acked RequestNumber
	// Body is the command, at most CommandMax bytes.
	Body []byte
}

const (
	entryFixed = 8 + 1 + 8 + 8 + 8 + 8 + 4
	// CommandMax bounds a command and a result, in bytes. Longer values belong in several ops.
	CommandMax = 64 << 10
)

// Size returns the number of bytes that e takes on the wire.
func (e *Entry) Size() int { return entryFixed + len(e.Body) }

// AppendEntry appends e in wire form: view, kind, client, session, request, acked, length, body.
func AppendEntry(dst []byte, e *Entry) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(e.View))
	dst = append(dst, byte(e.Kind))
	dst = le.AppendUint64(dst, uint64(e.Client))
	dst = le.AppendUint64(dst, uint64(e.Session))
	dst = le.AppendUint64(dst, uint64(e.Request))
	dst = le.AppendUint64(dst, uint64(e.Acked))
	dst = le.AppendUint32(dst, uint32(len(e.Body)))
	return append(dst, e.Body...)
}

// readEntry reads one entry from the front of b and returns its size, or 0 if b does not hold a
// well-formed one. The body shares memory with b.
func readEntry(b []byte, e *Entry) int {
	if len(b) < entryFixed {
		return 0
	}
	le := binary.LittleEndian
	n := le.Uint32(b[entryFixed-4:])
	kind := EntryKind(b[8])
	if n > CommandMax || len(b)-entryFixed < int(n) || kind < EntryCommand || kind > EntryCheckpoint {
		return 0
	}
	e.View = ViewNumber(le.Uint64(b))
	e.Kind = kind
	e.Client = Peer(le.Uint64(b[9:]))
	e.Session = SessionNumber(le.Uint64(b[17:]))
	e.Request = RequestNumber(le.Uint64(b[25:]))
	e.Acked = RequestNumber(le.Uint64(b[33:]))
	e.Body = b[entryFixed : entryFixed+int(n) : entryFixed+int(n)]
	return entryFixed + int(n)
}

// Next returns the chain of e, whose predecessor has chain c. The log starts from chain 0.
// Two logs with the same chain at an op-number hold the same ops up to there.
//
// scratch is room for the hashed bytes; it is returned, grown if need be, for the next call.
func (c Chain) Next(e *Entry, scratch []byte) (Chain, []byte) {
	scratch = binary.LittleEndian.AppendUint64(scratch[:0], uint64(c))
	scratch = AppendEntry(scratch, e)
	return Chain(xxhash.Sum64(scratch)), scratch
}

// Entries is a run of log entries with consecutive op-numbers, in wire form. Those that come out
// of a Decoder are well-formed; they share memory with the datagram or message they came in.
type Entries struct {
	count int
	raw   []byte
}

// Len returns the number of entries left.
func (s Entries) Len() int { return s.count }

// Size returns the bytes of the entries left.
func (s Entries) Size() int { return len(s.raw) }

// Next moves the first entry into e and tells whether there was one.
func (s *Entries) Next(e *Entry) bool {
	if s.count == 0 {
		return false
	}
	n := readEntry(s.raw, e)
	if n == 0 {
		panic("invariant broken: wire.Entries are checked before they are read")
	}
	s.raw = s.raw[n:]
	s.count--
	return true
}

// First returns the first n of the entries, or all if there are no more. They share memory with s.
func (s Entries) First(n int) Entries {
	rest := s
	var e Entry
	for rest.count > max(s.count-n, 0) {
		rest.Next(&e)
	}
	return Entries{s.count - rest.count, s.raw[:len(s.raw)-len(rest.raw)]}
}

// Append returns s with e added. It may share memory with s and grows like append.
func (s Entries) Append(e *Entry) Entries {
	return Entries{s.count + 1, AppendEntry(s.raw, e)}
}

// Reset returns an empty run that will reuse the memory of s.
func (s Entries) Reset() Entries { return Entries{0, s.raw[:0]} }

// Commands is a run of a client's commands with consecutive request-numbers, in wire form: a
// four-byte length and the bytes, for each.
type Commands struct {
	count int
	raw   []byte
}

// Len returns the number of commands left.
func (s Commands) Len() int { return s.count }

// Size returns the bytes of the commands left.
func (s Commands) Size() int { return len(s.raw) }

// Next returns the first command, or false if there is none. It shares memory with the message.
func (s *Commands) Next() ([]byte, bool) {
	if s.count == 0 {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint32(s.raw))
	command := s.raw[4 : 4+n : 4+n]
	s.raw = s.raw[4+n:]
	s.count--
	return command, true
}

// Append returns s with a command added.
func (s Commands) Append(command []byte) Commands {
	raw := binary.LittleEndian.AppendUint32(s.raw, uint32(len(command)))
	return Commands{s.count + 1, append(raw, command...)}
}

// Reset returns an empty run that will reuse the memory of s.
func (s Commands) Reset() Commands { return Commands{0, s.raw[:0]} }

// Results is a run of results for consecutive request-numbers, in wire form: the outcome, a
// four-byte length and the bytes, for each.
type Results struct {
	count int
	raw   []byte
}

// Len returns the number of results left.
func (s Results) Len() int { return s.count }

// Size returns the bytes of the results left.
func (s Results) Size() int { return len(s.raw) }

// Next returns the first result, or false if there is none. It shares memory with the message.
func (s *Results) Next() (Outcome, []byte, bool) {
	if s.count == 0 {
		return 0, nil, false
	}
	outcome := Outcome(s.raw[0])
	n := int(binary.LittleEndian.Uint32(s.raw[1:]))
	body := s.raw[5 : 5+n : 5+n]
	s.raw = s.raw[5+n:]
	s.count--
	return outcome, body, true
}

// Append returns s with a result added.
func (s Results) Append(outcome Outcome, body []byte) Results {
	raw := append(s.raw, byte(outcome))
	raw = binary.LittleEndian.AppendUint32(raw, uint32(len(body)))
	return Results{s.count + 1, append(raw, body...)}
}

// Reset returns an empty run that will reuse the memory of s.
func (s Results) Reset() Results { return Results{0, s.raw[:0]} }

// The three checks below are what a Decoder runs: they return the length in bytes of count items
// at the front of b, or -1.

func entriesLen(b []byte, count int) int {
	var e Entry
	at := 0
	for range count {
		n := readEntry(b[at:], &e)
		if n == 0 {
			return -1
		}
		at += n
	}
	return at
}

func commandsLen(b []byte, count int) int { return blobsLen(b, count, 0) }

func resultsLen(b []byte, count int) int {
	at := blobsLen(b, count, 1)
	for rest, i := b, 0; at >= 0 && i < count; i++ {
		if o := Outcome(rest[0]); o < OutcomeDone || o > OutcomeGap {
			return -1
		}
		rest = rest[5+binary.LittleEndian.Uint32(rest[1:]):]
	}
	return at
}

func blobsLen(b []byte, count, prefix int) int {
	at := 0
	for range count {
		if len(b)-at < prefix+4 {
			return -1
		}
		n := binary.LittleEndian.Uint32(b[at+prefix:])
		at += prefix + 4
		if n > CommandMax || len(b)-at < int(n) {
			return -1
		}
		at += int(n)
	}
	return at
}
