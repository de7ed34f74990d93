package statexfer

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/wire"
)

// A bench is a source that gives the checkpoint 10 and what it has said, without a network.
type bench struct {
	t testing.TB
	*Source
	now time.Duration
	out Effects
}

func newBench(t testing.TB, state io.WriterTo) *bench {
	b := &bench{t: t, Source: NewSource(SourceConfig{Self: 1, Header: headerOf(1), Open: func() (Spool, error) { return &Memory{}, nil }})}
	b.Offer(checkpoint(10, state))
	b.say(2, &wire.GetManifest{Op: 10})
	b.work(0)
	b.out.Reset()
	return b
}

// say has a target say something, and returns the answer to it, or nil.
func (b *bench) say(from wire.Peer, m wire.Message) wire.Message {
	b.out.Messages = b.out.Messages[:0]
	b.Step(b.now, &wire.Header{From: from}, m, &b.out)
	if len(b.out.Messages) == 0 {
		return nil
	}
	return b.out.Messages[0].Message
}

// work runs all jobs.
func (b *bench) work(now time.Duration) {
	for _, j := range slices.Clone(b.out.Jobs) {
		j.Run(func() {})
		j.Done(now, &b.out)
	}
	b.out.Jobs = b.out.Jobs[:0]
}

func (b *bench) mustRefuse(m wire.Message, why wire.TransferRefusal) {
	b.t.Helper()
	if r, ok := m.(*wire.TransferRefused); !ok || r.Why != why {
		b.t.Fatalf("%+v, want a refusal: %v", m, why)
	}
}

func TestSourceReadsAreBounded(t *testing.T) {
	b := newBench(t, newTable(1, 1000, 1000))
	get := &wire.GetPiece{Op: 10, Chunk: 0, Runs: []wire.Run{{Offset: 0, Length: 5}}}
	for range readsMax {
		if m := b.say(2, get); m != nil {
			t.Fatalf("%+v before it was read", m)
		}
	}
	b.mustRefuse(b.say(2, get), wire.TransferBusy)
	if m := b.say(3, get); m != nil {
		t.Errorf("another target was told %+v", m)
	}
	b.out.Messages = b.out.Messages[:0]
	b.work(0)
	if len(b.out.Messages) != readsMax+1 {
		t.Errorf("%d pieces", len(b.out.Messages))
	}
	b.mustRefuse(b.say(2, get), wire.TransferBusy) // the pieces are still on loan
	b.out.Reset()
	if m := b.say(2, get); m != nil {
		t.Errorf("%+v after Reset", m)
	}
}

func TestSourcePlacesAreBounded(t *testing.T) {
	b := newBench(t, newTable(1, 10, 1000))
	for p := wire.Peer(2); p < 2+transfersMax; p++ {
		if _, ok := b.say(p, &wire.GetManifest{Op: 10}).(*wire.Manifest); !ok {
			t.Fatalf("%v has no place", p)
		}
	}
	late := wire.Peer(2 + transfersMax)
	for _, m := range []wire.Message{&wire.GetManifest{}, &wire.GetBlocks{Op: 10}, &wire.GetPiece{Op: 10}} {
		b.mustRefuse(b.say(late, m), wire.TransferBusy)
	}
	if b.Transfers() != transfersMax {
		t.Errorf("%d transfers", b.Transfers())
	}
	b.Tick(leaseTime-1, &b.out)
	b.mustRefuse(b.say(late, &wire.GetManifest{}), wire.TransferBusy)
	b.Tick(leaseTime, &b.out)
	if _, ok := b.say(late, &wire.GetManifest{}).(*wire.Manifest); !ok || b.Transfers() != 1 {
		t.Error("places are not free when nobody comes back")
	}
}

// A place is kept for one that asks for nothing while nobody wants it. Then the one that has asked for
// nothing for the longest time loses it, but none that has just asked.
func TestIdlePlaceIsTaken(t *testing.T) {
	b := newBench(t, newTable(1, 10, 1000))
	ask := &wire.GetManifest{Op: 10}
	for p := wire.Peer(2); p < 2+transfersMax; p++ {
		b.now += time.Millisecond
		b.say(p, ask)
	}
	b.now = idleTime + time.Millisecond
	b.say(2, ask)
	if b.Tick(b.now, &b.out); b.Transfers() != transfersMax {
		t.Fatalf("%d have a place", b.Transfers())
	}
	late := wire.Peer(2 + transfersMax)
	b.mustRefuse(b.say(late, ask), wire.TransferBusy)
	b.now += time.Millisecond
	if _, ok := b.say(late, ask).(*wire.Manifest); !ok || b.Transfers() != transfersMax || b.place(3) != nil || b.place(2) == nil {
		t.Error("the place of the one that has asked for nothing for the longest time is not free")
	}
	b.mustRefuse(b.say(3, ask), wire.TransferBusy)
}

func TestSourceArchivesAreBounded(t *testing.T) {
	state := newTable(1, 10, 1000)
	b := newBench(t, state)
	b.Offer(checkpoint(20, state))
	b.mustRefuse(b.say(3, &wire.GetManifest{Op: 20}), wire.TransferPreparing)
	b.work(0)
	b.Offer(checkpoint(30, state))
	b.mustRefuse(b.say(4, &wire.GetManifest{Op: 30}), wire.TransferBusy)
	if m, ok := b.say(4, &wire.GetManifest{MinOp: 15}).(*wire.Manifest); !ok || m.Op != 20 {
		t.Errorf("%+v: the one that is there would have done", m)
	}
	b.mustRefuse(b.say(4, &wire.GetManifest{MinOp: 31}), wire.TransferNotYet)
	b.mustRefuse(b.say(4, &wire.GetManifest{Op: 31}), wire.TransferNotYet)
	b.mustRefuse(b.say(4, &wire.GetManifest{Op: 25}), wire.TransferGone)
	b.mustRefuse(b.say(4, &wire.GetPiece{Op: 25}), wire.TransferGone)
	b.Tick(leaseTime, &b.out) // both archives are unused, and stay for those who start again
	if len(b.archives) != archivesMax {
		t.Fatalf("%d archives", len(b.archives))
	}
	b.mustRefuse(b.say(4, &wire.GetManifest{Op: 30}), wire.TransferPreparing)
	b.work(0)
	if m, ok := b.say(4, &wire.GetManifest{Op: 30}).(*wire.Manifest); !ok || m.Root == (wire.Digest{}) {
		t.Errorf("%+v", m)
	}
	b.mustRefuse(b.say(4, &wire.GetPiece{Op: 10}), wire.TransferGone)
}

// An archive stays open while it is read, however long that takes.
func TestArchiveStaysWhileItIsRead(t *testing.T) {
	b := newBench(t, newTable(1, 10, 1000))
	b.say(2, &wire.GetPiece{Op: 10, Runs: []wire.Run{{Offset: 0, Length: 5}}})
	b.Tick(2*archiveKeep, &b.out)
	if len(b.archives) != 1 || len(b.out.Jobs) != 1 {
		t.Fatalf("%d archives, %d jobs", len(b.archives), len(b.out.Jobs))
	}
	b.work(2 * archiveKeep)
	b.Tick(2*archiveKeep, &b.out)
	if len(b.archives) != 0 || len(b.out.Jobs) != 1 {
		t.Errorf("%d archives, %d jobs", len(b.archives), len(b.out.Jobs))
	}
}

func TestSourceIgnores(t *testing.T) {
	b := newBench(t, newTable(1, 10, 1000))
	run := func(offset, length uint32) wire.Run { return wire.Run{Offset: offset, Length: length} }
	malformed := []wire.Message{
		&wire.GetManifest{Op: 10, Part: 1}, &wire.GetBlocks{Op: 10, Chunk: 1}, &wire.GetPiece{Op: 10, Chunk: 1<<64 - 1},
		&wire.GetPiece{Op: 10}, &wire.GetPiece{Op: 10, Runs: []wire.Run{run(0, 0)}},
		&wire.GetPiece{Op: 10, Runs: []wire.Run{run(5, 5), run(9, 1)}},
		&wire.GetPiece{Op: 10, Runs: []wire.Run{run(0, 10*1008+1)}}, &wire.GetPiece{Op: 10, Runs: []wire.Run{run(1<<32-1, 1<<32-1)}},
	}
	for _, m := range malformed {
		if answer := b.say(2, m); answer != nil {
			t.Errorf("%+v was answered with %+v", m, answer)
		}
	}
	if n := b.Ignored(ReasonMalformed); n != uint64(len(malformed)) {
		t.Errorf("%d of %d are malformed", n, len(malformed))
	}
	b.say(2, &wire.Commit{})
	b.say(1, &wire.GetManifest{})
	b.say(0, &wire.GetManifest{})
	if b.Ignored(ReasonNotForUs) != 1 || b.Ignored(ReasonStranger) != 2 {
		t.Errorf("%v", b.ignored)
	}
}

// What a source does for a piece does not allocate.
func TestPieceAllocates(t *testing.T) {
	b := newBench(t, newTable(1, 1000, 1000))
	h := &wire.Header{From: 2}
	get := &wire.GetPiece{Op: 10, Chunk: 1, Runs: []wire.Run{{Offset: 0, Length: 5000}, {Offset: 9000, Length: 1}}}
	blocks := &wire.GetBlocks{Op: 10, Chunk: 1}
	if n := testing.AllocsPerRun(100, func() {
		b.Step(0, h, get, &b.out)
		b.Step(0, h, blocks, &b.out)
		for _, j := range b.out.Jobs {
			j.Run(func() {})
			j.Done(0, &b.out)
		}
		b.out.Reset()
	}); n != 0 {
		t.Errorf("a piece takes %v allocations", n)
	}
}

// A target that has warmed up allocates next to nothing for a piece.
func TestTargetAllocates(t *testing.T) {
	b := newBench(t, newTable(1, 36_000, 1000))
	target := NewTarget(TargetConfig{Self: 2, Open: func(wire.ClusterID) (Spool, error) { return &Memory{slots: make([][]byte, 0, 1000)}, nil }})
	var out Effects
	target.Start(0, Need{Donors: []wire.Peer{1}}, &out)
	var before, after runtime.MemStats
	chunks, mallocs := 0, uint64(0)
	for rounds := 0; target.phase != wire.TransferRestoring; rounds++ {
		if rounds == 10_000 {
			t.Fatalf("no end: %+v", target.Progress(0))
		}
		jobs := append([]Job(nil), out.Jobs...)
		var said [][]byte
		for _, e := range out.Messages {
			said = append(said, new(wire.Encoder).Append(nil, &e.Header, e.Message))
		}
		out.Reset()
		for _, j := range jobs {
			j.Run(func() {})
			j.Done(0, &out)
		}
		for _, text := range said {
			h, m, err := new(wire.Decoder).Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			b.Step(0, h, m, &b.out)
			b.work(0)
			for _, answer := range b.out.Messages {
				if p, ok := answer.Message.(*wire.Piece); ok && target.Progress(0).Percent() >= 50 {
					runtime.ReadMemStats(&before)
					target.Step(0, &wire.Header{From: 1}, p, &out)
					runtime.ReadMemStats(&after)
					chunks++
					mallocs += after.Mallocs - before.Mallocs
					continue
				}
				target.Step(0, &wire.Header{From: 1}, answer.Message, &out)
			}
			b.out.Reset()
		}
	}
	if chunks < 50 || mallocs > uint64(chunks) {
		t.Errorf("%d allocations for %d pieces", mallocs, chunks)
	}
}

// A deaf is a spool that forgets what is written to it.
type deaf struct{ Memory }

func (*deaf) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

// What is allocated to write out a state is what is kept of it, and hardly any garbage: to collect that the
// replica would have to go through all of its memory, just then.
func TestWritingOutAllocates(t *testing.T) {
	const kept = 16 // bytes of a block
	state := newTable(1, 30_000, 1000)
	a := &archive{spool: &deaf{}, index: map[wire.Digest]uint32{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := a.write(state, func() {}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	bytes := after.TotalAlloc - before.TotalAlloc
	cutter := uint64(ChunkMax + BlockMax + kept*wire.BlocksMax)
	if most := cutter + kept*uint64(len(state))*5/4 + 250*uint64(len(a.chunks)); bytes > most {
		t.Errorf("%d bytes were allocated, not %d, for %d blocks in %d chunks", bytes, most, len(state), len(a.chunks))
	}
}

// A manifest of several parts comes part by part, and counts as a whole.
func TestManifestOfParts(t *testing.T) {
	m := Manifest{Op: 10, Chain: 1, Members: []wire.Member{{ID: 1, Incarnation: 1}}}
	for i := range 2*wire.ManifestMax + 5 {
		m.Chunks = append(m.Chunks, wire.Chunk{Digest: wire.Digest{byte(i), byte(i >> 8), byte(i >> 16)}, Length: 40_000})
		m.Total += 40_000
	}
	m.Root = m.digest()
	for _, c := range []struct {
		name   string
		change func(part *wire.Manifest)
		right  bool
	}{
		{"right", func(*wire.Manifest) {}, true},
		{"a digest", func(p *wire.Manifest) { p.Chunks[3].Digest[7]++ }, false},
		{"a length", func(p *wire.Manifest) { p.Chunks[3].Length++ }, false},
		{"lengths that cancel out", func(p *wire.Manifest) { p.Chunks[3].Length++; p.Chunks[2].Length-- }, false},
		{"no length", func(p *wire.Manifest) { p.Chunks[3].Length = 0 }, false},
		{"the op", func(p *wire.Manifest) { p.Op++ }, false},
		{"the chain", func(p *wire.Manifest) { p.Chain++ }, false},
		{"the epoch", func(p *wire.Manifest) { p.Epoch++ }, false},
		{"a member", func(p *wire.Manifest) { p.Members = []wire.Member{{ID: 2, Incarnation: 1}} }, false},
		{"the total", func(p *wire.Manifest) { p.Total++ }, false},
		{"too long", func(p *wire.Manifest) { p.Total = StateMax + 1 }, false},
		{"too many", func(p *wire.Manifest) { p.Count = ChunksMax + 1 }, false},
		{"a chunk less", func(p *wire.Manifest) { p.Chunks = p.Chunks[1:] }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := NewTarget(TargetConfig{Self: 2, Open: func(wire.ClusterID) (Spool, error) { return &Memory{}, nil }})
			var out Effects
			target.Start(0, Need{MinOp: 5, Donors: []wire.Peer{1}}, &out)
			for part := uint64(0); part < parts(uint64(len(m.Chunks))) && target.meter.wrong == 0; part++ {
				last := out.Messages[len(out.Messages)-1].Message.(*wire.GetManifest)
				if last.Part != part || part > 0 && last.Op == 0 {
					t.Fatalf("%+v, want part %d", last, part)
				}
				var answer wire.Manifest
				m.part(part, &answer)
				answer.Chunks = slices.Clone(answer.Chunks)
				c.change(&answer)
				target.Step(0, &wire.Header{From: 1}, &answer, &out)
			}
			if chosen := target.manifest != nil; chosen != c.right || (target.meter.wrong == 0) != c.right {
				t.Errorf("chosen: %v, wrong: %d", chosen, target.meter.wrong)
			}
		})
	}
}

func TestTargetIgnores(t *testing.T) {
	target := NewTarget(TargetConfig{Self: 2, Open: func(wire.ClusterID) (Spool, error) { return &Memory{}, nil }})
	var out Effects
	say := func(from wire.Peer, m wire.Message, want Reason) {
		t.Helper()
		before := target.Ignored(want)
		target.Step(0, &wire.Header{From: from}, m, &out)
		if target.Ignored(want) != before+1 {
			t.Errorf("%v is not ignored for %v", m.Kind(), want)
		}
	}
	say(1, &wire.Piece{}, ReasonIdle)
	target.Start(0, Need{MinOp: 5, Donors: []wire.Peer{1, 3}}, &out)
	say(4, &wire.Piece{}, ReasonStranger)
	say(1, &wire.Piece{}, ReasonUnasked)
	say(1, &wire.Blocks{}, ReasonUnasked)
	say(1, &wire.TransferRefused{Chunk: 3}, ReasonUnasked)
	say(1, &wire.Commit{}, ReasonNotForUs)
	say(1, &wire.Manifest{Op: 4}, ReasonOld)
	say(1, &wire.Manifest{Op: 4}, ReasonUnasked)
	say(3, &wire.Manifest{Op: 9, Count: 1}, ReasonMalformed)
}

// TestTurns: who is not among the first, or in reserve, is asked when one of those is of no use, and only then,
// unless the transfer takes long.
func TestTurns(t *testing.T) {
	refuse := func(why wire.TransferRefusal) wire.Message {
		return &wire.TransferRefused{Chunk: wire.NoChunk, Why: why, RetryMillis: 100}
	}
	preparing := &wire.TransferRefused{Chunk: wire.NoChunk, Why: wire.TransferPreparing, RetryMillis: 100, Prepares: 9}
	whole := Manifest{Op: 9, Total: 5, Chunks: []wire.Chunk{{Length: 5}}}
	whole.Root = whole.digest()
	gives := new(wire.Manifest)
	whole.part(0, gives)
	for _, c := range []struct {
		name   string
		answer wire.Message
		asked  time.Duration
	}{
		{"silent", nil, restWaits},
		{"not yet", refuse(wire.TransferNotYet), 0},
		{"failed", refuse(wire.TransferFailed), 0},
		{"preparing", preparing, restJoins},
		{"gives no chunk", gives, patienceTimes * usualFirst},
	} {
		for name, need := range map[string]Need{ // donor 1 waits for its turn, and 4 promises something all the time
			"in reserve": {MinOp: 5, Donors: []wire.Peer{3, 1}, Reserve: 1},
			"the third":  {MinOp: 5, Donors: []wire.Peer{4, 3, 1}},
		} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				target := NewTarget(TargetConfig{Self: 2, Open: func(wire.ClusterID) (Spool, error) { return &Memory{}, nil }})
				var out Effects
				const begin = time.Minute
				target.Start(begin, need, &out)
				for now := begin; now <= begin+restJoins; {
					for len(out.Jobs)+len(out.Messages) > 0 {
						jobs, messages := slices.Clone(out.Jobs), slices.Clone(out.Messages)
						out.Reset()
						for _, j := range jobs {
							j.Run(func() {})
							j.Done(now, &out)
						}
						for _, m := range messages {
							_, manifest := m.Message.(*wire.GetManifest)
							switch {
							case !manifest:
							case m.To == 1:
								if after := now - begin; after < c.asked || after > c.asked+rateEvery {
									t.Errorf("asked after %v, want %v", after, c.asked)
								}
								return
							case m.To == 4:
								target.Step(now, &wire.Header{From: 4}, preparing, &out)
							case c.answer != nil:
								target.Step(now, &wire.Header{From: 3}, c.answer, &out)
							}
						}
					}
					now = max(now+time.Millisecond, target.Deadline())
					target.Tick(now, &out)
				}
				t.Error("not asked")
			})
		}
	}
}

// TestTurnsInTime: whose turn it is when the first do not answer is asked then, also while the target looks through its
// spool, and when they have given another checkpoint before.
func TestTurnsInTime(t *testing.T) {
	for _, gave := range []bool{false, true} {
		t.Run(fmt.Sprintf("gave before: %v", gave), func(t *testing.T) {
			target := NewTarget(TargetConfig{Self: 2}) // no job of it ends
			var out Effects
			need := Need{MinOp: 5, Donors: []wire.Peer{3, 4, 1}}
			target.Start(0, need, &out)
			if gave {
				m := Manifest{Op: 9, Total: 100, Chunks: []wire.Chunk{{Length: 100}}}
				m.Root = m.digest()
				var gives wire.Manifest
				m.part(0, &gives)
				for _, d := range []wire.Peer{3, 4, 4} {
					target.Step(0, &wire.Header{From: d}, &gives, &out)
				}
				need.MinOp = 10
				out.Reset()
				target.Start(0, need, &out)
			}
			for now := time.Duration(0); now <= restWaits; {
				if slices.ContainsFunc(out.Messages, func(e wire.Envelope) bool { return e.To == 1 }) {
					if now < restWaits {
						t.Errorf("asked after %v", now)
					}
					return
				}
				if now = target.Deadline(); now > restWaits {
					break
				}
				target.Tick(now, &out)
				if target.Deadline() <= now {
					t.Fatalf("Deadline %v after Tick at %v", target.Deadline(), now)
				}
			}
			t.Error("not asked in time")
		})
	}
}

// TestTurnIsKept: who was asked because the first did not answer is asked on when they do, for the checkpoint
// that it prepares or for the other parts of its manifest.
func TestTurnIsKept(t *testing.T) {
	m := Manifest{Op: 9, Chunks: make([]wire.Chunk, wire.ManifestMax+1)}
	for i := range m.Chunks {
		m.Chunks[i].Length = 40_000
		m.Total += 40_000
	}
	m.Root = m.digest()
	var part wire.Manifest
	m.part(0, &part)
	preparing := &wire.TransferRefused{Chunk: wire.NoChunk, Why: wire.TransferPreparing, RetryMillis: 100, Prepares: 9}
	for name, answer := range map[string]wire.Message{"prepares": preparing, "has given a part": &part} {
		t.Run(name, func(t *testing.T) {
			target := NewTarget(TargetConfig{Self: 2}) // no job of it ends
			var out Effects
			target.Start(0, Need{MinOp: 5, Donors: []wire.Peer{3, 4, 1}, Reserve: 1}, &out)
			now := restWaits
			target.Tick(now, &out)
			for _, from := range []wire.Peer{3, 4} {
				target.Step(now, &wire.Header{From: from}, preparing, &out)
			}
			out.Reset()
			target.Step(now, &wire.Header{From: 1}, answer, &out)
			target.Tick(now+100*time.Millisecond, &out)
			if !slices.ContainsFunc(out.Messages, func(e wire.Envelope) bool { return e.To == 1 }) {
				t.Error("not asked again")
			}
		})
	}
}

// A state that is too long is not written out to its end.
func TestStateIsBounded(t *testing.T) {
	a := &archive{spool: &Memory{}, index: map[wire.Digest]uint32{}, total: StateMax - 500}
	if err := a.write(newTable(1, 100, 1000), func() {}); !errors.Is(err, errTooLong) {
		t.Errorf("%v", err)
	}
}

// The runtime may run jobs in other threads, several at a time. With the race detector this shows
// that a machine leaves alone what it gave to a job.
func TestJobsInOtherThreads(t *testing.T) {
	state := newTable(1, 5000, 1000)
	source := NewSource(SourceConfig{Self: 1, Header: headerOf(1), Open: func() (Spool, error) { return newLocked(), nil }})
	source.Offer(checkpoint(10, state))
	target := NewTarget(TargetConfig{Self: 2, Open: func(wire.ClusterID) (Spool, error) { return newLocked(), nil }})
	todo, finished := make(chan Job), make(chan Job)
	defer close(todo)
	for range 3 {
		go func() {
			for j := range todo {
				j.Run(func() {})
				finished <- j
			}
		}()
	}
	var out Effects
	var now time.Duration
	var queue []Job
	running := 0
	target.Start(now, Need{Donors: []wire.Peer{1}, Old: state.change(1, 0.3)}, &out)
	for out.Ready == nil {
		var said [][]byte
		for _, e := range out.Messages {
			var encoder wire.Encoder
			said = append(said, encoder.Append(nil, &e.Header, e.Message))
		}
		queue = append(queue, out.Jobs...)
		out.Reset()
		for _, b := range said {
			var d wire.Decoder
			h, m, err := d.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if h.From == 2 {
				source.Step(now, h, m, &out)
			} else {
				target.Step(now, h, m, &out)
			}
		}
		if len(said) > 0 {
			continue
		}
		if len(queue) > 0 {
			select {
			case todo <- queue[0]:
				queue = queue[1:]
				running++
			case j := <-finished:
				running--
				j.Done(now, &out)
			}
			continue
		}
		if running > 0 {
			j := <-finished
			running--
			j.Done(now, &out)
			continue
		}
		now = max(now, min(source.Deadline(), target.Deadline()))
		source.Tick(now, &out)
		target.Tick(now, &out)
	}
	b, err := io.ReadAll(out.Ready.State)
	if err != nil || string(b) != string(state.bytes()) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		EventDifferentRoot.String(): "different-root",
		EventKind(99).String():      "event(99)",
		ReasonOld.String():          "old",
		Reason(99).String():         "reason(99)",
		(Event{Kind: EventProgress, Op: 7, Peer: 2, Percent: 40}).String():      "transfer-progress n=7 peer=2 percent=40",
		(Event{Kind: EventFailed, Op: 7, Err: errors.New("no space")}).String(): "transfer-failed n=7 no space",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// However often the checkpoint is replaced while the disk hangs, what waits to be written is bounded:
// each has a buffer, a slot of the spool and a place in the queue of the runtime.
func TestWritesAreBounded(t *testing.T) {
	race.SkipLong(t)
	w := newWorld(t, 1, 2)
	w.offer(1, newTable(1, 20_000, 1000), 1)
	n := w.need(2, 1, nil, 1)
	n.hung = true
	for op := range wire.OpNumber(5) {
		w.until(time.Minute, "chosen", func() bool { return n.op() == op+1 })
		w.run(20 * time.Second)
		if len(n.writes) > writesMax {
			t.Fatalf("%d chunks wait to be written", len(n.writes))
		}
		w.node(1).crash()
		w.node(1).start()
		w.offer(op+2, newTable(uint64(op)+2, 20_000, 1000), 1)
	}
	n.hung = false
	w.mustRestore(n, 6, newTable(6, 20_000, 1000))
}

// TestLateAnswer: what a donor gives after it was given up is taken, if it is all of a chunk that nobody was asked
// for again.
func TestLateAnswer(t *testing.T) {
	content := []byte("all that the chunk has")
	piece := func(offset uint32, b []byte) *wire.Piece {
		return &wire.Piece{Op: 9, Parts: wire.Parts{}.Append(offset, b)}
	}
	nothing := func(*Target) {}
	for _, c := range []struct {
		name   string
		from   wire.Peer
		answer *wire.Piece
		before func(*Target)
		taken  bool
	}{
		{"all of it", 1, piece(0, content), nothing, true},
		{"from another one", 3, piece(0, content), nothing, false},
		{"of another checkpoint", 1, &wire.Piece{Op: 8, Parts: wire.Parts{}.Append(0, content)}, nothing, false},
		{"of another chunk", 1, &wire.Piece{Op: 9, Chunk: 1, Parts: wire.Parts{}.Append(0, content)}, nothing, false},
		{"a part of it", 1, piece(0, content[:4]), nothing, false},
		{"parts as long as it", 1, &wire.Piece{Op: 9, Parts: wire.Parts{}.Append(0, content[:4]).Append(8, content[8:18])}, nothing, false},
		{"no room for it", 1, piece(0, content), func(target *Target) {
			target.fetches = slices.Repeat([]*fetch{{stage: storing, from: target.donors[0]}}, fetchesMax)
		}, false},
		{"too much to be written", 1, piece(0, content), func(target *Target) { target.writes = make([]uint32, fetchesMax) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLate(t, content)
			c.before(l.Target)
			ignored := l.Ignored(ReasonUnasked)
			l.Step(l.now, &wire.Header{From: c.from}, c.answer, &l.out)
			ignored = l.Ignored(ReasonUnasked) - ignored
			l.run(nil)
			if taken := l.phase == wire.TransferRestoring; taken != c.taken {
				t.Errorf("it is taken: %v", taken)
			}
			if d := l.donor(1); c.taken && (d.flight != 0 || len(l.again) > 0) {
				t.Errorf("%d are under way and %d given up", d.flight, len(l.again))
			}
			if (ignored == 0) != c.taken {
				t.Errorf("it is ignored %d times", ignored)
			}
		})
	}
}

// A late is a target that has given up all chunks of donor 1, which it was asked for lateAsked before. Donor 3 has
// nothing yet.
type late struct {
	*Target
	now time.Duration
	out Effects
}

const lateAsked = patienceTimes * usualFirst

func newLate(t *testing.T, chunks ...[]byte) *late {
	m := Manifest{Op: 9}
	for _, b := range chunks {
		m.Chunks, m.Total = append(m.Chunks, chunkOf(b)), m.Total+uint64(len(b))
	}
	m.Root = m.digest()
	offer := new(wire.Manifest)
	m.part(0, offer)
	open := func(wire.ClusterID) (Spool, error) { return &Memory{}, nil }
	l := &late{Target: NewTarget(TargetConfig{Self: 2, Open: open}), now: time.Minute}
	l.Start(l.now, Need{MinOp: 9, Donors: []wire.Peer{1, 3}}, &l.out)
	l.run(nil)
	l.Step(l.now, &wire.Header{From: 1}, offer, &l.out)
	wait := &wire.TransferRefused{Op: 9, Chunk: wire.NoChunk, Why: wire.TransferPreparing, Prepares: 9}
	for until := l.now + lateAsked; l.now < until; {
		l.Step(l.now, &wire.Header{From: 3}, wait, &l.out)
		l.now = min(l.Deadline(), until)
		l.Tick(l.now, &l.out)
		l.out.Reset()
	}
	if len(l.again) != len(chunks) || len(l.fetches) > 0 {
		t.Fatalf("%d chunks are given up, and %d under way", len(l.again), len(l.fetches))
	}
	return l
}

// give has donor 1 give a chunk.
func (l *late) give(chunk int, b []byte) {
	l.Step(l.now, &wire.Header{From: 1}, &wire.Piece{Op: 9, Chunk: uint64(chunk), Parts: wire.Parts{}.Append(0, b)}, &l.out)
}

// run runs all jobs. If store is not nil, chunks are not stored, for that reason.
func (l *late) run(store error) {
	jobs := slices.Clone(l.out.Jobs)
	l.out.Reset()
	for _, j := range jobs {
		j.Run(func() {})
		if j, ok := j.(*storeJob); ok && store != nil {
			j.err = store
		}
		j.Done(l.now, &l.out)
	}
}

// TestLateAnswerWhileChecking: what was given up before the spool failed is not taken while that is looked through.
func TestLateAnswerWhileChecking(t *testing.T) {
	contents := [][]byte{[]byte("one chunk"), []byte("another")}
	l := newLate(t, contents...)
	l.give(0, contents[0])
	l.run(errSpool)
	l.now = l.Deadline()
	l.Tick(l.now, &l.out)
	ignored := l.Ignored(ReasonUnasked)
	l.give(1, contents[1])
	if l.phase != wire.TransferChecking || l.Ignored(ReasonUnasked) == ignored {
		t.Errorf("%v, and ignored %d", l.phase, l.Ignored(ReasonUnasked)-ignored)
	}
}

// TestLateAnswerTells: what comes late has the target wait for twice as long, and not for patienceTimes that.
func TestLateAnswerTells(t *testing.T) {
	content := []byte("all that the chunk has")
	l := newLate(t, content)
	l.now += 20 * time.Second
	l.give(0, content)
	if d, took := l.donor(1), lateAsked+20*time.Second; d.patience() != 2*took || d.heard != l.now {
		t.Errorf("an answer took %v, and patience is %v", took, d.patience())
	}
}

// TestLateAnswerWrong: of what is under way with a donor that has sent something wrong, the rest is not looked at.
func TestLateAnswerWrong(t *testing.T) {
	contents := [][]byte{[]byte("one chunk"), []byte("another")}
	l := newLate(t, contents...)
	for chunk, b := range contents {
		b[0]++
		l.give(chunk, b)
		l.run(nil)
	}
	if n := l.Progress(l.now).Wrong; n != 1 {
		t.Errorf("%d pieces are wrong", n)
	}
	if until := l.donor(1).until; until != l.now+wrongPause {
		t.Errorf("the donor is left alone for %v", until-l.now)
	}
}
