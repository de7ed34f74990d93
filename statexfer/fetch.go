package statexfer

import (
	"slices"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// A fetch is a chunk that is under way: first its blocks are asked for, if there is an old state to
// compare them with, then the bytes that are not in it, and then it is stored.
type fetch struct {
	chunk uint32
	from  *donor
	stage stage
	whole bool // the old state is not to be used
	asked time.Duration
	runs  []wire.Run
	// blocks are those of the chunk, as soon as they are known.
	blocks []wire.Block
	job    storeJob
}

type stage uint8

const (
	comparing stage = iota
	loading
	storing
)

// fetch asks for as many chunks as may be under way, of all sources in turn.
func (t *Target) fetch(now time.Duration, out *Effects) {
	if t.phase != wire.TransferFetching || t.manifest == nil || t.has == nil {
		return
	}
	for again := len(t.writes) < fetchesMax; again; {
		again = false
		for _, d := range t.donors {
			if !d.has || d.until > now || !d.mayBeAsked() || len(t.fetches) == fetchesMax {
				continue
			}
			next, ok := t.next()
			if !ok {
				break
			}
			t.begin(now, d, next, out)
			again = true
		}
	}
	t.finish(out)
}

// next returns a chunk to ask for.
func (t *Target) next() (retry, bool) {
	for len(t.again) > 0 {
		last := len(t.again) - 1
		r := t.again[last]
		t.again = t.again[:last]
		if !t.isThere(r.chunk) {
			return r, true
		}
	}
	for ; t.cursor < len(t.slots); t.cursor++ {
		if chunk := uint32(t.cursor); !t.isThere(chunk) {
			t.cursor++
			return retry{chunk: chunk}, true
		}
	}
	return retry{}, false
}

// isThere tells whether a chunk need not be fetched. It may have come for another one that is equal.
func (t *Target) isThere(chunk uint32) bool {
	if t.slots[chunk] > 0 {
		return true
	}
	c := t.manifest.Chunks[chunk]
	slot, there := t.has.index[c.Digest]
	if there && t.has.slots[slot].Length == c.Length {
		t.settle(chunk, slot)
		t.meter.reused += uint64(c.Length)
		return true
	}
	return false
}

func (t *Target) begin(now time.Duration, d *donor, r retry, out *Effects) {
	f := t.newFetch(d, r, now)
	m := out.getBlocks.Take()
	*m = wire.GetBlocks{Op: t.manifest.Op, Chunk: uint64(f.chunk)}
	out.send(t.cfg.Self, d.peer, m)
	if len(t.has.places) > 0 && !f.whole {
		f.stage = comparing
		return
	}
	f.runs = append(f.runs, wire.Run{Length: t.manifest.Chunks[f.chunk].Length})
	t.load(f, out)
}

// newFetch returns the fetch of a chunk that a donor was asked for.
func (t *Target) newFetch(d *donor, r retry, asked time.Duration) *fetch {
	var f *fetch
	if n := len(t.spare); n > 0 {
		f, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		f = &fetch{job: storeJob{target: t}}
	}
	f.chunk, f.from, f.whole, f.asked = r.chunk, d, r.whole, asked
	f.runs, f.blocks, f.job.copies = f.runs[:0], f.blocks[:0], f.job.copies[:0]
	d.flight++
	t.fetches = append(t.fetches, f)
	return f
}

// lend gives a fetch a buffer for its chunk, if one is free, which it has until it is stored. Most fetches wait
// for an answer and need none, so a few buffers go round, and stay in the caches of the processor.
func (t *Target) lend(f *fetch) {
	if n := len(t.parcels); n > 0 && f.job.parcel.Cap() == 0 {
		f.job.parcel, t.parcels = t.parcels[n-1], t.parcels[:n-1]
	}
}

// unlend takes the buffer back.
func (t *Target) unlend(f *fetch) {
	if f.job.parcel.Cap() > 0 {
		t.parcels, f.job.parcel = append(t.parcels, f.job.parcel), wire.Parcel{}
	}
}

// load asks for the runs that are missing.
func (t *Target) load(f *fetch, out *Effects) {
	f.stage = loading
	m := out.getPieces.Take()
	m.Op, m.Chunk, m.Runs = t.manifest.Op, uint64(f.chunk), append(m.Runs[:0], f.runs...)
	out.send(t.cfg.Self, f.from.peer, m)
}

// find returns the fetch that an answer is about.
func (t *Target) find(d *donor, op wire.OpNumber, chunk uint64) *fetch {
	if t.manifest == nil || t.manifest.Op != op {
		return nil
	}
	for _, f := range t.fetches {
		if f.from == d && uint64(f.chunk) == chunk && f.stage != storing {
			return f
		}
	}
	return nil
}

func (t *Target) onBlocks(now time.Duration, d *donor, m *wire.Blocks, out *Effects) {
	f := t.find(d, m.Op, m.Chunk)
	if f == nil || len(f.blocks) > 0 {
		t.ignored[ReasonUnasked]++
		return
	}
	t.heard = now
	if !fits(m.Blocks, t.manifest.Chunks[f.chunk].Length) {
		t.ignored[ReasonMalformed]++
		t.wrong(now, d, out)
		return
	}
	f.blocks = append(f.blocks, m.Blocks...)
	if f.stage == loading {
		return // they are for the next checkpoint
	}
	t.compare(f)
	d.answered(now, f)
	if len(f.runs) == 0 {
		t.store(f, out)
		return
	}
	f.asked = now
	t.load(f, out)
}

// fits tells whether blocks can be those of a chunk.
func fits(blocks []wire.Block, length uint32) bool {
	for _, b := range blocks {
		if b.Length == 0 || b.Length > BlockMax || b.Length > length {
			return false
		}
		length -= b.Length
	}
	return length == 0
}

// compare finds the blocks of a chunk that the old state has, and notes the runs of all others.
func (t *Target) compare(f *fetch) {
	offset := uint32(0)
	for _, b := range f.blocks {
		if p, ok := t.has.find(b); ok {
			f.copy(copied{p.slot(), p.offset(), int(offset), p.length()})
		} else if last := len(f.runs) - 1; last >= 0 && f.runs[last].Offset+f.runs[last].Length == offset {
			f.runs[last].Length += b.Length
		} else {
			f.runs = append(f.runs, wire.Run{Offset: offset, Length: b.Length})
		}
		offset += b.Length
	}
}

// copy notes a block to be copied, with the one before if they follow each other there as well.
func (f *fetch) copy(c copied) {
	copies := f.job.copies
	if n := len(copies); n > 0 {
		last := &copies[n-1]
		if last.slot == c.slot && last.from+last.length == c.from && last.to+last.length == c.to {
			last.length += c.length
			return
		}
	}
	f.job.copies = append(copies, c)
}

func (t *Target) onPiece(now time.Duration, d *donor, m *wire.Piece, out *Effects) {
	f := t.find(d, m.Op, m.Chunk)
	late := f == nil
	if late {
		f = t.late(now, d, m)
	}
	if f == nil || f.stage != loading {
		t.ignored[ReasonUnasked]++
		return
	}
	t.meter.moved += uint64(m.Parts.Size())
	t.lend(f)
	if !f.take(m.Parts, t.manifest.Chunks[f.chunk].Length) {
		t.unlend(f)
		t.ignored[ReasonMalformed]++
		t.wrong(now, d, out)
		return
	}
	if !late {
		d.answered(now, f)
	}
	t.heard = now
	t.store(f, out)
}

// late returns the fetch for a chunk that was given up, and comes after all, and whole, before it was asked for
// again. On a slow path every first answer is one, and what was given up would otherwise go that path again. The
// donor gets twice the time that it took. Blocks of such a chunk are not known, so the next checkpoint is not compared
// with it.
func (t *Target) late(now time.Duration, d *donor, m *wire.Piece) *fetch {
	if t.manifest == nil || t.manifest.Op != m.Op || len(t.fetches) == fetchesMax || len(t.writes) >= fetchesMax {
		return nil
	}
	at := slices.IndexFunc(t.again, func(r retry) bool { return uint64(r.chunk) == m.Chunk && r.from == d })
	if at < 0 || m.Parts.Len() != 1 || m.Parts.Size() != wire.PartHead+int(t.manifest.Chunks[m.Chunk].Length) {
		return nil
	}
	r := t.again[at]
	t.again = slices.Delete(t.again, at, at+1)
	d.heard, d.usual = now, min(max(d.usual, 2*(now-r.asked)/patienceTimes), patienceMost)
	f := t.newFetch(d, r, r.asked)
	f.runs = append(f.runs, wire.Run{Length: t.manifest.Chunks[r.chunk].Length})
	f.stage = loading
	return f
}

// take takes the runs that were asked for, and tells whether they are all there. If they are one that is all
// of the chunk, it stays where it is, and the buffer of the message is kept in exchange for that of the job.
// length is that of the chunk.
func (f *fetch) take(parts wire.Parts, length uint32) bool {
	if parts.Len() != len(f.runs) {
		return false
	}
	for _, r := range f.runs {
		offset, body, _ := parts.Next()
		if offset != r.Offset || len(body) != int(r.Length) {
			return false
		}
		if in := parts.Parcel(); r.Length == length && in != nil {
			*in, f.job.parcel = f.job.parcel, *in
			assert.That(&f.job.parcel.Part(len(body))[0] == &body[0], "a piece lies in its parcel")
			return true
		}
		copy(f.job.parcel.Part(int(length))[offset:], body)
	}
	return true
}

// store has a chunk completed, checked and written.
func (t *Target) store(f *fetch, out *Effects) {
	f.stage = storing
	f.from.flight--
	t.lend(f) // that of which all is copied from the old state has none yet
	j := &f.job
	j.spool, j.slot, j.chunk = t.has.spool, t.takeSlot(), t.manifest.Chunks[f.chunk]
	j.fetch, j.round, j.wrong, j.err = f, t.round, false, nil
	t.pending++
	t.writes = append(t.writes, j.slot)
	out.Jobs = append(out.Jobs, j)
}

// stored takes note of what became of a chunk. What was stored for a manifest that is not wanted any
// more may be wanted for its successor.
func (t *Target) stored(now time.Duration, j *storeJob, out *Effects) {
	f := j.fetch
	t.unlend(f)
	t.pending--
	t.writes = slices.DeleteFunc(t.writes, func(slot uint32) bool { return slot == j.slot })
	if t.closing {
		t.spare = append(t.spare, f)
		t.close(out)
		return
	}
	assert.That(t.has != nil, "a spool stays open while a job writes to it")
	good := !j.wrong && j.err == nil
	if _, twice := t.has.index[j.chunk.Digest]; good && !twice {
		t.has.slots[j.slot] = j.chunk
		t.has.index[j.chunk.Digest] = j.slot
		t.has.cut(j.slot, slices.Clone(f.blocks))
	} else {
		t.free = append(t.free, j.slot)
	}
	if j.round != t.round {
		t.spare = append(t.spare, f)
		t.fetch(now, out)
		return
	}
	switch {
	case j.err != nil:
		t.fail(now, j.err, out)
		return
	case !j.wrong:
		if t.slots[f.chunk] == 0 {
			t.settle(f.chunk, t.has.index[j.chunk.Digest])
		}
		for _, c := range j.copies {
			t.meter.reused += uint64(c.length)
		}
		t.drop(f)
	case len(j.copies) > 0:
		// The old state has a block with the same hash, or the list was wrong. Who gives the whole
		// chunk has no such excuse.
		t.meter.misled++
		t.giveBack(f, true)
	default:
		d := f.from
		t.giveBack(f, true)
		t.wrong(now, d, out)
	}
	t.meter.percent(t.op(), out)
	t.fetch(now, out)
}

// giveBack lets somebody else fetch a chunk.
func (t *Target) giveBack(f *fetch, whole bool) {
	t.again = append(t.again, retry{f.chunk, whole || f.whole, f.from, f.asked})
	t.drop(f)
}

// drop ends a fetch.
func (t *Target) drop(f *fetch) {
	if f.stage != storing {
		f.from.flight--
	}
	at := slices.Index(t.fetches, f)
	t.fetches = slices.Delete(t.fetches, at, at+1)
	t.spare = append(t.spare, f)
}

// release gives back all that a donor was asked for.
func (t *Target) release(d *donor) {
	for i := 0; i < len(t.fetches); {
		if f := t.fetches[i]; f.from == d && f.stage != storing {
			t.giveBack(f, false)
		} else {
			i++
		}
	}
}
