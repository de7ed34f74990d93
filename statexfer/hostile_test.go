package statexfer

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"vrnode/wire"
)

// A liar changes messages as a program says, a byte or more each. After the end of the program it
// is honest.
type liar struct {
	w       *world
	program []byte
}

func (l *liar) next() byte {
	if len(l.program) == 0 {
		return 0
	}
	b := l.program[0]
	l.program = l.program[1:]
	return b
}

// number returns one that is likely to matter, near to a true one or not.
func (l *liar) number(right uint64) uint64 {
	switch b := l.next(); {
	case b < 0x20:
		return right
	case b < 0x40:
		return right + 1
	case b < 0x60:
		return right - 1
	case b < 0x70:
		return 1<<64 - 1
	case b < 0x80:
		return 1 << (b & 0x3f)
	default:
		return uint64(b & 7)
	}
}

// tamper is for a world.
func (l *liar) tamper(from, to *node, m wire.Message) bool {
	switch what := l.next(); {
	case what < 0x80:
		return true
	case what < 0x90:
		return false
	case what < 0xa0:
		l.forge(from, to)
	case what < 0xa8: // it comes later, and changed
		var e wire.Encoder
		l.change(m)
		b := e.Append(nil, &wire.Header{From: from.peer}, m)
		l.w.at(l.w.now+time.Duration(l.next())*50*time.Millisecond, func() { l.w.send(from, to, b) })
	default:
		l.change(m)
	}
	return true
}

// change changes a field of a message.
func (l *liar) change(m wire.Message) {
	op := func(p *wire.OpNumber) { *p = wire.OpNumber(l.number(uint64(*p))) }
	chunk := func(p *uint64) { *p = l.number(*p) }
	switch m := m.(type) {
	case *wire.GetManifest:
		op(&m.MinOp)
		op(&m.Op)
		m.Part = l.number(m.Part)
	case *wire.GetBlocks:
		op(&m.Op)
		chunk(&m.Chunk)
	case *wire.GetPiece:
		op(&m.Op)
		chunk(&m.Chunk)
		for i := range m.Runs {
			m.Runs[i].Offset = uint32(l.number(uint64(m.Runs[i].Offset)))
			m.Runs[i].Length = uint32(l.number(uint64(m.Runs[i].Length)))
		}
	case *wire.Manifest:
		op(&m.Op)
		m.Total, m.Count, m.Part = l.number(m.Total), l.number(m.Count), l.number(m.Part)
		m.Root[0] ^= l.next()
		m.Chunks = m.Chunks[:int(l.next())%(len(m.Chunks)+1)]
		for i := range m.Chunks {
			m.Chunks[i].Length = uint32(l.number(uint64(m.Chunks[i].Length)))
			m.Chunks[i].Digest[3] ^= l.next()
		}
	case *wire.Blocks:
		op(&m.Op)
		chunk(&m.Chunk)
		for i := range m.Blocks {
			if l.next() > 0x80 {
				m.Blocks[i].Hash = m.Blocks[int(l.next())%len(m.Blocks)].Hash
				m.Blocks[i].Length = uint32(l.number(uint64(m.Blocks[i].Length)))
			}
		}
		m.Blocks = m.Blocks[int(l.next()>>4)%(len(m.Blocks)+1):]
	case *wire.Piece:
		op(&m.Op)
		chunk(&m.Chunk)
		var parts wire.Parts
		for rest := m.Parts; ; {
			offset, body, ok := rest.Next()
			if !ok {
				break
			}
			if b := l.next(); b < 0x40 {
				continue
			} else if b < 0x80 && len(body) > 0 {
				body[int(l.next())%len(body)] ^= b
			} else if b < 0xc0 {
				offset = uint32(l.number(uint64(offset)))
			}
			parts = parts.Append(offset, body)
		}
		m.Parts = parts
	case *wire.TransferRefused:
		op(&m.Op)
		chunk(&m.Chunk)
		m.Why = wire.TransferBusy + wire.TransferRefusal(l.next())%wire.TransferFailed
		m.RetryMillis = l.number(m.RetryMillis)
	}
}

// forge has one end say something out of the blue.
func (l *liar) forge(from, to *node) {
	messages := []wire.Message{
		&wire.GetManifest{}, &wire.Manifest{Chunks: make([]wire.Chunk, l.next())}, &wire.GetBlocks{}, &wire.Blocks{Blocks: make([]wire.Block, l.next())},
		&wire.GetPiece{Runs: make([]wire.Run, l.next())}, &wire.Piece{Parts: wire.Parts{}.Append(0, make([]byte, l.next()))},
		&wire.TransferRefused{}, &wire.Commit{},
	}
	m := messages[int(l.next())%len(messages)]
	l.change(m)
	if r, ok := m.(*wire.TransferRefused); ok && r.Why == 0 {
		r.Why = wire.TransferGone
	}
	h := &wire.Header{From: []wire.Peer{from.peer, to.peer, 77, 1 << 63}[l.next()%4]}
	to.Source.Step(l.w.now, h, m, &to.out)
	to.Target.Step(l.w.now, h, m, &to.out)
	l.w.collect(to)
}

// lie runs a transfer among liars. At no time a chunk is taken for stored that is not, and in the
// end, when all are honest, the state is there.
func lie(t rapid.TB, program []byte) {
	if len(program) > 1000 {
		return
	}
	state := newTable(1, 150, 1000)
	w := newWorld(t, 1, 3)
	w.offer(10, state, 1, 2)
	l := &liar{w, program}
	var old table
	if l.next()&1 == 1 {
		old = state.change(2, 0.3)
	}
	w.tamper = l.tamper
	n := w.need(3, 10, old, 1, 2)
	buffer := make([]byte, ChunkMax)
	for step := range 300 {
		w.step(w.now + time.Second)
		if step%30 > 0 || n.manifest == nil || n.Target.has == nil {
			continue
		}
		for i, slot := range n.slots {
			if c, ok := checkSlot(n.Target.has.spool, slot-1, buffer); slot > 0 && (!ok || c != n.manifest.Chunks[i]) {
				t.Fatalf("chunk %d is not what the manifest says", i)
			}
		}
	}
	l.program = nil
	if !n.has(EventRestored) {
		w.mustRestore(n, 10, state)
	}
}

func TestLiars(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) { lie(r, rapid.SliceOfN(rapid.Byte(), 20, 400).Draw(r, "program")) })
}

func FuzzLiars(f *testing.F) {
	f.Add([]byte{0, 0x95, 3, 0xb0, 0x50, 0xff})
	f.Add([]byte{1, 0, 0, 0xff, 0x50, 0x50, 0x90, 0x80, 0xf0, 0xf1, 0xf2, 0xf3})
	f.Fuzz(func(t *testing.T, program []byte) { lie(t, program) })
}
