package stack

import (
	"errors"
	"io"
	"strings"
	"testing"

	"vrnode/internal/tally"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// A tailed is a host that keeps the tail of the state after op 5, without a replica.
type tailed struct {
	*Host
	out    statexfer.Effects
	header wire.Header
}

func newTailed(open func() (Spool, error)) *tailed {
	x := &tailed{Host: &Host{self: 1}}
	x.states = x.newTransfer(new(tally.Machine), Spools{Tail: open})
	x.states.tail = newTail(open, &wire.Log{First: 6})
	return x
}

func inMemory() (Spool, error) { return new(statexfer.Memory), nil }

// log returns so many ops that follow the tail, each with about so many bytes.
func (x *tailed) log(n, bytes int) *wire.Log {
	t := x.states.tail
	m := &wire.Log{First: t.head.op + 1, PrevChain: t.head.chain}
	for range n {
		e := wire.Entry{Kind: wire.EntryCommand, Client: 1 << 63, Body: []byte("add " + strings.Repeat("0", bytes) + "1")}
		m.Entries = m.Entries.Append(&e)
	}
	m.Commit, m.Last = m.First-1+wire.OpNumber(n), m.First-1+wire.OpNumber(n)
	return m
}

// jobs runs the jobs that there are, until there are none.
func (x *tailed) jobs() {
	for len(x.out.Jobs) > 0 {
		j := x.out.Jobs[0]
		x.out.Jobs = x.out.Jobs[1:]
		j.Run(func() {})
		j.Done(0, &x.out)
	}
}

// keep adds a Log to the tail, and has it written.
func (x *tailed) keep(t *testing.T, m *wire.Log) {
	t.Helper()
	if !x.states.tail.take(&x.header, m) {
		t.Fatal("it takes no more")
	}
	x.writeTail(&x.out)
	x.jobs()
}

// play executes what is written on the state after op 5.
func (x *tailed) play(t *testing.T) (*vr.Restored, error) {
	state, err := vr.ReadCheckpoint(strings.NewReader(stateAfter5(t)), x.states.machine)
	if err != nil {
		t.Fatal(err)
	}
	j := &playJob{host: x.Host, tail: x.states.tail, state: state, to: x.states.tail.written, bytes: 1 << 20}
	j.Run(func() {})
	return state, j.err
}

// What is kept is executed, however it lies in the file; what has become something else is not.
func TestTailIsExecuted(t *testing.T) {
	x := newTailed(inMemory)
	for i := range 40 {
		x.keep(t, x.log(1+i%5, 100+7000*(i%8)))
	}
	if n := x.states.tail.written.bytes; n < 3*wire.ChunkMax {
		t.Fatalf("%d bytes", n)
	}
	state, err := x.play(t)
	if err != nil || !state.IsOf(x.states.tail.head.op, x.states.tail.head.chain) {
		t.Fatalf("%v, state of op %d, the last one is %d", err, state.Op(), x.states.tail.head.op)
	}
	spool := x.states.tail.spool
	for at := int64(0); at < x.states.tail.written.bytes; at += 10_001 {
		var b [1]byte
		if _, err := spool.ReadAt(b[:], at); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		b[0] ^= 0x10
		_, _ = spool.WriteAt(b[:], at)
		if _, err := x.play(t); err == nil {
			t.Errorf("byte %d is another one, and nobody has noticed", at)
		}
		b[0] ^= 0x10
		_, _ = spool.WriteAt(b[:], at)
	}
	x.states.tail.written.bytes += 100
	if _, err := x.play(t); !errors.Is(err, errTail) {
		t.Errorf("the file is too short: %v", err)
	}
}

// What waits to be written, and the file, have their bounds. At these, and at the end, no op is taken; nor is one that
// does not follow.
func TestTailIsBounded(t *testing.T) {
	x := newTailed(inMemory)
	kept := x.states.tail
	took := 0
	for kept.take(&x.header, x.log(4, 60_000)) {
		x.writeTail(&x.out)
		if took += len(kept.waiting); len(kept.waiting) > tailWaits+5*60_000 {
			t.Fatalf("%d bytes wait", len(kept.waiting))
		}
	}
	if took < tailWaits {
		t.Errorf("refuses after %d bytes", took)
	}
	x.jobs()
	if len(kept.waiting) > 0 || kept.writing || kept.jobs != 0 {
		t.Errorf("%d bytes wait, %d jobs", len(kept.waiting), kept.jobs)
	}
	m := x.log(1, 1)
	m.First++
	if kept.take(&x.header, m) {
		t.Error("takes an op that does not follow")
	}
	m.First--
	m.PrevChain++
	if kept.take(&x.header, m) {
		t.Error("takes an op that follows another one")
	}
	m.PrevChain--
	kept.head.bytes, kept.full = tailMax, false
	if kept.take(&x.header, m) {
		t.Error("takes more than the file may hold")
	}
	kept.head.bytes, kept.full = 0, true
	if kept.take(&x.header, m) {
		t.Error("takes an op when it is full")
	}
	kept.full = false
	if !kept.take(&x.header, m) {
		t.Error("takes no op")
	}
}

// A full disk ends the tail, and its file.
func TestTailCanNotBeWritten(t *testing.T) {
	full := errors.New("no space left")
	for what, open := range map[string]func(s *closing) (Spool, error){
		"opened":  func(*closing) (Spool, error) { return nil, full },
		"written": func(s *closing) (Spool, error) { s.err = full; return s, nil },
	} {
		s := &closing{}
		x := newTailed(func() (Spool, error) { return open(s) })
		x.keep(t, x.log(1, 10))
		if x.states.tail != nil {
			t.Errorf("it can not be %s, and stays", what)
		}
		if n := len(x.out.Events); n != 1 || x.out.Events[0].Kind != statexfer.EventFailed || x.out.Events[0].Err != full {
			t.Errorf("it can not be %s: %v", what, x.out.Events)
		}
		if open := what == "written"; s.closed != open {
			t.Errorf("it can not be %s, closed: %v", what, s.closed)
		}
	}
}

// A closing is a spool that tells whether it is closed.
type closing struct {
	statexfer.Memory
	err    error
	closed bool
}

func (s *closing) WriteAt(b []byte, at int64) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	return s.Memory.WriteAt(b, at)
}

func (s *closing) Close() error {
	s.closed = true
	return s.Memory.Close()
}

// A tail that is of no use any more stays as long as a job uses its file.
func TestTailIsClosed(t *testing.T) {
	s := &closing{}
	x := newTailed(func() (Spool, error) { return s, nil })
	x.keep(t, x.log(1, 10))
	if !x.states.tail.take(&x.header, x.log(1, 10)) {
		t.Fatal("it takes no more")
	}
	x.writeTail(&x.out)
	x.states.dropTail(&x.out)
	if len(x.out.Jobs) != 1 {
		t.Fatalf("%d jobs", len(x.out.Jobs))
	}
	x.jobs()
	if !s.closed {
		t.Error("it is not closed")
	}
}
