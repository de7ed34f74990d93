package vr

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
	"vrnode/wire"
)

// The log against a plain slice.
func TestLogIsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l log
		var model []wire.Entry
		verify := func() {
			if int(l.head) != len(model) {
				t.Fatalf("head %d, want %d", l.head, len(model))
			}
			size, chain := 0, wire.Chain(0)
			for i := range model {
				if i < int(l.base) {
					chain, _ = chain.Next(&model[i], nil)
					continue
				}
				e := l.entry(wire.OpNumber(i + 1))
				if e.View != model[i].View || !bytes.Equal(e.Body, model[i].Body) {
					t.Fatalf("op %d is %v, want %v", i+1, e, &model[i])
				}
				size += footprint(&model[i])
				chain, _ = chain.Next(&model[i], nil)
				if l.chain(wire.OpNumber(i+1)) != chain {
					t.Fatalf("chain at op %d", i+1)
				}
			}
			if l.base > 0 && int(l.base) == len(model) && l.chain(l.base) != chain {
				t.Fatal("chain at the base")
			}
			if l.bytes != size {
				t.Fatalf("bytes %d, want %d", l.bytes, size)
			}
		}
		add := func(l *log, view int, body []byte) wire.Entry {
			e := wire.Entry{View: wire.ViewNumber(view), Kind: wire.EntryCommand, Body: body}
			l.append(&e)
			e.Body = bytes.Clone(body)
			clear(body) // the log must have its own copy
			return e
		}
		body := rapid.SliceOfN(rapid.Byte(), 0, 40)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 1, 700}).Draw(t, "n") {
					model = append(model, add(&l, 1, body.Draw(t, "body")))
				}
			},
			"large": func(*rapid.T) { model = append(model, add(&l, 2, bytes.Repeat([]byte{7}, bodyChunk/2))) },
			"truncate": func(t *rapid.T) {
				at := rapid.IntRange(int(l.base), len(model)).Draw(t, "at")
				l.truncate(wire.OpNumber(at))
				model = model[:at]
			},
			"splice": func(t *rapid.T) {
				at := rapid.IntRange(int(l.base), len(model)).Draw(t, "at")
				piece := l.piece(wire.OpNumber(at))
				model = model[:at]
				for range rapid.IntRange(0, 3).Draw(t, "n") {
					model = append(model, add(piece, 3, body.Draw(t, "body")))
				}
				l.splice(piece)
			},
			"forget": func(t *rapid.T) {
				for range rapid.IntRange(0, int(l.head-l.base)).Draw(t, "n") {
					l.forget()
				}
			},
			"": func(*rapid.T) { verify() },
		})
	})
}

// What comes again from before the base must lead to what the log has there.
func TestFollows(t *testing.T) {
	var l log
	chains := []wire.Chain{0}
	var all []wire.Entry
	for i := range 6 {
		all = append(all, wire.Entry{Kind: wire.EntryCommand, Body: []byte{byte(i)}})
		l.append(&all[i])
		chains = append(chains, l.chain(l.head))
	}
	for range 4 {
		l.forget()
	}
	other := wire.Entry{Kind: wire.EntryCommand, Body: []byte{99}}
	for _, c := range []struct {
		name    string
		first   wire.OpNumber
		chain   wire.Chain
		entries []wire.Entry
		want    bool
	}{
		{"from the base on", 5, chains[4], all[4:], true},
		{"from the base on, of another log", 5, 42, all[4:], false},
		{"from the head on", 7, chains[6], all[:1], true},
		{"from the head on, of another log", 7, chains[5], all[:1], false},
		{"across the base", 3, chains[2], all[2:6], true},
		{"across the base, of another log", 3, chains[1], all[2:6], false},
		{"across the base, with another op", 3, chains[2], []wire.Entry{all[2], other, all[4]}, false},
		{"up to the base", 3, chains[2], all[2:4], true},
		{"below the base", 2, 42, all[1:2], true}, // of no interest any more
	} {
		var entries wire.Entries
		for i := range c.entries {
			entries = entries.Append(&c.entries[i])
		}
		if got := l.follows(c.first, c.chain, entries); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestLogCopyIsBounded(t *testing.T) {
	var l log
	for range 10 {
		l.append(&wire.Entry{Kind: wire.EntryCommand, Body: make([]byte, 1000)})
	}
	if n := l.copy(wire.Entries{}, 1, 10, 3500).Len(); n != 3 {
		t.Errorf("%d entries in 3500 bytes, want 3", n)
	}
	if n := l.copy(wire.Entries{}, 1, 10, 10).Len(); n != 1 {
		t.Errorf("%d entries where none fits, want 1", n)
	}
	if n := l.copy(wire.Entries{}, 9, 20, 1<<20).Len(); n != 2 {
		t.Errorf("%d entries up to the head, want 2", n)
	}
}

func TestSpliceOfAPieceThatDoesNotFitPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a piece with another past was put on the log")
		}
	}()
	var l log
	l.append(&wire.Entry{Kind: wire.EntryCommand})
	piece := startAt(1, 42)
	l.splice(&piece)
}
