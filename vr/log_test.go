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
				e := l.entry(wire.OpNumber(i + 1))
				if e.View != model[i].View || !bytes.Equal(e.Body, model[i].Body) {
					t.Fatalf("op %d is %v, want %v", i+1, e, &model[i])
				}
				size += model[i].Size()
				chain, _ = chain.Next(&model[i], nil)
				if l.chain(wire.OpNumber(i+1)) != chain {
					t.Fatalf("chain at op %d", i+1)
				}
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
				at := rapid.IntRange(0, len(model)).Draw(t, "at")
				l.truncate(wire.OpNumber(at))
				model = model[:at]
			},
			"splice": func(t *rapid.T) {
				at := rapid.IntRange(0, len(model)).Draw(t, "at")
				piece := l.piece(wire.OpNumber(at))
				model = model[:at]
				for range rapid.IntRange(0, 3).Draw(t, "n") {
					model = append(model, add(piece, 3, body.Draw(t, "body")))
				}
				l.splice(piece)
			},
			"": func(*rapid.T) { verify() },
		})
	})
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
	l.splice(&log{base: 1, baseChain: 42, head: 1})
}
