package statexfer

import (
	"testing"
	"time"

	"vrnode/wire"
)

// A checkpoint that is whole and of no use any more is followed by a newer one. Only the blocks that
// differ come, and so it is with the next; the spool has no more than two of them.
func TestOutrun(t *testing.T) {
	state := newTable(1, 4000, 1000)
	size := uint64(len(state.bytes()))
	w := newWorld(t, 1, 3)
	w.offer(10, state, 1, 2)
	n := w.node(3)
	slots := 0
	n.outrun = func(r *Ready) bool {
		slots = max(slots, len(n.Target.has.slots))
		if r.Op == 40 {
			return false
		}
		state = state.change(uint64(r.Op), 0.05)
		w.offer(r.Op+10, state, 1, 2)
		return true
	}
	w.need(3, 10, nil, 1, 2)
	w.until(time.Minute, "it is whole", func() bool { return n.ready != nil })
	if moved := n.Progress(w.now).Moved; moved < size {
		t.Fatalf("moved %d of %d", moved, size)
	}
	w.until(time.Minute, "another is restored", func() bool { return n.has(EventRestored) })
	w.mustRestore(n, 40, state)
	if n.count(EventOutrun) != 3 || n.count(EventReplaced) != 3 || n.count(EventChosen) != 1 {
		t.Errorf("%v", n.events)
	}
	if p := n.Progress(w.now); p.Moved > size*130/100 || p.Misled > 0 || p.Wrong > 0 {
		t.Errorf("moved %d for a state of %d, three times a twentieth of which has changed: %+v", p.Moved, size, p)
	}
	if most := 2 * int(size/chunkMin); slots > most {
		t.Errorf("%d slots, more than %d", slots, most)
	}
}

// What was restored stays for a while, for the next checkpoint to be compared with.
func TestSpoolIsKept(t *testing.T) {
	state := newTable(1, 4000, 1000)
	newer := state.change(2, 0.02)
	w := newWorld(t, 1, 3)
	w.offer(10, state, 1, 2)
	n := w.need(3, 10, nil, 1, 2)
	n.keeps = true
	w.mustRestore(n, 10, state)
	w.offer(20, newer, 1, 2)
	n.events = nil
	w.need(3, 20, state, 1, 2)
	w.mustRestore(n, 20, newer)
	if moved := n.Progress(w.now).Moved; moved > uint64(len(state.bytes()))/20 {
		t.Errorf("moved %d", moved)
	}
	w.run(time.Minute)
	if n.disk.closed || n.Target.Deadline() != Never {
		t.Error("it is gone already")
	}
	n.Stop(&n.out)
	w.collect(n)
	w.run(time.Second)
	if !n.disk.closed {
		t.Error("it stays for ever")
	}
}

// What is expected is what is written out, then what is fetched, and what is read.
func TestExpected(t *testing.T) {
	w := newWorld(t, 1, 3)
	n := w.node(3)
	want := func(op wire.OpNumber) {
		t.Helper()
		if got := n.Expected(); got != op {
			t.Errorf("expects %d, want %d", got, op)
		}
	}
	w.jobTime = time.Second
	w.offer(20, newTable(1, 4000, 1000), 1)
	w.offer(10, newTable(1, 4000, 1000), 2)
	want(0)
	w.need(3, 10, nil, 1, 2)
	want(0)
	w.run(100 * time.Millisecond)
	want(10) // the older of two
	w.until(time.Minute, "one is chosen", func() bool { return n.manifest != nil })
	want(n.manifest.Op)
	w.until(time.Minute, "it is read", func() bool { return n.phase == wire.TransferRestoring })
	want(n.ready.Op)
	w.until(time.Minute, "it is restored", func() bool { return n.phase == wire.TransferIdle })
	want(0)
}

// A checkpoint that was being written out is not expected any more when its donor says nothing, or when a
// later one is needed: for its sake others would keep their logs in vain.
func TestExpectedNoMore(t *testing.T) {
	target := NewTarget(TargetConfig{Self: 2, Open: func(wire.ClusterID) (Spool, error) { return &Memory{}, nil }})
	var out Effects
	need := Need{MinOp: 5, Donors: []wire.Peer{1}}
	target.Start(0, need, &out)
	target.Step(0, &wire.Header{From: 1}, &wire.TransferRefused{Chunk: wire.NoChunk, Why: wire.TransferPreparing, Prepares: 9}, &out)
	for _, c := range []struct{ minOp, want wire.OpNumber }{{5, 9}, {9, 9}, {10, 0}, {5, 9}} {
		need.MinOp = c.minOp
		target.Start(0, need, &out)
		if got := target.Expected(); got != c.want {
			t.Errorf("expects %d where %d is needed, want %d", got, c.minOp, c.want)
		}
	}
	for now := time.Duration(0); now < patienceMost; now = max(now+1, target.Deadline()) {
		target.Tick(now, &out)
	}
	if got := target.Expected(); got != 0 {
		t.Errorf("expects %d of who is silent", got)
	}
}

// A spool that is read stays open until that is over, also if nobody wants what is read any more.
func TestStopWhileItIsRead(t *testing.T) {
	state := newTable(1, 400, 1000)
	w := newWorld(t, 1, 2)
	w.jobTime = 100 * time.Millisecond
	w.offer(10, state, 1)
	n := w.need(2, 10, nil, 1)
	w.until(time.Minute, "it is read", func() bool { return n.phase == wire.TransferRestoring })
	n.Stop(&n.out)
	w.collect(n)
	w.run(50 * time.Millisecond)
	if n.disk.closed {
		t.Fatal("closed under the reader")
	}
	w.until(time.Minute, "it is closed", func() bool { return n.disk.closed })
	if string(n.restored) != string(state.bytes()) {
		t.Error("what was read is not the state")
	}
}
