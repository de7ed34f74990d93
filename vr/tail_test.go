package vr

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"vrnode/wire"
)

// A keeper keeps the tail of a state that replica 3 waits for, as whoever brings the state does.
type keeper struct {
	*group
	op   wire.OpNumber // of the state
	logs [][]byte
	head wire.OpNumber
}

// newKeeper makes a group whose third replica waits for the newest state of the second one.
func newKeeper(t *testing.T, bytes int) *keeper {
	g, r := needy(t, bytes)
	k := &keeper{group: g, op: g.replicas[2].Checkpoint().Op}
	k.head = k.op
	g.keep = func(id wire.Peer, m *wire.Log) {
		if id != 3 || m.First != k.head+1 {
			t.Fatalf("replica %v gives ops from %d on, and there are those up to %d", id, m.First, k.head)
		}
		for _, id := range g.ids[:2] {
			if last := m.First - 1 + wire.OpNumber(m.Entries.Len()); last > g.replicas[id].log.head {
				t.Fatalf("op %d of a log that ends with op %d", last, g.replicas[id].log.head)
			}
		}
		k.logs = append(k.logs, g.encoder.Append(nil, &wire.Header{}, m))
		k.head += wire.OpNumber(m.Entries.Len())
		r.Expect(g.now, k.head)
	}
	r.Expect(g.now, k.op)
	return k
}

// load has so many milliseconds pass, while ops come in.
func (k *keeper) load(ms int) {
	for range ms / 3 {
		k.submit(10)
		k.run(3 * time.Millisecond)
	}
}

// play reads a state and executes the tail on it.
func (k *keeper) play(state []byte) (*Restored, error) {
	restored, err := ReadCheckpoint(bytes.NewReader(state), k.machines[3])
	if err != nil {
		k.t.Fatal(err)
	}
	for _, b := range k.logs {
		_, m, err := k.decoder.Decode(b)
		if err != nil {
			k.t.Fatal(err)
		}
		if err := restored.Play(m.(*wire.Log), k.machines[3], k.replicas[3].CheckpointBytes(), func() {}); err != nil {
			return nil, err
		}
	}
	return restored, nil
}

func bytesOf(t *testing.T, c *Checkpoint) []byte {
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A state is of use however far the others have gone on since, if its tail was brought with it; and then the replica
// takes its checkpoints when all others do.
func TestStateWithItsTail(t *testing.T) {
	k := newKeeper(t, 64<<10)
	r, donor := k.replicas[3], k.replicas[2]
	state := bytesOf(t, donor.Checkpoint())
	k.load(1500)
	if base := donor.log.base; base < k.op+500 {
		t.Fatalf("the others have ops from %d on, which is not far from %d", base, k.op)
	}
	if k.head < donor.log.head-500 {
		t.Errorf("the tail ends with op %d, the log of the others with op %d", k.head, donor.log.head)
	}
	if !r.BeginRestore(k.head) {
		t.Fatal("the state is not wanted")
	}
	restored, err := k.play(state)
	if err != nil {
		t.Fatal(err)
	}
	if restored.Op() != k.head {
		t.Fatalf("it is the state of op %d, the tail ends with op %d", restored.Op(), k.head)
	}
	var out Effects
	r.Install(k.now, restored, &out)
	k.take(&out)
	k.run(2 * time.Second)
	k.wantApplied(len(k.results))
	for r.checkpoint.Op != donor.checkpoint.Op {
		if k.now > time.Minute {
			t.Fatalf("takes a checkpoint of op %d, all others one of op %d", r.checkpoint.Op, donor.checkpoint.Op)
		}
		k.load(3)
		k.run(30 * time.Millisecond)
	}
	if a, b := bytesOf(t, r.Checkpoint()), bytesOf(t, donor.Checkpoint()); !bytes.Equal(a, b) {
		t.Error("it is another state than that of the others")
	}
}

// An op that is not committed may never be, and is not given.
func TestTailIsCommitted(t *testing.T) {
	k := newKeeper(t, 64<<10)
	k.run(20 * time.Millisecond)
	k.load(30)
	h := k.from(2)
	m := &wire.Log{First: k.head + 1, Commit: k.head + 2, Last: k.head + 4}
	for i := range 4 {
		m.Entries = m.Entries.Append(&wire.Entry{Kind: wire.EntryCommand, Body: []byte{byte(i)}})
	}
	tell := func(want int) {
		t.Helper()
		var out Effects
		k.replicas[3].expected.given = k.head // nothing was given yet
		k.replicas[3].Step(k.now, &h, m, &out)
		got := 0
		if out.Tail != nil {
			got = out.Tail.Entries.Len()
		}
		if got != want {
			t.Errorf("%d ops of the tail, want %d", got, want)
		}
	}
	tell(2)
	m.Commit = k.head
	tell(0)
	m.Commit = k.head + 100
	tell(4)
	m.First++
	tell(0)
	m.First -= 2
	tell(0)
	m.First++
	k.replicas[3].lacks = 0
	tell(0)
}

// A tail that is not what follows the state is told.
func TestWrongTail(t *testing.T) {
	k := newKeeper(t, 64<<10)
	state := bytesOf(t, k.replicas[2].Checkpoint())
	k.load(1000)
	if len(k.logs) < 4 {
		t.Fatalf("%d Logs", len(k.logs))
	}
	right := slices.Clone(k.logs)
	for what, change := range map[string]func(){
		"nothing":       func() {},
		"twice":         func() { k.logs = slices.Insert(k.logs, 2, k.logs[1]) },
		"one is left":   func() { k.logs = slices.Delete(k.logs, 1, 2) },
		"another order": func() { k.logs[1], k.logs[2] = k.logs[2], k.logs[1] },
		"another op": func() {
			k.logs[1] = bytes.Clone(k.logs[1])
			k.logs[1][len(k.logs[1])-1] ^= 1
		},
	} {
		k.logs = slices.Clone(right)
		change()
		_, err := k.play(state)
		if bad := what != "nothing" && what != "twice"; bad != errors.Is(err, errTail) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Who does not answer is not asked again before another one was, and is waited for as long as his answers take.
func TestTailOfAnother(t *testing.T) {
	k := newKeeper(t, 64<<10)
	r := k.replicas[3]
	k.run(20 * time.Millisecond)
	if r.expected.donor != 2 {
		t.Fatalf("asks replica %v first, which is no backup", r.expected.donor)
	}
	k.replicas[2] = nil
	began := k.now
	for r.expected.donor == 2 && k.now < began+5*time.Second {
		k.run(time.Millisecond)
	}
	if took := k.now - began; took < pinInterval || took > pinInterval+2*tailInterval {
		t.Errorf("asks another one after %v", took)
	}
	k.run(3 * time.Second)
	if r.expected.donor != 1 || r.expected.asking {
		t.Errorf("the primary does not answer: %+v", r.expected)
	}
	k.replicas[1] = nil
	began = k.now
	times := 0
	for wait := r.expected.since; k.now < began+20*time.Second; wait = r.expected.since {
		if k.run(time.Millisecond); r.expected.since != wait {
			times++
		}
	}
	if times < int(20*time.Second/tailPatience)-1 || times > int(20*time.Second/tailPatience)+4 {
		t.Errorf("asks %d times in 20 s", times)
	}
}

// What is not kept is asked for again, but not all the time.
func TestTailIsNotKept(t *testing.T) {
	k := newKeeper(t, 64<<10)
	r := k.replicas[3]
	given := 0
	k.keep = func(wire.Peer, *wire.Log) { given++ }
	r.Expect(k.now, k.op)
	k.load(30)
	k.run(3 * time.Second)
	if most := 1 + int(3*time.Second/pinInterval); given < most/2 || given > most {
		t.Errorf("given %d times, want no more than %d", given, most)
	}
	if r.expected.op != k.op {
		t.Errorf("expects op %d, nothing is kept behind op %d", r.expected.op, k.op)
	}
}

// Who is brought the state of a replica that has had one with its tail takes its next checkpoints when all others do.
func TestStateOfAReplicaThatHadATail(t *testing.T) {
	k := newKeeper(t, 64<<10)
	r, a, b := k.replicas[3], k.replicas[1], k.replicas[2]
	state := bytesOf(t, b.Checkpoint())
	k.load(1500)
	for b.unsaved == 0 || k.head <= b.checkpoint.Op+3 {
		k.load(3)
	}
	if !r.BeginRestore(k.head) {
		t.Fatal("the state is not wanted")
	}
	restored, err := k.play(state)
	if err != nil {
		t.Fatal(err)
	}
	var out Effects
	r.Install(k.now, restored, &out)
	k.take(&out)
	k.run(2 * time.Second)
	if c := r.Checkpoint(); c.Op == b.Checkpoint().Op || c.unsaved == 0 {
		t.Fatalf("it has a checkpoint of op %d as all others", c.Op)
	}
	k.keep = nil
	b = k.lose(2)
	if !k.carry(3, 2) {
		t.Fatal("replica 2 does not want the state")
	}
	for range 20 {
		k.load(90)
		k.run(100 * time.Millisecond)
	}
	for _, c := range []*Checkpoint{a.Checkpoint(), r.Checkpoint()} {
		if got := b.Checkpoint(); got.Op != c.Op || !bytes.Equal(bytesOf(t, got), bytesOf(t, c)) {
			t.Errorf("a checkpoint of op %d, that of another is of op %d", got.Op, c.Op)
		}
	}
}

// What is written as fast as it comes is asked for again as soon as it is, and of nobody else.
func TestRateOfATail(t *testing.T) {
	for _, disk := range []int{30_000, 300_000} { // bytes in a millisecond
		g := smallLogs(t, 3, 64<<20)
		g.logBytes = 64 << 20
		for g.replicas[1].log.base == 0 {
			g.commitLong(8)
		}
		g.commitLong(40)
		r := g.lose(3)
		head := g.replicas[2].log.base + 5
		told, writing, waiting, taken := head, 0, 0, 0
		tell := func() {
			if waiting < 1<<20 { // as internal/stack does
				told = head
			}
			r.Expect(g.now, told)
		}
		g.keep = func(_ wire.Peer, m *wire.Log) {
			if m.First != head+1 {
				return
			}
			waiting += m.Entries.Size()
			taken += m.Entries.Size()
			head += wire.OpNumber(m.Entries.Len())
			tell()
			if r.expected.donor != 2 {
				t.Errorf("asks replica %v", r.expected.donor)
			}
		}
		tell()
		began := g.now
		for head < g.replicas[2].commit && g.now < began+20*time.Second {
			g.run(time.Millisecond)
			if writing = max(0, writing-disk); writing == 0 {
				writing, waiting = waiting, 0
			}
			tell()
		}
		if took, most := g.now-began, time.Duration(2*taken/disk)*time.Millisecond+200*time.Millisecond; took > most {
			t.Errorf("%d MiB took %v, want at most %v", taken>>20, took, most)
		}
	}
}

// A donor that has nothing committed to give, or only what came from another one, has answered.
func TestDonorHasAnswered(t *testing.T) {
	ask := func() *keeper {
		k := newKeeper(t, 64<<10)
		k.load(300)
		r := k.replicas[3]
		for r.expected.asking || k.head < k.replicas[2].commit {
			k.run(time.Millisecond)
		}
		for !r.expected.asking { // nobody hears it
			var out Effects
			k.now += time.Millisecond
			r.Tick(k.now, &out)
		}
		return k
	}
	log := func(k *keeper, commit wire.OpNumber) *wire.Log {
		m := &wire.Log{First: k.head + 1, PrevChain: 1, Commit: commit, Last: k.head + 1}
		m.Entries = m.Entries.Append(&wire.Entry{Kind: wire.EntryCommand, Body: []byte{1}})
		return m
	}

	k := ask()
	r := k.replicas[3]
	k.tell(3, k.from(r.expected.donor), log(k, k.head))
	if r.expected.asking {
		t.Errorf("its ops are not committed, and it is waited for: %+v", r.expected)
	}

	k = ask()
	r = k.replicas[3]
	first := r.expected.donor
	for r.expected.donor == first || !r.expected.asking {
		var out Effects
		k.now += time.Millisecond
		r.Tick(k.now, &out)
	}
	m := log(k, k.head+1)
	k.tell(3, k.from(first), m)
	r.Expect(k.now, k.head+1)
	k.tell(3, k.from(r.expected.donor), m)
	if r.expected.asking {
		t.Errorf("its ops came from another one, and it is waited for: %+v", r.expected)
	}
}
