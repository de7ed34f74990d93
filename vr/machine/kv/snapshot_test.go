package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// records is what was written, a record for each call of Write.
type records []string

func (r *records) Write(b []byte) (int, error) {
	*r = append(*r, string(b))
	return len(b), nil
}

func (r records) reader() io.Reader { return strings.NewReader(strings.Join(r, "")) }

// TestSnapshotStays: a snapshot is what the machine was, whatever the machine does, and makes an equal
// machine of any.
func TestSnapshotStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.Custom(func(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(0, 300).Draw(t, "key")) })
		var m Machine
		change := func() {
			for range rapid.IntRange(0, 200).Draw(t, "changes") {
				if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
					m.Apply(1, Delete(key.Draw(t, "k")))
				} else {
					m.Apply(1, Put(key.Draw(t, "k"), rapid.StringN(0, 9, 20).Draw(t, "v")))
				}
			}
		}
		change()
		then := string(m.Apply(1, Range("", "", RangeMax)))
		keys, size := m.values.Len(), m.bytes
		snapshot := m.Snapshot()
		change()
		var written records
		n, err := snapshot.WriteTo(&written)
		if err != nil || int(n) != len(strings.Join(written, "")) || len(written) != keys {
			t.Fatalf("%d keys in %d records of %d bytes: %v", keys, len(written), n, err)
		}
		if err := m.Restore(written.reader()); err != nil {
			t.Fatal(err)
		}
		if now := string(m.Apply(1, Range("", "", RangeMax))); now != then || m.bytes != size {
			t.Fatalf("restored %s in %d bytes, was %s in %d", now, m.bytes, then, size)
		}
		change() // and goes on
		var again records
		if _, err := snapshot.WriteTo(&again); err != nil || strings.Join(again, "") != strings.Join(written, "") {
			t.Fatalf("the snapshot has changed: %v", err)
		}
	})
}

// TestSnapshotIsReadMeanwhile is for the race detector: another goroutine writes it while the machine
// goes on.
func TestSnapshotIsReadMeanwhile(t *testing.T) {
	var m Machine
	for i := range 2000 {
		m.Apply(1, Put(strconv.Itoa(i), "then"))
	}
	snapshot := m.Snapshot()
	done := make(chan records)
	go func() {
		var written records
		_, _ = snapshot.WriteTo(&written)
		done <- written
	}()
	for i := range 4000 {
		m.Apply(1, Put(strconv.Itoa(i), "now"))
	}
	if written := <-done; len(written) != 2000 || strings.Contains(strings.Join(written, ""), "now") {
		t.Errorf("%d keys were written", len(written))
	}
}

func TestRestoreRefuses(t *testing.T) {
	word := func(words ...string) (b []byte) {
		for _, w := range words {
			b = append(binary.AppendUvarint(b, uint64(len(w))), w...)
		}
		return b
	}
	for _, test := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"no value", word("a"), "unexpected EOF"},
		{"half a key", word("abc")[:2], "unexpected EOF"},
		{"half a value", word("a", "abc")[:4], "unexpected EOF"},
		{"no key", word("", "1"), `not keys and values as a snapshot has them: "" comes after ""`},
		{"order", word("b", "1", "a", "1"), `not keys and values as a snapshot has them: "a" comes after "b"`},
		{"twice", word("a", "1", "a", "1"), `not keys and values as a snapshot has them: "a" comes after "a"`},
		{"long", word(strings.Repeat("k", KeyMax+1), "1"), "not keys and values as a snapshot has them: a word of 1025 bytes"},
		{"longest", bytes.Repeat([]byte{0xff}, 9), "unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m Machine
			m.Apply(1, Put("z", "1"))
			if err := m.Restore(bytes.NewReader(test.bytes)); err == nil || err.Error() != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
	var m Machine
	if err := m.Restore(failing{}); !errors.Is(err, errFailing) {
		t.Error(err)
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

// BenchmarkSnapshot is what a snapshot costs at once, and what it makes the next change cost.
func BenchmarkSnapshot(b *testing.B) {
	var m Machine
	for i := range 1_000_000 {
		m.Apply(1, Put(strconv.Itoa(i), "value"))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Snapshot()
		m.Apply(1, Put(strconv.Itoa(i), "other"))
		i = (i + 7919) % 1_000_000
	}
}

// BenchmarkRestore reads values of 1 KiB. The figure floor/restore tells how near that comes to the
// least that it can take: the same values copied one by one, each into memory of its own.
func BenchmarkRestore(b *testing.B) {
	const keys = 64 << 10
	value := strings.Repeat("v", 1<<10)
	var m Machine
	for i := range keys {
		m.Apply(1, Put(fmt.Sprintf("key-%09d", i), value))
	}
	var state bytes.Buffer
	if _, err := m.Snapshot().WriteTo(&state); err != nil {
		b.Fatal(err)
	}
	m = Machine{}
	copies := make([]string, keys)
	var floor, restore time.Duration
	b.ReportAllocs()
	for b.Loop() {
		clear(copies)
		began := time.Now()
		for i := range copies {
			copies[i] = strings.Clone(value)
		}
		floor += time.Since(began)
		clear(copies)
		began = time.Now()
		if err := m.Restore(bytes.NewReader(state.Bytes())); err != nil {
			b.Fatal(err)
		}
		restore += time.Since(began)
		m = Machine{}
	}
	b.ReportMetric(float64(floor)/float64(restore), "floor/restore")
	b.ReportMetric(restore.Seconds()*1e9/float64(b.N*keys), "ns/value")
}

// BenchmarkPause shows what a snapshot takes from the operations: its own time, and that of the longest
// of those that follow it, which copy what they share with it. Each is beside the longest of as many
// without a snapshot, at p99.9 of the snapshots. The 2 GiB are 4 of memory: -bench Pause/2GiB -benchtime 2000x.
func BenchmarkPause(b *testing.B) {
	for _, c := range []struct {
		name string
		keys int
	}{{"64MiB", 64 << 10}, {"2GiB", 2 << 20}} {
		b.Run(c.name, func(b *testing.B) { benchmarkPause(b, c.keys) })
	}
}

func benchmarkPause(b *testing.B, keys int) {
	const after = 1000 // puts after each snapshot, of which the longest is noted
	value := strings.Repeat("v", 1<<10)
	var m Machine
	for i := range keys {
		m.Apply(1, Put(fmt.Sprintf("key-%09d", i), value))
	}
	random := rand.New(rand.NewPCG(1, 1))
	longest := func() time.Duration {
		most := time.Duration(0)
		for range after {
			put := Put(fmt.Sprintf("key-%09d", random.IntN(keys)), value)
			began := time.Now()
			m.Apply(1, put)
			most = max(most, time.Since(began))
		}
		return most
	}
	var took, longestAfter, longestWithout []time.Duration
	var kept io.WriterTo
	for b.Loop() {
		longestWithout = append(longestWithout, longest())
		began := time.Now()
		kept = m.Snapshot()
		took = append(took, time.Since(began))
		longestAfter = append(longestAfter, longest())
	}
	runtime.KeepAlive(kept)
	for name, times := range map[string][]time.Duration{"snapshot": took, "after": longestAfter, "without": longestWithout} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)*999/1000])/1e3, name+"-p99.9-µs")
	}
}
