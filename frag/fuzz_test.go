package frag

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// A naiveInbox is what reassembly means: a message is delivered, once, when all of its bytes have
// been seen in fragments that agree about its length.
type naiveInbox struct {
	open map[uint64][]int // the bytes of an incomplete message, -1 where not seen
	bare map[uint64]bool  // those of them without a trailer
	done map[uint64]bool
	got  [][]byte
}

func (n *naiveInbox) put(d *wire.Data) {
	if n.done[d.ID] || d.ID > windowMessages {
		return
	}
	seen, ok := n.open[d.ID]
	if !ok && d.IsWhole() {
		n.done[d.ID] = true
		n.got = append(n.got, bytes.Clone(d.Bytes))
		return
	}
	if !ok {
		seen = slices.Repeat([]int{-1}, int(d.Total))
		n.open[d.ID], n.bare[d.ID] = seen, d.Bare
	}
	if len(seen) != int(d.Total) || n.bare[d.ID] != d.Bare {
		return
	}
	for i, b := range d.Bytes {
		seen[int(d.Cell)*wire.CellSize+i] = int(b)
	}
	if slices.Contains(seen, -1) {
		return
	}
	delete(n.open, d.ID)
	n.done[d.ID] = true
	whole := make([]byte, len(seen))
	for i, v := range seen {
		whole[i] = byte(v)
	}
	if !d.Bare {
		whole = whole[:len(whole)-wire.TrailerSize]
	}
	n.got = append(n.got, whole)
}

// FuzzReassembly cuts a few messages as the input says and gives the fragments, in its order and
// with contradictions among them, to an endpoint and to the naive model.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 255, 1, 2, 3, 0, 1, 3, 0, 2, 3, 2, 0, 1, 2, 0, 1, 1, 0, 40, 1, 1, 40})
	f.Add(bytes.Repeat([]byte{0, 0, 1, 0, 2, 1, 0, 4, 1}, 30))
	f.Fuzz(func(t *testing.T, script []byte) {
		l := newLab(t, 1, 1, 2)
		l.connect(l.ends[0], l.ends[1])
		e := l.ends[0].Endpoint
		p := e.find(2)
		model := naiveInbox{open: map[uint64][]int{}, bare: map[uint64]bool{}, done: map[uint64]bool{}}
		var out Effects
		var got [][]byte
		for ; len(script) >= 3; script = script[3:] {
			id, at, run := 1+uint64(script[0]%8), int(script[1]), int(script[2])
			body := text(id, 70+int(id)*313)
			if id == 8 {
				body = body[:60]
			}
			d := wire.Data{Lane: 2, ID: id}
			if len(body) <= 70 {
				d.Bare, d.Bytes, d.Total = true, body, uint32(len(body))
			} else {
				whole := body
				if d.Bare = id%2 == 0; !d.Bare {
					whole = binary.LittleEndian.AppendUint64(body, xxhash.Sum64(body))
				}
				if script[0]&0x80 != 0 {
					whole = append(whole, 0) // as if the message were longer
				}
				if script[0]&0x40 != 0 {
					d.Bare = !d.Bare // as if it had what it does not have
				}
				cells := cellsOf(len(whole))
				at %= cells
				d.Cell, d.Total = uint32(at), uint32(len(whole))
				d.Bytes = whole[at*wire.CellSize : min((at+1+run%16)*wire.CellSize, len(whole))]
			}
			if script[0]&0xc0 != 0 && p.session.in[2].find(id) == nil {
				continue // it would be the first to say what the message is
			}
			model.put(&d)
			if r := e.onData(p, &d, &out); r != 0 && r != ReasonContradiction {
				t.Fatalf("message %d, cell %d: %v", id, at, r)
			}
			for _, m := range out.Messages {
				got = append(got, bytes.Clone(m.Bytes))
			}
			out.Reset()
			held := 0
			for _, seen := range model.open {
				held += len(seen)
			}
			if in := &p.session.in[2]; in.bytes != held || in.count != len(model.open) {
				t.Fatalf("%d bytes of %d messages are held, not %d of %d", in.bytes, in.count, held, len(model.open))
			}
		}
		if !slices.EqualFunc(got, model.got, bytes.Equal) {
			t.Fatalf("%d messages were delivered, not %d, or others", len(got), len(model.got))
		}
	})
}

// FuzzEndpointStep gives an endpoint that is in the midst of things arbitrary bytes: as they are,
// with a right checksum, or as frames of a session. It must not panic or break a bound.
func FuzzEndpointStep(f *testing.F) {
	f.Add([]byte{0, 5, 1, 2, 3, 4, 5})
	f.Add(append([]byte{2, 1}, wire.AppendPing(nil)...))
	for _, frame := range [][]byte{
		wire.AppendAck(nil, 0, []wire.Range{{Low: 1 << 31, High: 1<<31 + 5}}),
		wire.AppendData(nil, &wire.Data{ID: 1, Total: 5000, Bytes: make([]byte, 64)}),
		wire.AppendLatest(nil, &wire.Latest{Key: 3, Seq: 5, Bytes: []byte("x")}),
		wire.AppendChallenge(nil, 5), wire.AppendResponse(nil, 5),
	} {
		f.Add(append([]byte{2, byte(len(frame))}, frame...))
	}
	f.Add(append([]byte{1, 48, 0x11, 0, 44, 0}, wire.AppendHello(make([]byte, 20), &wire.Hello{Session: 5, Sender: wire.End{ID: 2, Nonce: 1}, Target: 1})...))
	f.Fuzz(func(t *testing.T, script []byte) {
		l := newLab(t, 1, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		a.Send(l.now, 2, 3, make([]byte, 20_000))
		a.SendLatest(l.now, 2, 3, []byte("latest"))
		l.tick(a)
		l.flights = nil
		for len(script) >= 2 {
			how, n := script[0], min(int(script[1]), len(script)-2)
			piece := script[2 : 2+n]
			script = script[2+n:]
			l.now += time.Duration(how>>4) * time.Millisecond
			a.Step(l.now, b.addr, forge(b, piece, how&3), &a.out)
			a.Tick(l.now, &a.out)
			if d := a.Deadline(); d <= l.now {
				t.Fatalf("Deadline %v after Tick at %v", d, l.now)
			}
			a.out.Reset()
		}
		if s := a.Stats(); s.Receiving > receiveBudget || s.Receiving < 0 || s.Queued < 0 {
			t.Fatalf("%+v", s)
		}
		a.now = l.now
		l.pass(10 * time.Second)
	})
}

// forge makes a datagram of the piece.
func forge(from *end, piece []byte, how byte) []byte {
	switch how {
	case 1: // header and all, with a checksum that may be right
		d := append(bytes.Clone(piece), make([]byte, wire.DatagramMax-len(piece))...)
		binary.LittleEndian.PutUint64(d[16:], uint64(wire.HelloBinding()))
		binary.LittleEndian.PutUint64(d[16:], xxhash.Sum64(d))
		return d
	case 2: // frames of the session
		s := from.session(1)
		if !s.active {
			return piece
		}
		return s.datagram(piece)
	case 3: // a RESET
		d := append(make([]byte, wire.DatagramHeaderSize), piece...)
		wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramReset, Length: uint16(len(piece))}, wire.ResetBinding())
		return d
	}
	return piece
}

// FuzzHandshake gives the contents of a HELLO, HELLO_ACK, DENIAL or RESET, with a checksum that is
// right, to an end that opens a session while another one is asked of it. It must not panic, send more
// than it got, or lose the session that it is about to have.
func FuzzHandshake(f *testing.F) {
	hello := wire.Hello{Session: 5, Sender: wire.End{ID: 2, Incarnation: 1, Nonce: 7}, Target: 1}
	f.Add(uint8(wire.DatagramHello), wire.AppendHello(wire.AppendGreeting(nil, &wire.Greeting{}), &hello))
	f.Add(uint8(wire.DatagramHelloAck), wire.AppendHello(nil, &hello))
	f.Add(uint8(wire.DatagramDenial), wire.AppendDenial(nil, &wire.Denial{Quote: 1, Why: wire.DeniedKey}))
	f.Add(uint8(wire.DatagramReset), wire.AppendReset(nil, &wire.Reset{Sender: 2, To: 3, Number: 4}))
	f.Add(uint8(wire.DatagramHello)|0x80, text(1, 24+92))
	f.Fuzz(func(t *testing.T, kind uint8, contents []byte) {
		var keys []noise.Key
		h := wire.DatagramHeader{Type: wire.DatagramType(kind & 7)}
		if kind&0x80 != 0 {
			keys, h.Flags = oneKey, wire.FlagSealed
		}
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		a.Send(0, 2, 1, []byte("x"))
		l.tick(a)
		size := wire.HelloSize
		var bind wire.Binding
		switch h.Type {
		case wire.DatagramHello:
			bind = wire.HelloBinding()
		case wire.DatagramHelloAck:
			h.To, bind = a.find(2).opening.index, wire.HelloAckBinding(a.find(2).opening.nonce)
		case wire.DatagramDenial:
			size, bind = wire.DatagramHeaderSize+len(contents), wire.DenialBinding()
		default:
			h.Type, size, bind = wire.DatagramReset, wire.DatagramHeaderSize+len(contents), wire.ResetBinding()
		}
		if size > wire.HelloSize || wire.DatagramHeaderSize+len(contents) > size {
			return
		}
		d := make([]byte, size)
		copy(d[wire.DatagramHeaderSize:], contents)
		h.Length = uint16(len(contents))
		wire.Stamp(d, &h, bind)
		forged := h.Type == wire.DatagramHelloAck && keys == nil // plain mode believes who knows the nonce
		var out Effects
		a.Step(l.now, addressOf(77), d, &out)
		sent := 0
		for _, answer := range out.Datagrams {
			sent += len(answer.Bytes)
		}
		if sent > len(d) || len(out.Messages) != 0 {
			t.Fatalf("%d bytes are answered with %d, %d messages delivered", len(d), sent, len(out.Messages))
		}
		if !forged {
			l.run(5*time.Second, func() bool { return len(b.got) == 1 })
		}
	})
}
