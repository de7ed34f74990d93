package statexfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/wire"
)

// A state comes whole, with little beside it, and from all who are asked.
func TestTransfer(t *testing.T) {
	state := newTable(1, 4000, 1000)
	w := newWorld(t, 1, 4)
	w.offer(10, state, 1, 2, 3)
	n := w.need(4, 10, nil, 2, 3, 1)
	w.mustRestore(n, 10, state)
	size := len(state.bytes())
	if w.moved > size+size/50 { // most of it are the lists of blocks
		t.Errorf("%d bytes moved for a state of %d", w.moved, size)
	}
	for p := wire.Peer(1); p <= 3; p++ {
		if sent := w.node(p).sent; (sent < size/10) != (p == 1) {
			t.Errorf("%d gave %d bytes of %d", p, sent, size)
		}
	}
	if p := n.Progress(w.now); p.Moved < uint64(size) || p.Wrong != 0 {
		t.Errorf("%+v", p)
	}
	w.run(2 * archiveKeep)
	for _, n := range w.nodes {
		if n.Transfers() != 0 || len(n.archives) != 0 || n.Source.Deadline() != Never || n.Target.Deadline() != Never {
			t.Errorf("%d has not come to rest: %d transfers, %d archives", n.peer, n.Transfers(), len(n.archives))
		}
	}
	if !n.disk.closed {
		t.Error("the spool is still open")
	}
}

// States of all shapes: none, one record, tiny ones, one that is longer than a chunk.
func TestShapes(t *testing.T) {
	for name, state := range map[string]table{
		"empty": {}, "one": newTable(1, 1, 10), "tiny": newTable(2, 20_000, 3), "long": newTable(3, 3, 300_000),
		"equal": {{1, make([]byte, 1<<20)}, {2, make([]byte, 1<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, 3)
			w.offer(7, state, 1, 2)
			w.mustRestore(w.need(3, 1, nil, 1, 2), 7, state)
		})
	}
}

func TestFaultyNetwork(t *testing.T) {
	state := newTable(1, 3000, 700)
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed, 4)
			w.Loss.Random, w.Duplicate, w.Reorder = 0.05, 0.1, 0.2
			w.Delay.Jitter = w.Delay.Mean
			w.offer(10, state, 1, 2, 3)
			n := w.need(4, 10, state.change(5, 0.1), 2, 3, 1)
			w.mustRestore(n, 10, state)
			if n.Progress(w.now).Wrong > 0 {
				t.Error("somebody was blamed for what the network did")
			}
		})
	}
}

// The source that is preferred dies after each of its first messages, and later. The others have
// kept the checkpoint, though they have newer ones.
func TestSourceDies(t *testing.T) {
	race.SkipLong(t)
	state := newTable(1, 4000, 1000)
	size := len(state.bytes())
	for _, after := range []int{0, 1, 2, 3, 4, 5, 6, 10, 15, 20} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			w := newWorld(t, uint64(after), 4)
			w.offer(10, state, 1, 2, 3)
			heard := 0
			w.tamper = func(from, to *node, m wire.Message) bool {
				if from.peer == 2 && to.peer == 4 {
					heard++
				}
				if heard == 8 {
					heard++
					w.offer(20, state.change(9, 0.5), 1, 3)
				}
				return from.peer != 2 || heard <= after
			}
			n := w.need(4, 10, nil, 2, 3, 1)
			w.mustRestore(n, 10, state)
			if moved := n.Progress(w.now).Moved; moved > uint64(size)*13/10 {
				t.Errorf("%d bytes moved for %d", moved, size)
			}
			if after >= 2 && after < 20 && !n.has(EventSilent) {
				t.Error("the silence was not noticed")
			}
		})
	}
}

// The only source dies in the middle; one that has the same checkpoint takes over, and what is
// there need not come again.
func TestSourceIsReplaced(t *testing.T) {
	state := newTable(1, 12_000, 1000)
	size := uint64(len(state.bytes()))
	w := newWorld(t, 1, 3)
	w.Rate.Bits = 100e6
	w.offer(10, state, 1)
	n := w.need(3, 10, nil, 1, 2)
	w.until(time.Minute, "half", func() bool { return n.Progress(w.now).Have > size/2 })
	w.node(1).crash()
	w.offer(10, state, 2)
	w.mustRestore(n, 10, state)
	if moved := n.Progress(w.now).Moved; moved > size*13/10 {
		t.Errorf("%d bytes moved for %d", moved, size)
	}
}

// A source that starts again has lost what it wrote out. If its checkpoint is the same it goes on.
func TestSourceRestarts(t *testing.T) {
	state := newTable(1, 12_000, 1000)
	w := newWorld(t, 1, 2)
	w.Rate.Bits = 100e6
	w.offer(10, state, 1)
	n := w.need(2, 10, nil, 1)
	w.until(time.Minute, "half", func() bool { return n.Progress(w.now).Percent() >= 50 })
	w.node(1).crash()
	w.node(1).start()
	w.offer(10, state, 1)
	w.mustRestore(n, 10, state)
	if n.has(EventReplaced) || w.now > 8*time.Second || w.node(1).Stats().Refused == 0 {
		t.Errorf("at %v, %v, %+v", w.now, n.events, w.node(1).Stats())
	}
	if moved := n.Progress(w.now).Moved; moved > uint64(len(state.bytes()))*13/10 {
		t.Errorf("%d bytes moved for %d", moved, len(state.bytes()))
	}
}

// A target that starts again finds its spool, and believes what it has hashed. One slot was torn.
func TestTargetRestarts(t *testing.T) {
	state := newTable(1, 4000, 1000)
	size := uint64(len(state.bytes()))
	w := newWorld(t, 1, 3)
	w.offer(10, state, 1, 2)
	n := w.need(3, 10, nil, 1, 2)
	w.until(time.Minute, "at 75 %", func() bool { return n.Progress(w.now).Percent() >= 75 })
	before := n.Progress(w.now)
	n.crash()
	n.disk.slots[4][100] ^= 1
	n.disk.slots[6] = n.disk.slots[6][:10]
	w.run(3 * time.Second)
	n.start()
	w.need(3, 10, nil, 1, 2)
	w.mustRestore(n, 10, state)
	after := n.Progress(w.now)
	if moved := before.Moved + after.Moved; moved > size*13/10 {
		t.Errorf("%d bytes moved for %d", moved, size)
	}
	if after.Reused < before.Have-3*ChunkMax || after.Reused >= before.Have {
		t.Errorf("%d bytes of %d were used again; two chunks were damaged", after.Reused, before.Have)
	}
}

// What one source sends is wrong by a bit. It is noticed, and comes from another.
func TestWrongPiece(t *testing.T) {
	state := newTable(1, 3000, 1000)
	for name, old := range map[string]table{"without an old state": nil, "with one": state.change(3, 0.3)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, 4)
			w.offer(10, state, 1, 2, 3)
			w.tamper = corrupt(2)
			var n *node
			if old != nil {
				n = w.need(4, 10, old, 2, 3, 1)
			} else {
				n = w.need(4, 10, nil, 2, 3, 1)
			}
			w.mustRestore(n, 10, state)
			if !n.has(EventWrong) || n.Progress(w.now).Wrong == 0 {
				t.Error("nothing wrong was noticed")
			}
			for _, e := range n.events {
				if e.Kind == EventWrong && e.Peer != 2 {
					t.Errorf("%d was blamed", e.Peer)
				}
			}
		})
	}
}

// corrupt changes a bit of every piece that a source sends.
func corrupt(peer wire.Peer) func(from, to *node, m wire.Message) bool {
	return func(from, _ *node, m wire.Message) bool {
		if p, ok := m.(*wire.Piece); ok && from.peer == peer {
			parts := p.Parts
			if _, body, ok := parts.Next(); ok {
				body[len(body)/2] ^= 4
			}
		}
		return true
	}
}

// Who has nothing but a source that is wrong never gets a state, and stores nothing.
func TestPiecesAreChecked(t *testing.T) {
	state := newTable(1, 500, 1000)
	w := newWorld(t, 1, 2)
	w.offer(10, state, 1)
	w.tamper = corrupt(1)
	n := w.need(2, 10, nil, 1)
	w.run(5 * time.Minute)
	if n.ready != nil || n.Progress(w.now).Have != 0 {
		t.Errorf("a wrong piece was stored: %+v", n.Progress(w.now))
	}
	if wrong := n.Progress(w.now).Wrong; wrong < 3 || wrong > 20 {
		t.Errorf("the source was tried %d times", wrong)
	}
	w.tamper = nil
	w.mustRestore(n, 10, state)
}

// A list of blocks that lies makes a chunk come whole.
func TestWrongBlocks(t *testing.T) {
	state := newTable(1, 1000, 1000)
	old := state.change(3, 0.1)
	places := &archive{spool: &Memory{}, index: map[wire.Digest]uint32{}}
	if err := places.write(old, func() {}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 1, 2)
	w.offer(10, state, 1)
	w.tamper = func(from, _ *node, m wire.Message) bool {
		if b, ok := m.(*wire.Blocks); ok { // each is said to be a certain one of the old state
			for i := range b.Blocks {
				b.Blocks[i].Hash = places.blocksOf(0)[0].Hash
			}
		}
		return true
	}
	n := w.need(2, 10, old, 1)
	w.mustRestore(n, 10, state)
	if p := n.Progress(w.now); p.Misled == 0 || p.Wrong > 0 {
		t.Errorf("%+v", p)
	}
}

// The sources have forgotten the checkpoint in the middle of the transfer. What is equal in the new
// one is kept.
func TestNewerCheckpoint(t *testing.T) {
	state := newTable(1, 6000, 1000)
	newer := append(table{}, state...)
	for i := range 600 { // a tenth, but all in one place
		newer[2000+i].value = newTable(uint64(i), 1, 1000)[0].value
	}
	size := uint64(len(state.bytes()))
	w := newWorld(t, 1, 3)
	w.offer(10, state, 1, 2)
	n := w.need(3, 10, nil, 1, 2)
	w.until(time.Minute, "half", func() bool { return n.Progress(w.now).Percent() >= 50 })
	for p := wire.Peer(1); p <= 2; p++ {
		w.node(p).crash()
		w.node(p).start()
	}
	w.offer(20, newer, 1, 2)
	w.mustRestore(n, 20, newer)
	if n.count(EventReplaced) != 1 {
		t.Errorf("replaced %d times", n.count(EventReplaced))
	}
	if moved := n.Progress(w.now).Moved; moved > size*125/100 {
		t.Errorf("%d bytes moved for %d", moved, size)
	}
}

// What the replica needs rises while it is being fetched, and chunks are being stored.
func TestNeedRises(t *testing.T) {
	state := newTable(1, 4000, 1000)
	newer := state.change(2, 0.001)
	w := newWorld(t, 1, 3)
	w.jobTime, w.Rate.Bits = 100*time.Millisecond, 20e6
	w.offer(10, state, 1, 2)
	n := w.need(3, 10, nil, 1, 2)
	w.until(time.Minute, "half", func() bool { return n.Progress(w.now).Percent() >= 30 })
	w.offer(20, newer, 1, 2)
	w.need(3, 15, nil, 2, 1)
	stored := -1
	for n.manifest.Op == 10 {
		stored = len(n.writes)
		w.step(w.now + time.Second)
	}
	w.mustRestore(n, 20, newer)
	if stored == 0 || n.has(EventFailed) {
		t.Errorf("%d chunks were being stored, %v", stored, n.events)
	}
	if moved := n.Progress(w.now).Moved; moved > uint64(len(state.bytes()))*13/10 {
		t.Errorf("%d bytes moved for %d", moved, len(state.bytes()))
	}
}

// The path is so slow that several checkpoints come while one is fetched. It is kept until it is
// there; then less has changed than in all, and the next transfer takes less time, until what is
// missing is in the log.
func TestSlowerThanGrowth(t *testing.T) {
	const every, share, logKeeps = 500 * time.Millisecond, 0.02, 2
	w := newWorld(t, 1, 3)
	w.Rate.Bits = 8e6
	n := w.node(3)
	var states []table // the checkpoint at op i+1 is of states[i]
	var grow func()
	grow = func() {
		state := newTable(1, 8000, 1000)
		if len(states) > 0 {
			state = states[len(states)-1].change(uint64(len(states)), share)
		}
		states = append(states, state)
		w.offer(wire.OpNumber(len(states)), state, 1, 2)
		w.at(w.now+every, grow)
	}
	grow()
	var old io.WriterTo
	behind := []int{}
	for done := false; !done; {
		n.events = nil
		w.need(3, wire.OpNumber(len(states)), old, 1, 2)
		w.until(time.Minute, "restored", func() bool { return n.has(EventRestored) && n.phase == wire.TransferIdle })
		state := states[n.ready.Op-1]
		if !bytes.Equal(n.restored, state.bytes()) {
			t.Fatalf("what was restored is not the state of %d", n.ready.Op)
		}
		old = state
		behind = append(behind, len(states)-int(n.ready.Op))
		if done = behind[len(behind)-1] <= logKeeps; !done && len(behind) == 5 {
			t.Fatalf("the transfers ended so many checkpoints behind: %v", behind)
		}
	}
	if behind[0] <= logKeeps {
		t.Errorf("the first ended %d checkpoints behind, which shows nothing", behind[0])
	}
}

// Many need a state at once. No source serves more than it may, and all are served, none of them only
// when the first have long had enough.
func TestStorm(t *testing.T) {
	state := newTable(1, 2000, 1000)
	w := newWorld(t, 1, wire.MembersMax)
	w.offer(10, state, 1)
	for p := wire.Peer(2); p <= wire.MembersMax; p++ {
		w.need(p, 10, nil, 1)
	}
	for p := wire.Peer(2); p <= wire.MembersMax; p++ {
		w.mustRestore(w.node(p), 10, state)
	}
	if w.now >= leaseTime {
		t.Errorf("all were served after %v, as if places were kept for those who have all", w.now)
	}
	source := w.node(1)
	if source.maxServe != transfersMax {
		t.Errorf("%d were served at once, want %d", source.maxServe, transfersMax)
	}
	if source.count(EventWritten) != 1 {
		t.Errorf("the checkpoint was written out %d times", source.count(EventWritten))
	}
	if source.Stats().Refused == 0 || source.Stats().Bytes < 8*uint64(len(state.bytes())) {
		t.Errorf("%+v", source.Stats())
	}
}

// Of a state that differs in one key of a hundred, no more than three percent move, all told.
func TestOnePercent(t *testing.T) {
	state := newTable(1, 20_000, 1024)
	size := len(state.bytes())
	w := newWorld(t, 1, 3)
	w.offer(10, state, 1, 2)
	n := w.need(3, 10, state.change(2, 0.01), 1, 2)
	w.mustRestore(n, 10, state)
	t.Logf("%.2f %% of %d bytes moved", 100*float64(w.moved)/float64(size), size)
	if w.moved > size*3/100 {
		t.Errorf("%d bytes moved, more than 3 %% of %d", w.moved, size)
	}
	if p := n.Progress(w.now); p.Have != uint64(size) || p.Reused < uint64(size)*98/100 {
		t.Errorf("%+v", p)
	}
}

// Of an equal state nothing moves but the manifest.
func TestEqualState(t *testing.T) {
	state := newTable(1, 10_000, 1024)
	w := newWorld(t, 1, 2)
	w.offer(10, state, 1)
	n := w.need(2, 10, state, 1)
	w.mustRestore(n, 10, state)
	if p := n.Progress(w.now); p.Moved != 0 || w.moved > p.total()/1000 {
		t.Errorf("%d bytes moved, %+v", w.moved, p)
	}
}

func (p Progress) total() int { return int(p.Total) }

// A spool that fails makes the target rest, and begin again with what is right in it.
func TestSpoolFails(t *testing.T) {
	state := newTable(1, 3000, 1000)
	w := newWorld(t, 1, 2)
	w.offer(10, state, 1)
	n := w.need(2, 10, nil, 1)
	w.until(time.Minute, "half", func() bool { return n.Progress(w.now).Percent() >= 50 })
	half := n.Progress(w.now).Have
	n.disk.fail = errors.New("no space")
	w.until(time.Minute, "failed", func() bool { return n.has(EventFailed) })
	n.disk.fail = nil
	w.mustRestore(n, 10, state)
	if p := n.Progress(w.now); p.Reused < half {
		t.Errorf("%d bytes used again, there were %d", p.Reused, half)
	}
}

// What is damaged in the spool after it was stored is found when it is read.
func TestSpoolRots(t *testing.T) {
	state := newTable(1, 1000, 1000)
	w := newWorld(t, 1, 2)
	w.offer(10, state, 1)
	n := w.need(2, 10, nil, 1)
	w.until(time.Minute, "whole", func() bool { return n.has(EventWhole) })
	n.disk.slots[3][9] ^= 1
	w.mustRestore(n, 10, state)
	if n.count(EventFailed) != 1 || n.count(EventWhole) != 2 {
		t.Errorf("%v", n.events)
	}
}

// A state that can not be written out is refused.
func TestWriteOutFails(t *testing.T) {
	w := newWorld(t, 1, 3)
	good := newTable(1, 100, 1000)
	w.node(1).Offer(checkpoint(10, failing{}))
	w.offer(10, good, 2)
	n := w.need(3, 10, nil, 1, 2)
	w.mustRestore(n, 10, good)
	if !w.node(1).has(EventFailed) {
		t.Error("nobody was told")
	}
}

type failing struct{}

func (failing) WriteTo(io.Writer) (int64, error) {
	return 0, errors.New("can not be written")
}

// Stopping at any time closes the spool, and another transfer can begin at once.
func TestStop(t *testing.T) {
	race.SkipLong(t)
	state := newTable(1, 1000, 1000)
	for steps := 1; steps < 200; steps += 7 {
		w := newWorld(t, 1, 2)
		w.offer(10, state, 1)
		n := w.need(2, 10, state.change(4, 0.5), 1)
		for range steps {
			w.step(time.Minute)
		}
		n.Target.Stop(&n.out)
		w.collect(n)
		if steps%2 == 0 {
			w.run(time.Second)
			if n.disk != nil && !n.disk.closed {
				t.Fatalf("after %d steps: the spool is still open", steps)
			}
		}
		n.events, n.ready = nil, nil
		w.need(2, 10, nil, 1)
		w.mustRestore(n, 10, state)
	}
}

// Two members with different states at an op are a fault of the service. It is told, and what is
// fetched is one of them.
func TestDifferentRoot(t *testing.T) {
	state := newTable(1, 2000, 1000)
	w := newWorld(t, 1, 3)
	w.Rate.Bits = 20e6
	w.offer(10, state, 1)
	w.offer(10, state.change(1, 0.01), 2)
	n := w.need(3, 10, nil, 1)
	w.until(time.Minute, "chosen", func() bool { return n.has(EventChosen) })
	w.need(3, 10, nil, 1, 2)
	w.mustRestore(n, 10, state)
	if !n.has(EventDifferentRoot) || w.node(2).Stats().Pieces > 0 {
		t.Errorf("%v, and %d pieces of the other", n.events, w.node(2).Stats().Pieces)
	}
}

// A path on which a chunk takes longer than the first patience is not given up: what is asked twice
// is little.
func TestSlowPath(t *testing.T) {
	state := newTable(1, 1200, 1000)
	w := newWorld(t, 1, 2)
	w.Rate.Bits = 60e3
	w.offer(10, state, 1)
	n := w.need(2, 10, nil, 1)
	w.mustRestore(n, 10, state)
	if moved := w.moved; moved > 2*len(state.bytes()) {
		t.Errorf("%d bytes moved for %d", moved, len(state.bytes()))
	}
}

// Jobs may take long, at both ends.
func TestSlowJobs(t *testing.T) {
	state := newTable(1, 1000, 1000)
	w := newWorld(t, 1, 3)
	w.jobTime = 1500 * time.Millisecond
	w.offer(10, state, 1, 2)
	n := w.need(3, 10, state.change(1, 0.2), 1, 2)
	w.mustRestore(n, 10, state)
	if n.has(EventSilent) || n.has(EventWrong) {
		t.Errorf("%v", n.events)
	}
}

// TestBuffersGoRound: a fetch has a buffer from when its chunk has come until it is stored, and no longer.
func TestBuffersGoRound(t *testing.T) {
	w := newWorld(t, 1, 2)
	w.offer(10, newTable(1, 20_000, 1000), 1)
	n := w.need(2, 10, nil, 1)
	had := false
	w.until(time.Minute, "restored", func() bool {
		for _, f := range append(slices.Clone(n.spare), n.fetches...) {
			if has := f.job.parcel.Cap() > 0; has && !slices.Contains(n.fetches, f) || has && f.stage != storing {
				t.Fatalf("a fetch of chunk %d has a buffer of %d bytes", f.chunk, f.job.parcel.Cap())
			}
			had = had || f.stage == storing
		}
		for _, p := range n.parcels {
			if p.Cap() == 0 {
				t.Fatal("a buffer that is free is none")
			}
		}
		return n.has(EventRestored)
	})
	if !had {
		t.Error("nothing was seen of it")
	}
}
