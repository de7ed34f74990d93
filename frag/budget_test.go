package frag

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/frag/noise"
	"vrnode/internal/race"
	"vrnode/wire"
)

// A forger sends an endpoint whatever it likes in the name of a peer that has a session with it.
type forger struct {
	l      *lab
	victim *end
	peer   *end
	out    Effects
}

func newForger(t *testing.T, keys []noise.Key) *forger {
	l := newLabWith(t, 1, keys, 1, 2)
	l.connect(l.ends[0], l.ends[1])
	return &forger{l: l, victim: l.ends[0], peer: l.ends[1]}
}

// send stamps frames as the next datagram of the session.
func (f *forger) send(frames []byte) {
	f.victim.Step(f.l.now, f.peer.addr, f.peer.session(f.victim.id).datagram(frames), &f.out)
}

// datagram returns the next datagram of a session, with these frames.
func (s *session) datagram(frames []byte) []byte {
	head, _ := s.seal.headAndTail()
	d := append(make([]byte, head), frames...)
	d = s.seal.stamp(d, &wire.DatagramHeader{Length: uint16(len(frames)), To: s.remoteIndex, Number: s.sent.next}, s.bindOut)
	s.sent.next++
	return d
}

func (f *forger) fragment(lane uint8, id uint64, cell, total int, b []byte) {
	f.send(wire.AppendData(nil, &wire.Data{Lane: lane, ID: id, Cell: uint32(cell), Total: uint32(total), Bytes: b}))
}

func (f *forger) dropped(r Reason) uint64 { return f.victim.Stats().Dropped(r) }

func TestFirstFragmentFlood(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		f := newForger(t, keys)
		cell := make([]byte, wire.CellSize)
		for id := range uint64(5000) {
			for lane := range uint8(LanesMax) {
				f.fragment(lane, 1+id, 0, 1<<20, cell)
			}
		}
		got := f.victim.Stats().Receiving
		most := 0
		for lane, n := range windowBytes {
			most += 2 * n
			if used := f.victim.session(2).in[lane].bytes; used > n {
				t.Errorf("lane %d holds %d bytes", lane, used)
			}
		}
		if got > most || f.dropped(ReasonBudget) == 0 || f.dropped(ReasonWindow) == 0 {
			t.Errorf("%d bytes are held; %d over budget, %d outside the window", got, f.dropped(ReasonBudget), f.dropped(ReasonWindow))
		}
		if n := f.victim.session(2).received.count; n > wire.AckRangesMax {
			t.Errorf("%d ranges", n)
		}
		// The victim is not hurt: messages of a cell still arrive, and all is released in the end.
		f.send(wire.AppendLatest(nil, &wire.Latest{Key: 1, Seq: 1 << 40, Bytes: []byte("alive")}))
		if n := len(f.out.Messages); n != 1 {
			t.Errorf("%d messages were delivered", n)
		}
		f.l.ends = f.l.ends[:1]
		f.l.pass(2*silenceMax + time.Second)
		if s := f.victim.Stats(); s.Receiving != 0 {
			t.Errorf("%d bytes are held for ever", s.Receiving)
		}
	})
}

func TestGapPattern(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		f := newForger(t, keys)
		want := text(1, 100_000)
		whole := binary.LittleEndian.AppendUint64(append([]byte(nil), want...), xxhash.Sum64(want))
		cells := cellsOf(len(whole))
		put := func(c int) {
			f.fragment(3, 1, c, len(whole), whole[c*wire.CellSize:min((c+1)*wire.CellSize, len(whole))])
		}
		for c := 0; c < cells; c += 2 {
			put(c)
			put(c)
		}
		held := f.victim.Stats().Receiving
		if held > 2*len(whole) || len(f.out.Messages) != 0 {
			t.Errorf("%d bytes are held", held)
		}
		for c := cells - 1 - cells%2; c > 0; c -= 2 {
			put(c)
		}
		if len(f.out.Messages) != 1 || string(f.out.Messages[0].Bytes) != string(want) {
			t.Errorf("%d messages were delivered", len(f.out.Messages))
		}
	})
}

func TestContradictions(t *testing.T) {
	cell := make([]byte, wire.CellSize)
	single := wire.AppendData(nil, &wire.Data{ID: 1, Bare: true, Total: 64, Bytes: cell})
	for _, c := range []struct {
		name string
		want Reason
		do   func(f *forger)
	}{
		{"another total", ReasonContradiction, func(f *forger) {
			f.fragment(0, 1, 0, 1000, cell)
			f.fragment(0, 1, 1, 1001, cell)
		}},
		{"whole after a fragment", ReasonContradiction, func(f *forger) {
			f.fragment(0, 1, 0, 1000, cell)
			f.send(single)
		}},
		{"without a trailer after with one", ReasonContradiction, func(f *forger) {
			f.fragment(0, 1, 0, 1000, cell)
			f.send(wire.AppendData(nil, &wire.Data{ID: 1, Bare: true, Cell: 1, Total: 1000, Bytes: cell}))
		}},
		{"wrong trailer", ReasonTrailer, func(f *forger) {
			f.fragment(0, 1, 0, 128, append(cell, cell...))
		}},
		{"outside the window", ReasonWindow, func(f *forger) { f.fragment(0, 1+windowMessages, 0, 1000, cell) }},
		{"acknowledges the future", ReasonAck, func(f *forger) {
			f.send(wire.AppendAck(nil, 0, []wire.Range{{Low: 1, High: 1 << 50}}))
		}},
		{"malformed", ReasonFrame, func(f *forger) { f.send([]byte{99}) }},
		{"duplicate", ReasonDuplicate, func(f *forger) {
			f.send(single)
			f.peer.session(1).sent.next--
			f.send(single)
		}},
	} {
		f := newForger(t, nil)
		c.do(f)
		if f.dropped(c.want) != 1 {
			t.Errorf("%s: not dropped for %v", c.name, c.want)
		}
		if active := f.victim.session(2).active; active == (c.want == ReasonTrailer) {
			t.Errorf("%s: the session is active: %v", c.name, active)
		}
	}
}

// TestBudgetOfEndpoint: many clients together can not take more than their part.
func TestBudgetOfEndpoint(t *testing.T) {
	race.SkipLong(t)
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	for i := range 80 {
		c := l.add(wire.ClientPeer(uint64(i+1)<<16, 0), 0, uint64(i), 1)
		for range 3 {
			c.Send(0, 1, 2, text(1, 1<<20))
		}
	}
	most := 0
	l.filter = func(from, to *end, d []byte) bool {
		most = max(most, a.Stats().Receiving)
		return from != a || l.rng.IntN(10) > 0
	}
	l.Delay.Mean = 20 * time.Millisecond
	count := 0
	a.onMessage = func(Delivery) { count++ }
	l.pass(50 * time.Millisecond)
	b.Send(l.now, 1, 1, text(2, 1<<20))
	l.run(time.Minute, func() bool { return count == 241 })
	if most > clientBudget+4<<20 || a.Stats().Dropped(ReasonBudget) == 0 {
		t.Errorf("%d bytes were held, %d datagrams over budget", most, a.Stats().Dropped(ReasonBudget))
	}
	if s := a.Stats(); s.Receiving != 0 {
		t.Errorf("%d bytes are still held", s.Receiving)
	}
}
