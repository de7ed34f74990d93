package stack

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"vrnode/internal/tally"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// A tailed is the part of a host that moves states, and keeps the tail of that after op 5.
type tailed struct {
	transfer
	out statexfer.Effects
}

func newTailed(open func() (Spool, error)) *tailed {
	x := &tailed{transfer: (&Host{self: 1}).newTransfer(new(tally.Machine), Spools{Tail: open})}
	x.tail = newTail(open, &wire.Log{First: 6})
	return x
}

func inMemory() (Spool, error) { return new(statexfer.Memory), nil }

// log returns so many ops that follow the tail, each with about so many bytes.
func (x *tailed) log(n, bytes int) *wire.Log {
	t := x.tail
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
	if !x.tail.take(m) {
		t.Fatal("it takes no more")
	}
	x.writeTail(&x.out)
	x.jobs()
}

// play executes what is written on the state after op 5.
func (x *tailed) play(t *testing.T) (*vr.Restored, error) {
	state, err := vr.ReadCheckpoint(strings.NewReader(stateAfter5(t)), x.machine)
	if err != nil {
		t.Fatal(err)
	}
	j := &playJob{states: &x.transfer, tail: x.tail, state: state, to: x.tail.written, every: 1 << 20}
	j.Run(func() {})
	return state, j.err
}

// What is kept is executed, however it lies in the file; what has become something else is not.
func TestTailIsExecuted(t *testing.T) {
	x := newTailed(inMemory)
	for i := range 40 {
		x.keep(t, x.log(1+i%5, 100+7000*(i%8)))
	}
	if n := x.tail.written.bytes; n < 3*wire.ChunkMax {
		t.Fatalf("%d bytes", n)
	}
	state, err := x.play(t)
	if err != nil || !state.IsOf(x.tail.head.op, x.tail.head.chain) {
		t.Fatalf("%v, state of op %d, the last one is %d", err, state.Op(), x.tail.head.op)
	}
	spool := x.tail.spool
	for at := int64(0); at < x.tail.written.bytes; at += 10_001 {
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
	x.tail.written.bytes += 100
	if _, err := x.play(t); !errors.Is(err, errTailFile) {
		t.Errorf("the file is too short: %v", err)
	}
}

// What waits to be written, and the file, have their bounds. From the first on no more is asked for, at the last, and at the
// end, no op is taken; nor is one that does not follow.
func TestTailIsBounded(t *testing.T) {
	x := newTailed(inMemory)
	kept := x.tail
	for asked := x.expected(); kept.take(x.log(4, 60_000)); {
		x.writeTail(&x.out)
		asksFor := x.expected()
		if waits := len(kept.waiting); waits >= tailWaits && asksFor != asked || waits < tailWaits && asksFor != kept.head.op {
			t.Fatalf("%d bytes wait, and what follows op %d is asked for, of %d", waits, asksFor, kept.head.op)
		}
		asked = asksFor
	}
	if waits := len(kept.waiting); waits < tailWaitsMost || waits > tailWaitsMost+5*60_000 {
		t.Errorf("%d bytes wait", waits)
	}
	x.jobs()
	if len(kept.waiting) > 0 || kept.writing || kept.jobs != 0 {
		t.Errorf("%d bytes wait, %d jobs", len(kept.waiting), kept.jobs)
	}
	if x.expected() != kept.head.op {
		t.Error("no more is asked for")
	}
	refuses := func(what string, m *wire.Log) {
		t.Helper()
		if kept.take(m) {
			t.Error(what)
		}
	}
	m := x.log(1, 1)
	m.First++
	refuses("takes an op that does not follow", m)
	m.First -= 2
	refuses("takes an op again", m)
	m.First++
	m.PrevChain++
	refuses("takes an op that follows another one", m)
	m.PrevChain--
	kept.head.bytes = tailMax
	refuses("takes more than the file may hold", m)
	kept.head.bytes, kept.full = 0, true
	refuses("takes an op when it is full", m)
	kept.full = false
	if !kept.take(m) {
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
		if x.tail != nil {
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
	if !x.tail.take(x.log(1, 10)) {
		t.Fatal("it takes no more")
	}
	x.writeTail(&x.out)
	x.dropTail(&x.out)
	if len(x.out.Jobs) != 1 {
		t.Fatalf("%d jobs", len(x.out.Jobs))
	}
	x.jobs()
	if !s.closed {
		t.Error("it is not closed")
	}
}

// A damaged length does not take as much memory as the file is long.
func TestTailWithADamagedLength(t *testing.T) {
	x := newTailed(inMemory)
	x.keep(t, x.log(1, 10))
	_, _ = x.tail.spool.WriteAt([]byte{0, 0, 0, 0x7f}, 0)
	x.tail.written.bytes = 3 << 30
	if used := testing.AllocsPerRun(1, func() { _, _ = x.play(t) }); used > 1000 {
		t.Errorf("%v allocations", used)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := x.play(t)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 2*wire.MessageMax || !errors.Is(err, errTailFile) {
		t.Errorf("takes %d bytes of memory, and says %v", grown, err)
	}
}

// read makes the state after op 5 one that was read.
func (x *tailed) read(t *testing.T) *vr.Restored {
	state, err := vr.ReadCheckpoint(strings.NewReader(stateAfter5(t)), x.machine)
	if err != nil {
		t.Fatal(err)
	}
	x.restored = state
	return state
}

// However slowly a tail gets shorter, it is taken until the logs of the others hold what they execute while the rest of it
// is. If it does not get shorter, that is enough.
func TestTailThatShrinksSlowly(t *testing.T) {
	const logBytes = 256 << 20
	for _, shrinks := range []float64{0.1, 0.4, 0.7, 0.95} {
		for _, least := range []int64{0, logBytes / 8} { // what comes in the time that any job takes
			x := newTailed(inMemory)
			x.read(t)
			kept := x.tail
			left := int64(10 << 30)
			for passes := 0; ; passes++ {
				kept.written.bytes += left
				part, _ := x.nextPart(logBytes/4, &x.out)
				if kept.full {
					break
				}
				if part == nil || passes > 200 {
					t.Fatalf("by %v: %d bytes are left, and not executed", shrinks, left)
				}
				kept.played, x.playing = part.to, false
				left = max(int64(float64(left)*shrinks), least)
			}
			most := int64(logBytes / 2)
			if shrinks < 0.5 && least == 0 { // there will soon be fewer
				most = logBytes / 4 / tailFew
			}
			if left > most {
				t.Errorf("by %v: no more are taken when %d MiB are left", shrinks, left>>20)
			}
		}
	}
}

// Nothing is executed on a state that is ahead of what is written, and it is not given up for that.
func TestStateIsAheadOfTheTail(t *testing.T) {
	x := newTailed(inMemory)
	x.tail = newTail(inMemory, &wire.Log{First: 4}) // it was begun for a state of op 3
	kept := x.tail
	x.keep(t, x.log(1, 100))
	kept.take(x.log(3, 100))
	x.writeTail(&x.out)
	state := x.read(t)
	if kept.written.op != 4 || kept.head.op != 7 || !kept.writing || state.Op() != 5 {
		t.Fatalf("%+v", kept)
	}
	if part, done := x.nextPart(64, &x.out); part != nil || done {
		t.Errorf("%+v, %v: ops up to 4 are written, and the state is of op 5", part, done)
	}
	x.jobs()
	if part, _ := x.nextPart(64, &x.out); part == nil || part.to.op != 7 {
		t.Errorf("%+v, ops up to 7 are written", part)
	}
}

// A tail that began anew, because the file could not be written, is of no use if it ends before what was executed.
func TestTailIsBehindWhatWasExecuted(t *testing.T) {
	s := &closing{}
	x := newTailed(func() (Spool, error) { return s, nil })
	first := x.log(1, 100)
	x.keep(t, first)
	x.keep(t, x.log(3, 100))
	state := x.read(t)
	part, _ := x.nextPart(64, &x.out)
	part.Run(func() {})
	if part.err != nil || state.Op() != 9 {
		t.Fatal(part.err, state.Op())
	}
	s.err = errors.New("no space left")
	x.keep(t, x.log(1, 100))
	x.tail = newTail(inMemory, first)
	x.keep(t, first)
	if next, done := x.nextPart(64, &x.out); next != nil || done {
		t.Errorf("%+v, %v: a part is being executed", next, done)
	}
	part.Done(0, &x.out)
	if next, done := x.nextPart(64, &x.out); next != nil || !done || x.tail != nil {
		t.Errorf("%+v, %v: the tail ends with op 6, the state is of op 9", next, done)
	}
	if x.jobs(); !s.closed {
		t.Error("the file of the first one is not closed")
	}
}

// Nobody is given a state on which a part of the tail is being executed, whatever becomes of the tail.
func TestStateThatIsBeingExecutedOn(t *testing.T) {
	x := newTailed(inMemory)
	x.keep(t, x.log(3, 100))
	x.read(t)
	part, _ := x.nextPart(64, &x.out)
	x.dropTail(&x.out)
	if next, done := x.nextPart(64, &x.out); next != nil || done {
		t.Errorf("%+v, %v", next, done)
	}
	part.Run(func() {})
	part.Done(0, &x.out)
	if next, done := x.nextPart(64, &x.out); next != nil || !done || !x.restored.IsOf(part.to.op, part.to.chain) {
		t.Errorf("%+v, %v", next, done)
	}
}

// The last part is executed when all of the tail is written.
func TestLastPartOfATail(t *testing.T) {
	x := newTailed(inMemory)
	x.keep(t, x.log(3, 100))
	x.tail.take(x.log(2, 100))
	x.writeTail(&x.out)
	x.read(t)
	const every = 1 << 20 // so few are short
	if next, done := x.nextPart(every, &x.out); next != nil || done {
		t.Errorf("%+v, %v: two ops are being written", next, done)
	}
	if x.tail.take(x.log(1, 100)) {
		t.Error("more are taken")
	}
	x.jobs()
	next, done := x.nextPart(every, &x.out)
	if next == nil || done || next.to.op != 10 {
		t.Fatalf("%+v, %v", next, done)
	}
	next.Run(func() {})
	next.Done(0, &x.out)
	if next, done := x.nextPart(every, &x.out); next != nil || !done || x.restored.Op() != 10 {
		t.Errorf("%+v, %v, op %d", next, done, x.restored.Op())
	}
}

// After a failed write there is no tail for a while.
func TestNoTailForAWhile(t *testing.T) {
	tries := 0
	h := New(Config{
		Self: 1, Incarnation: 1, Replicas: []Address{{ID: 1}, {ID: 2}, {ID: 3}}, Machine: new(tally.Machine),
		Spools: Spools{Tail: func() (Spool, error) { tries++; return nil, errors.New("no space left") }},
	})
	m := newTailed(nil).log(1, 10)
	for now := time.Duration(0); now < 2*tailPause; now += time.Millisecond {
		var out Effects
		h.keepTail(now, m, &out)
		for _, j := range out.states.Jobs {
			j.Run(func() {})
			j.Done(now, &out.states)
		}
	}
	if tries != 2 {
		t.Errorf("tried %d times in %v", tries, 2*tailPause)
	}
}

// bringTail has the ops 6 to 9 brought, which follow the state that a donor is about to give.
func (x *staged) bringTail(t *testing.T) {
	t.Helper()
	x.work()
	x.hear(stagedBackup, &wire.TransferRefused{Chunk: wire.NoChunk, Why: wire.TransferPreparing, Prepares: 5, RetryMillis: 10})
	if ask := x.askedLog(t); ask.Has != 5 || ask.From != 6 {
		t.Fatalf("%+v", ask)
	}
	m := newTailed(nil).log(4, 10)
	x.hear(stagedBackup, m)
	x.work()
	if ask := x.askedLog(t); ask.Has != 9 || ask.From != 10 {
		t.Fatalf("%+v", ask)
	}
}

// askedLog lets some time pass, and returns what the backup is asked for.
func (x *staged) askedLog(t *testing.T) *wire.GetLog {
	t.Helper()
	x.now += 200 * time.Millisecond
	x.out.Reset()
	x.Tick(x.now, &x.out)
	for _, e := range x.out.Sent {
		if ask, is := e.Message.(*wire.GetLog); is && e.To == stagedBackup.From {
			return ask
		}
	}
	t.Fatal("it asks for nothing")
	return nil
}

// A state comes with its tail: the replica begins where that ends, if the log of the primary goes back so far.
func TestStateComesWithItsTail(t *testing.T) {
	for _, c := range []struct {
		begins wire.OpNumber // what the log of the primary begins with
		reads  bool
	}{{10, true}, {11, false}} {
		x := newLacking(t)
		x.bringTail(t)
		x.hear(stagedPrimary, &wire.Log{First: c.begins, Last: c.begins - 1, Commit: 20})
		x.hear(stagedBackup, x.manifest)
		if reads := x.replica.Status().Restoring; reads != c.reads {
			t.Errorf("the log begins with op %d, read: %v", c.begins, reads)
		}
		x.work()
		if s := x.replica.Status(); c.reads && (s.Restoring || s.Applied != 9) {
			t.Errorf("%+v", s)
		}
		if c.reads && x.states.tail != nil {
			t.Error("the tail stays")
		}
	}
}

// A tail that begins after the state is dropped, and comes anew.
func TestTailOfALaterState(t *testing.T) {
	x := newLacking(t)
	x.bringTail(t)
	x.states.tail.base = 6
	x.moveOn()
	if x.states.tail != nil {
		t.Error("it stays")
	}
	if ask := x.askedLog(t); ask.From != 6 {
		t.Errorf("%+v", ask)
	}
}
