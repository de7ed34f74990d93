package wire

import (
	"bytes"
	"testing"
	"unsafe"
)

// A parcel holds what an Encoder makes of the same message, wherever the parts were before.
func TestSeal(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	var e Encoder
	for _, c := range []struct {
		name  string
		parts func(p *Parcel) Parts
		moved bool // the parts have to be copied
	}{
		{"in place", func(p *Parcel) Parts { return p.Parts(len(body)).Append(7, body) }, false},
		{"several", func(p *Parcel) Parts { return p.Parts(len(body)).Append(0, body[:9]).Append(70, body[9:]) }, false},
		{"none", func(p *Parcel) Parts { return p.Parts(0) }, false},
		{"from elsewhere", func(*Parcel) Parts { return Parts{}.Append(7, body) }, true},
		{"more than there was room for", func(p *Parcel) Parts {
			return p.Parts(1).Append(0, body).Append(len32(body), body).Append(2*len32(body), body)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Parcel
			for range 2 { // the second time into the same buffer
				m := &Piece{Op: 40, Chunk: 1, Parts: c.parts(&p)}
				want := e.Append(nil, &sampleHeader, m)
				e.Seal(&p, &sampleHeader, m)
				if !bytes.Equal(p.Message(), want) {
					t.Fatal("the parcel holds something else than an Encoder makes of it")
				}
				sealed := p.Swap(nil)
				if at := unsafe.SliceData(m.Parts.raw); !c.moved && len(m.Parts.raw) > 0 && at != &sealed[pieceHead] {
					t.Error("the parts do not lie in the message")
				}
				if p.Cap() != 0 {
					t.Errorf("a buffer of %d bytes is left", p.Cap())
				}
				p.Swap(sealed)
			}
		})
	}
}

func len32(b []byte) uint32 { return uint32(len(b)) }

// What was decoded lies where Part says, with all room of the buffer behind it.
func TestPart(t *testing.T) {
	var e Encoder
	var d Decoder
	message := e.Append(make([]byte, 0, 10_000), &sampleHeader, &Piece{Op: 40, Parts: Parts{}.Append(0, []byte("abc"))})
	_, m, err := d.Decode(message)
	if err != nil {
		t.Fatal(err)
	}
	var p Parcel
	p.Swap(message)
	parts := m.(*Piece).Parts
	_, body, _ := parts.Next()
	if got := p.Part(3); &got[0] != &body[0] || string(got) != "abc" || cap(got) != cap(message)-pieceHead-PartHead {
		t.Errorf("%q with room for %d", got, cap(got))
	}
	if parts.Parcel() != nil || parts.In(&p).Parcel() != &p {
		t.Error("what is decoded lies in no parcel before somebody says so")
	}
	m.(*Piece).Parts = parts.In(&p)
	if _, m, _ := d.Decode(bytes.Clone(message)); m.(*Piece).Parts.Parcel() != nil {
		t.Error("what is decoded lies in the parcel of the message before")
	}
	if got := p.Part(ChunkMax); len(got) != ChunkMax || p.Cap() != parcelRoom {
		t.Errorf("%d bytes in a buffer of %d", len(got), p.Cap())
	}
}

func TestSealDoesNotAllocate(t *testing.T) {
	var e Encoder
	var p Parcel
	body := make([]byte, 80_000)
	m := &Piece{Op: 40, Chunk: 1}
	if n := testing.AllocsPerRun(100, func() {
		m.Parts = p.Parts(len(body)).Append(0, body)
		e.Seal(&p, &sampleHeader, m)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
