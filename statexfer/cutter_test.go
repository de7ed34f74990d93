package statexfer

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"vrnode/internal/race"
	"vrnode/wire"
)

// A cutting is what a Cutter made.
type cutting struct {
	bytes  []byte
	chunks []wire.Digest
	blocks []wire.Block
}

// cut cuts a state and checks all bounds, and that what comes out is what went in.
func cut(t rapid.TB, state table) cutting {
	t.Helper()
	var c cutting
	var last int
	cutter := NewCutter(func(chunk []byte, blocks []wire.Block) error {
		if len(chunk) == 0 || len(chunk) > ChunkMax || len(blocks) == 0 || len(blocks) > wire.BlocksMax {
			t.Fatalf("a chunk of %d bytes and %d blocks", len(chunk), len(blocks))
		}
		if len(c.chunks) > 0 && last < chunkMin {
			t.Fatalf("a chunk of %d bytes, and it is not the last", last)
		}
		last = len(chunk)
		at := 0
		for _, b := range blocks {
			if b.Length == 0 || b.Length > BlockMax || b.Hash != xxhash.Sum64(chunk[at:][:b.Length]) {
				t.Fatalf("a wrong block of %d bytes", b.Length)
			}
			at += int(b.Length)
		}
		if at != len(chunk) {
			t.Fatalf("blocks of %d bytes in a chunk of %d", at, len(chunk))
		}
		c.bytes = append(c.bytes, chunk...)
		c.chunks = append(c.chunks, digestOf(chunk))
		c.blocks = append(c.blocks, blocks...)
		return nil
	})
	n, err := state.WriteTo(cutter)
	if err = errors.Join(err, cutter.Close()); err != nil {
		t.Fatalf("%v", err)
	}
	if want := state.bytes(); !bytes.Equal(c.bytes, want) || n != int64(len(want)) {
		t.Fatalf("%d bytes became %d that differ", len(want), len(c.bytes))
	}
	return c
}

// drawTable draws records of very different lengths.
func drawTable(t *rapid.T) table {
	var state table
	for range rapid.IntRange(0, 6).Draw(t, "runs") {
		size := rapid.SampledFrom([]int{0, 1, 30, 500, 511, 513, 1100, 3000, BlockMax - 9, BlockMax - 8, BlockMax, ChunkMax + 5}).Draw(t, "size")
		part := newTable(rapid.Uint64Range(0, 3).Draw(t, "seed"), rapid.IntRange(1, 1+400_000/(size+100)).Draw(t, "records"), size)
		for _, r := range part {
			state = append(state, record{uint64(len(state)), r.value})
		}
	}
	return state
}

func TestCutting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { cut(t, drawTable(t)) })
}

// Equal states are cut equally, whatever was cut before by the same process; there is no state
// between cutters, nor is the buffer of a record kept.
func TestCuttingIsTheSame(t *testing.T) {
	state := newTable(1, 5000, 300)
	if a, b := cut(t, state), cut(t, slices.Clone(state)); !slices.Equal(a.chunks, b.chunks) || !slices.Equal(a.blocks, b.blocks) {
		t.Error("the cuts of equal states differ")
	}
}

// A record that is inserted, removed or changed changes few blocks and chunks, whatever the size of
// records.
func TestChangeIsLocal(t *testing.T) {
	race.SkipLong(t)
	for _, size := range []int{20, 300, 1000, 30_000, 100_000} {
		state := newTable(uint64(size), 3_000_000/(size+8), size)
		before := cut(t, state)
		extra := newTable(99, 1, size)[0]
		at := len(state) / 3
		extra.key = state[at].key + 1
		changed := slices.Clone(state)
		changed[at].value = extra.value
		for what, after := range map[string]table{
			"inserted": slices.Insert(slices.Clone(state), at+1, extra),
			"removed":  slices.Delete(slices.Clone(state), at, at+1),
			"changed":  changed,
		} {
			now := cut(t, after)
			blocks, chunks := missing(before.blocks, now.blocks), missing(before.chunks, now.chunks)
			if blocks > 20 || chunks > 20 {
				t.Errorf("records of %d bytes, one %s: %d of %d blocks and %d of %d chunks are new",
					size, what, blocks, len(now.blocks), chunks, len(now.chunks))
			}
		}
	}
}

// missing counts what of after is not in before.
func missing[T comparable](before, after []T) (n int) {
	known := map[T]bool{}
	for _, x := range before {
		known[x] = true
	}
	for _, x := range after {
		if !known[x] {
			n++
		}
	}
	return n
}

// A block is about as long as a record of a kilobyte, and a chunk has two hundred of them. The figures
// that are promised for transfers rest on it.
func TestMeanLengths(t *testing.T) {
	c := cut(t, newTable(1, 10_000, 1024))
	block, chunk := len(c.bytes)/len(c.blocks), len(c.bytes)/len(c.chunks)
	if block != 1032 || chunk < 176<<10 || chunk > 224<<10 {
		t.Errorf("blocks of %d bytes and chunks of %d on average", block, chunk)
	}
	c = cut(t, newTable(1, 20_000, 92))
	if block := len(c.bytes) / len(c.blocks); block < 600 || block > 1200 {
		t.Errorf("blocks of %d bytes of small records", block)
	}
}

func TestCutterStopsAtAnError(t *testing.T) {
	full, calls := errors.New("full"), 0
	c := NewCutter(func([]byte, []wire.Block) error { calls++; return full })
	_, err := newTable(1, 1000, 1000).WriteTo(c)
	if !errors.Is(err, full) || !errors.Is(c.Close(), full) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestCuttingAllocates(t *testing.T) {
	c := NewCutter(func([]byte, []wire.Block) error { return nil })
	record := newTable(1, 1, 1000)[0].value
	if n := testing.AllocsPerRun(1000, func() { c.Write(record) }); n != 0 {
		t.Errorf("a record takes %v allocations", n)
	}
}

func BenchmarkCut(b *testing.B) {
	record := newTable(1, 1, 1024)[0].value
	c := NewCutter(func(chunk []byte, _ []wire.Block) error { digestOf(chunk); return nil })
	b.SetBytes(int64(len(record)))
	for i := 0; b.Loop(); i++ {
		record[i%len(record)]++
		c.Write(record)
	}
}
