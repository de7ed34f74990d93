package frag

import (
	"bytes"
	"slices"
	"testing"
	"time"
	"unsafe"

	"vrnode/wire"
)

// sealPiece seals a piece with that body into a parcel, and returns the message.
func sealPiece(p *wire.Parcel, chunk uint64, body []byte) []byte {
	var e wire.Encoder
	e.Seal(p, &wire.Header{From: 1}, &wire.Piece{Chunk: chunk, Parts: p.Parts(len(body)).Append(0, body)})
	return bytes.Clone(p.Message())
}

// bufferOf returns where the buffer of a parcel is, which stays there.
func bufferOf(p *wire.Parcel) *byte {
	b := p.Swap(nil)
	p.Swap(b)
	return unsafe.SliceData(b)
}

// Sealed messages arrive, although their parcels are used for the next ones at once and every tenth datagram
// is lost, and who keeps the buffer of one that has arrived has it for himself.
func TestParcels(t *testing.T) {
	p := newPair(t)
	lost := 0
	p.drop = func([]wire.Datagram, int) bool { lost++; return lost%10 == 0 }
	var parcel wire.Parcel
	var sent, want [][]byte
	var kept []wire.Parcel
	for i := range 400 {
		if i < 300 {
			message := sealPiece(&parcel, uint64(i), text(uint64(i), 30_000+i*300))
			if p.a.SendParcel(p.now, 2, 3, &parcel) {
				sent = append(sent, message)
			}
		}
		p.a.Tick(p.now, &p.ab)
		for i, d := range p.ab.Datagrams {
			if !p.drop(p.ab.Datagrams, i) {
				p.b.Step(p.now, addressOf(1), d.Bytes, &p.ba)
			}
		}
		for _, m := range p.ba.Messages {
			var mine wire.Parcel
			mine, *m.Parcel = *m.Parcel, mine
			kept, want = append(kept, mine), append(want, bytes.Clone(m.Bytes))
		}
		p.ba.Messages = p.ba.Messages[:0]
		p.turn()
	}
	for i, m := range want {
		if b := kept[i].Swap(nil); !bytes.Equal(b[:len(m)], m) {
			t.Errorf("message %d is not any more what it was", i)
		}
		if !slices.ContainsFunc(sent, func(s []byte) bool { return bytes.Equal(s, m) }) {
			t.Errorf("message %d is not one that was sent", i)
		}
	}
	if p.received-1+len(want) != len(sent) || len(want) < len(sent)/5 {
		t.Errorf("%d messages were sent, %d have arrived, %d were kept", len(sent), p.received, len(want))
	}
}

// A sealed message is sent from where it is, if that is a buffer as the transport has them, and copied else.
func TestParcelIsNotCopied(t *testing.T) {
	for _, c := range []struct {
		name   string
		buffer []byte
		body   int
		copied bool
	}{
		{"usual", nil, wire.ChunkMax, false},
		{"of the transport", make([]byte, 0, classSize(16)), 60_000, false},
		{"of another size", make([]byte, 0, 100_001), 60_000, true},
		{"without room for the cells", make([]byte, 0, classSize(16)), classSize(16) - 100, true},
		{"small", nil, 10, true},
		{"in a buffer that is much too long", nil, 10_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			var parcel wire.Parcel
			parcel.Swap(c.buffer)
			message := sealPiece(&parcel, 1, text(1, c.body))
			before, queued := bufferOf(&parcel), p.a.queued
			if !p.a.SendParcel(p.now, 2, 3, &parcel) {
				t.Fatal("refused")
			}
			m := p.a.find(2).out[3].waiting.first()
			if same := &m.buffer[0] == before; same == c.copied || (bufferOf(&parcel) == before) != c.copied {
				t.Errorf("copied: %v", !same)
			}
			if p.a.queued-queued != cap(m.buffer) || !isClass(cap(m.buffer)) {
				t.Errorf("%d bytes are counted for a buffer of %d", p.a.queued-queued, cap(m.buffer))
			}
			if !bytes.Equal(m.buffer[:len(message)], message) {
				t.Error("it is another message")
			}
			trailed := c.copied && len(message) > wire.SingleMax
			if m.bare == trailed || (m.total == len(message)) == trailed {
				t.Errorf("bare: %v, and %d bytes for a message of %d", m.bare, m.total, len(message))
			}
			turns := 0
			for want := p.received + 1; p.received < want && turns < 1000; turns++ {
				p.turn()
			}
			if turns == 1000 {
				t.Error("it does not arrive")
			}
		})
	}
}

// At a bound a parcel is refused and stays what it is.
func TestParcelAtBound(t *testing.T) {
	p := newPair(t)
	var parcel wire.Parcel
	n := 0
	for sealPiece(&parcel, 1, text(1, 50_000)); p.a.SendParcel(p.now, 2, 3, &parcel); n++ {
		sealPiece(&parcel, 1, text(1, 50_000))
	}
	if most := queueBytesMax / parcel.Cap(); n != most {
		t.Errorf("%d of %d", n, most)
	}
	if before := sealPiece(&parcel, 2, text(2, 50_000)); p.a.SendParcel(p.now, 2, 3, &parcel) || !bytes.Equal(parcel.Message(), before) {
		t.Error("what was refused has changed")
	}
	if p.a.SendParcel(p.now, 9, 3, &parcel) {
		t.Error("there is no such peer")
	}
}

// A parcel on a path that is so slow that it pays is compressed like all else.
func TestParcelIsCompressed(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.slow(a)
	l.connect(a, b)
	var parcel wire.Parcel
	message := sealPiece(&parcel, 1, commands(1, 50_000))
	if !a.SendParcel(l.now, 2, 3, &parcel) || !bytes.Equal(parcel.Message(), message) {
		t.Error("refused, or changed")
	}
	l.run(time.Second, func() bool { return len(b.got) > 0 })
	if n := a.counters(2).Compressed; n != 1 || !bytes.Equal(b.got[0].bytes, message) {
		t.Errorf("compressed: %d", n)
	}
}

// The pool keeps no buffer that it could not lend.
func TestPoolKeepsItsSizes(t *testing.T) {
	var p pool
	for _, size := range []int{0, 1, classSize(7) - 1, classSize(12) + 1, 100_001} {
		p.give(make([]byte, 0, size))
	}
	if p.kept != 0 {
		t.Errorf("%d bytes are kept", p.kept)
	}
	if p.give(make([]byte, 0, classSize(12))); p.kept != classSize(12) || cap(p.take(classSize(12))) != classSize(12) {
		t.Errorf("%d bytes are kept", p.kept)
	}
}

func TestNoAllocationForParcels(t *testing.T) {
	p := newPair(t)
	var out, in wire.Parcel
	var e wire.Encoder
	body := text(1, 80_000)
	m := &wire.Piece{Chunk: 1}
	h := &wire.Header{From: 1}
	round := func() {
		m.Parts = out.Parts(len(body)).Append(0, body)
		e.Seal(&out, h, m)
		p.a.SendParcel(p.now, 2, 3, &out)
		for want := p.received + 1; p.received < want; {
			p.a.Tick(p.now, &p.ab)
			for _, d := range p.ab.Datagrams {
				p.b.Step(p.now, addressOf(1), d.Bytes, &p.ba)
			}
			p.ab.Reset()
			for _, d := range p.ba.Messages {
				in, *d.Parcel = *d.Parcel, in
			}
			p.turn()
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
