package noise

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

const head = 16

// A line is one direction of a session.
type line struct {
	s Sealer
	o Opener
}

func newLine(secret byte) *line {
	l := new(line)
	l.s.Begin([32]byte{secret})
	l.o.Begin([32]byte{secret})
	return l
}

// seal returns the datagram of a number and the phase it belongs to.
func (l *line) seal(number uint64, text string) ([]byte, uint8) {
	phase := l.s.Advance(number)
	b := append(make([]byte, head, 200), text...)
	return l.s.Seal(b, head, number), phase
}

func (l *line) open(t testing.TB, b []byte, number uint64, phase uint8) string {
	t.Helper()
	if !l.o.IsNew(number) {
		t.Fatalf("number %d is not new", number)
	}
	text, err := l.o.Open(nil, b, head, number, phase)
	if err != nil {
		t.Fatalf("number %d: %v", number, err)
	}
	return string(text)
}

func TestSealAndOpen(t *testing.T) {
	l := newLine(1)
	b, phase := l.seal(7, "text")
	if len(b) != head+4+TagSize || phase != 0 {
		t.Errorf("%d bytes, phase %d", len(b), phase)
	}
	for bit := range 8 * len(b) {
		forged := bytes.Clone(b)
		forged[bit/8] ^= 1 << (bit % 8)
		if _, err := l.o.Open(nil, forged, head, 7, phase); err != ErrForged {
			t.Fatalf("bit %d may be flipped: %v", bit, err)
		}
	}
	for n := range len(b) {
		if _, err := l.o.Open(nil, b[:n], head, 7, phase); err != ErrForged {
			t.Fatalf("it may be cut to %d bytes: %v", n, err)
		}
	}
	if _, err := l.o.Open(nil, b, head, 8, phase); err != ErrForged {
		t.Errorf("as another number: %v", err)
	}
	for other := range uint8(Phases) {
		if other == phase {
			continue
		}
		if _, err := l.o.Open(nil, b, head, 7, other); err != ErrForged {
			t.Errorf("as of phase %d: %v", other, err)
		}
	}
	if _, err := newLine(2).o.Open(nil, b, head, 7, phase); err != ErrForged {
		t.Errorf("in another session: %v", err)
	}
	if !l.o.IsNew(7) {
		t.Fatal("a forged datagram used the number up")
	}
	before := bytes.Clone(b)
	if l.open(t, b, 7, phase) != "text" || !bytes.Equal(b, before) {
		t.Error("it holds another text, or was changed")
	}
	if l.o.IsNew(7) {
		t.Error("a number may be used again")
	}
}

// TestRekey: keys change with the numbers, also when datagrams around a change come out of order
// or do not come at all.
func TestRekey(t *testing.T) {
	l := newLine(1)
	late, latePhase := l.seal(RekeyEvery-2, "late")
	tooLate, _ := l.seal(RekeyEvery-1, "too late")
	for change := range uint64(10) {
		number := (change + 1) * RekeyEvery
		first, _ := l.seal(number, "first")
		second, phase := l.seal(number+1, "second")
		if want := uint8((change + 1) % Phases); phase != want {
			t.Fatalf("number %d is of phase %d, not %d", number, phase, want)
		}
		if bytes.Equal(first[head:head+4], second[head:head+4]) {
			t.Error("two datagrams are sealed alike")
		}
		if l.open(t, second, number+1, phase) != "second" {
			t.Error("the first that arrives with a new key")
		}
		if change == 0 && l.open(t, late, RekeyEvery-2, latePhase) != "late" {
			t.Error("a late one with the key before")
		}
		if l.open(t, first, number, phase) != "first" {
			t.Error("a late one with the new key")
		}
		end, phase := l.seal(number+WindowSize, "end")
		if l.open(t, end, number+WindowSize, phase) != "end" {
			t.Error("one much later")
		}
		if l.o.previous != nil {
			t.Error("an old key is kept although nothing that it opens can be new")
		}
	}
	if _, err := l.o.Open(nil, tooLate, head, RekeyEvery-1, latePhase); err != ErrForged {
		t.Errorf("a datagram of a forgotten key: %v", err)
	}
}

// TestForgedPhase: who has no key can not make the ends disagree about it.
func TestForgedPhase(t *testing.T) {
	l := newLine(1)
	b, phase := l.seal(5, "text")
	for other := range uint8(Phases) {
		l.o.Open(nil, make([]byte, 100), head, 6, other)
	}
	if l.open(t, b, 5, phase) != "text" {
		t.Error("it holds another text")
	}
}

func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		used := map[uint64]bool{}
		highest := uint64(0)
		base := rapid.Uint64Range(1, 1<<33).Draw(t, "base")
		for range 300 {
			n := base + rapid.SampledFrom([]uint64{0, 1, 63, 64, 65, 1000, WindowSize - 1, WindowSize, windowBits, 3 * windowBits}).Draw(t, "step")
			if rapid.Bool().Draw(t, "forth") {
				base = n
			}
			n -= min(n-1, rapid.Uint64Range(0, 2*windowBits).Draw(t, "back"))
			want := !used[n] && (n > highest || highest-n < WindowSize)
			if w.isNew(n) != want {
				t.Fatalf("isNew(%d) is %v, highest %d", n, !want, highest)
			}
			if want {
				w.add(n)
				used[n], highest = true, max(highest, n)
			}
		}
	})
}

func TestRecordsDoNotAllocate(t *testing.T) {
	l := newLine(1)
	b := make([]byte, 1200, 1200+TagSize)
	scratch := make([]byte, 0, 1200)
	number := uint64(1)
	if n := testing.AllocsPerRun(1000, func() {
		phase := l.s.Advance(number)
		sealed := l.s.Seal(b, head, number)
		if !l.o.IsNew(number) {
			t.Fatal("not new")
		}
		if _, err := l.o.Open(scratch, sealed, head, number, phase); err != nil {
			t.Fatal(err)
		}
		number++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzOpen: nothing but the right bytes is opened.
func FuzzOpen(f *testing.F) {
	b, phase := newLine(1).seal(7, "text")
	f.Add(b, uint64(7), phase)
	f.Add(b, uint64(RekeyEvery+7), uint8(1))
	f.Add(b[:head], uint64(8), uint8(3))
	f.Fuzz(func(t *testing.T, d []byte, number uint64, of uint8) {
		l := newLine(1)
		_, err := l.o.Open(nil, d, head, number, of)
		if (err == nil) != (bytes.Equal(d, b) && number == 7 && of == phase) {
			t.Errorf("number %d of phase %d: %v", number, of, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	l := newLine(1)
	d := make([]byte, 1200, 1200+TagSize)
	b.SetBytes(1200)
	for n := uint64(1); b.Loop(); n++ {
		l.s.Seal(d, head, n)
	}
}

func BenchmarkOpen(b *testing.B) {
	l := newLine(1)
	scratch := make([]byte, 0, 1200)
	d := l.s.Seal(make([]byte, 1200, 1200+TagSize), head, 1)
	b.SetBytes(1200)
	for b.Loop() {
		l.o.Open(scratch, d, head, 1, 0)
	}
}

func BenchmarkHandshake(b *testing.B) {
	k := Key{1}
	for b.Loop() {
		handshake(b, &k, 1)
	}
}
