package frag

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"

	"vrnode/frag/noise"
	"vrnode/netem/link"
	"vrnode/wire"
)

// commands returns n reproducible bytes of the kind that a log is full of.
func commands(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, `{"op":"set","key":"user:%08x:session","value":"%016x","rev":%d}`+"\n", r.Uint32(), r.Uint64(), i)
	}
	return b[:n]
}

// learn sends incompressible bulk until the path has shown what it carries.
func (l *lab) learn(from, to *end) {
	l.t.Helper()
	h := l.haul(from, to)
	l.run(time.Minute, func() bool {
		if from.Stats().Queued < 4<<20 {
			from.Send(l.now, to.id, 3, h.message)
		}
		return from.session(to.id).control.bottleneck() > 0
	})
	l.run(time.Minute, func() bool { return from.Stats().Queued == 0 })
	to.onMessage = nil
}

// transfer sends a message and returns how long it takes.
func (l *lab) transfer(from, to *end, lane Lane, message []byte) time.Duration {
	l.t.Helper()
	to.got = nil
	if !from.Send(l.now, to.id, lane, message) {
		l.t.Fatal("refused")
	}
	took := l.run(time.Minute, func() bool { return len(to.got) == 1 })
	if !bytes.Equal(to.got[0].bytes, message) {
		l.t.Fatal("another message was delivered")
	}
	return took
}

// TestCompressionPays compares lane 3 with lane 2, which differ in nothing else while they are alone.
func TestCompressionPays(t *testing.T) {
	for _, mbits := range []int64{10, 100, 1000} {
		t.Run(fmt.Sprintf("%d Mbit per s", mbits), func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.narrow(a, b, bottleneck(mbits*megabit, 10*time.Millisecond, 2, 0))
			l.learn(a, b)
			message := commands(1, 1<<20)
			before := l.transfer(a, b, 2, message)
			after := l.transfer(a, b, 3, message)
			c := a.counters(2)
			t.Logf("1 MiB takes %v instead of %v; %d of its bytes are spared", after, before, c.Spared)
			if c.Compressed != 1 || c.Spared < 1<<19 {
				t.Errorf("%d messages were compressed, %d bytes spared", c.Compressed, c.Spared)
			}
			if mbits <= 100 && after > before*6/10 {
				t.Errorf("1 MiB takes %v instead of %v", after, before)
			}
		})
	}
}

// TestFastPathIsNotCompressed: nor one of which nothing is known yet.
func TestFastPathIsNotCompressed(t *testing.T) {
	for name, s := range map[string]link.Settings{
		"10 Gbit per s": bottleneck(10_000*megabit, 100*time.Microsecond, 8, 0),
		"no bottleneck": {Delay: link.Delay{Mean: 50 * time.Microsecond}},
		"far away":      {Delay: link.Delay{Mean: 25 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.narrow(a, b, s)
			for i := range uint64(30) {
				l.transfer(a, b, 1, commands(i, 20_000))
				l.transfer(a, b, 3, commands(i, 1<<20))
			}
			if c := a.counters(2); c.Compressed != 0 {
				t.Errorf("%d messages were compressed; the path carries %d", c.Compressed, a.session(2).control.carries())
			}
		})
	}
}

// slow makes a send at a rate that is fixed, and so known.
func (l *lab) slow(a *end) {
	var replicas []Address
	for _, n := range l.ends {
		replicas = append(replicas, Address{n.id, n.addr})
	}
	a.Endpoint = New(Config{Self: a.id, Incarnation: 9, Seed: 9, Replicas: replicas, Keys: a.keys, Entropy: [32]byte{9}, FixedRate: 10 * megabit / 8})
}

func TestWhatIsCompressed(t *testing.T) {
	const client = wire.Peer(1<<63 | 5<<16)
	text := commands(1, 20_000)
	for _, c := range []struct {
		name    string
		from    wire.Peer
		lane    Lane
		message []byte
		want    bool
	}{
		{"lane 0", 1, 0, text, false},
		{"lane 1", 1, 1, text, true},
		{"lane 2", 1, 2, text, false},
		{"lane 3", 1, 3, text, true},
		{"just a datagram", 1, 1, text[:wire.SingleMax], false},
		{"a byte more than a datagram", 1, 1, text[:wire.SingleMax+1], true},
		{"the longest", 1, 3, commands(1, MessageMax), true},
		{"what does not shrink", 1, 3, randomBytes(100_000), false},
		{"what begins as if it did not shrink", 1, 3, append(randomBytes(compressSample), text...), false},
		{"what only begins as if it shrank", 1, 3, append(bytes.Clone(text[:compressSample]), randomBytes(100_000)...), false},
		{"a client's", client, 3, text, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1, 2)
			b := l.ends[0]
			a := l.add(c.from, 1, 1, 2)
			l.slow(a)
			l.slow(b)
			l.connect(a, b)
			l.transfer(a, b, c.lane, c.message)
			if n := a.counters(2).Compressed; (n == 1) != c.want {
				t.Errorf("compressed: %d", n)
			}
			// And on the way back.
			l.transfer(b, a, c.lane, c.message)
			if n := b.counters(c.from).Compressed; (n == 1) != c.want {
				t.Errorf("compressed on the way back: %d", n)
			}
		})
	}
}

func randomBytes(n int) []byte { return text(7, n) }

// TestCompressedOnce: what goes to several peers in a row becomes a block once, and what is sent
// after it is not taken for it.
func TestCompressedOnce(t *testing.T) {
	var c compressor
	message := commands(1, 50_000)
	first, ok := c.compress(message, 1e6)
	if !ok {
		t.Fatal("not compressed")
	}
	first[len(first)-1] ^= 1 // shows whether it is made again
	again, _ := c.compress(bytes.Clone(message), 2e6)
	if &again[0] != &first[0] || again[len(again)-1] != first[len(first)-1] {
		t.Error("the same message was compressed again")
	}
	if _, ok := c.compress(message, compressSpeed); ok {
		t.Error("compressed for a fast path")
	}
	first[len(first)-1] ^= 1
	message[40_000] ^= 1
	other, ok := c.compress(message, 1e6)
	if got, err := s2.Decode(nil, other); !ok || err != nil || !bytes.Equal(got, message) {
		t.Error("another message was taken for the last one")
	}
}

// TestBlocksDoNotDependOnThePast: simulation and replay rest on it.
func TestBlocksDoNotDependOnThePast(t *testing.T) {
	var old compressor
	for i := range uint64(20) {
		message := commands(i, 2000+int(i*i)*2500)
		fresh, ok := new(compressor).compress(message, 1)
		fresh = bytes.Clone(fresh)
		old.compress(commands(100-i, 1000+int(i)*50_000), 1)
		if after, _ := old.compress(message, 1); !ok || !bytes.Equal(after, fresh) {
			t.Fatalf("%d bytes become another block after others", len(message))
		}
	}
}

// TestCompressedCrossesLoss: retransmissions are of the block. In secure mode there are none.
func TestCompressedCrossesLoss(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.slow(a)
		l.connect(a, b)
		l.Loss.Random, l.Duplicate = 0.2, 0.05
		for i := range uint64(20) {
			l.transfer(a, b, Lane(1+i%2*2), commands(i, 100_000))
		}
		want := uint64(20)
		if keys != nil {
			want = 0
		}
		if c := a.counters(2); c.Compressed != want || c.Retransmitted == 0 {
			t.Errorf("%d compressed, %d fragments again", c.Compressed, c.Retransmitted)
		}
	})
}

// bomb returns a block of a few bytes that stands for n zeros.
func bomb(n int) []byte {
	b := binary.AppendUvarint(nil, uint64(n))
	again := n - 5 - 65540
	return append(b, 0, 0, 1, 1, 7<<2|1, 0, byte(again), byte(again>>8), byte(again>>16))
}

func (f *forger) block(lane uint8, id uint64, block []byte) {
	f.send(wire.AppendData(nil, &wire.Data{Lane: lane, Bare: true, Compressed: true, ID: id, Total: uint32(len(block)), Bytes: block}))
}

// TestBombs: blocks that stand for much more than they are take no more memory than there is.
func TestBombs(t *testing.T) {
	f := newForger(t, nil)
	for id := uint64(1); id <= 900; id++ {
		f.block(1, id, bomb(MessageMax))
		if f.out.unpacked > receiveBudget-clientBudget {
			t.Fatalf("%d bytes are unpacked", f.out.unpacked)
		}
	}
	first := len(f.out.Messages)
	if first < 50 || f.dropped(ReasonBudget) != uint64(900-first) || !f.victim.session(2).active {
		t.Errorf("%d messages are delivered, %d over budget", first, f.dropped(ReasonBudget))
	}
	for _, m := range f.out.Messages {
		if len(m.Bytes) != MessageMax || bytes.ContainsFunc(m.Bytes, func(r rune) bool { return r != 0 }) {
			t.Fatal("a bomb became something else")
		}
	}
	// Once the effects are reset, what was refused arrives when it comes again, in fragments, too.
	f.out.Reset()
	f.block(1, 900, bomb(MessageMax))
	if len(f.out.Messages) != 1 {
		t.Error("a message that was refused does not arrive any more")
	}
}

func TestBlockWaitsForMemory(t *testing.T) {
	f := newForger(t, nil)
	message := commands(1, 20_000)
	block := s2.Encode(nil, message)
	whole := binary.LittleEndian.AppendUint64(bytes.Clone(block), xxhash.Sum64(block))
	send := func() {
		for at := 0; at < len(whole); at += wire.CellSize {
			f.send(wire.AppendData(nil, &wire.Data{
				Lane: 3, Compressed: true, ID: 1, Cell: uint32(at / wire.CellSize),
				Total: uint32(len(whole)), Bytes: whole[at:min(at+wire.CellSize, len(whole))],
			}))
		}
	}
	f.out.unpacked = receiveBudget
	send()
	if len(f.out.Messages) != 0 || f.dropped(ReasonBudget) != 1 {
		t.Fatalf("%d messages, %d over budget", len(f.out.Messages), f.dropped(ReasonBudget))
	}
	f.out.Reset()
	send()
	if len(f.out.Messages) != 1 || !bytes.Equal(f.out.Messages[0].Bytes, message) || f.victim.Stats().Receiving != 0 {
		t.Errorf("%d messages, %d bytes are held", len(f.out.Messages), f.victim.Stats().Receiving)
	}
}

// TestNoAllocationForCompression sends at a rate at which it pays. The library keeps its tables in a
// sync.Pool, which forgets some of them under the race detector: many runs make that less than one each.
func TestNoAllocationForCompression(t *testing.T) {
	const runs = 200
	p := newPairWith(t, Config{FixedRate: 50e6})
	message := commands(1, 64<<10)
	for i := range 300 {
		message[i] ^= 1
		p.send(t, Lane(1+i%2*2), message)
	}
	before := p.a.find(2).counters.Compressed
	i := 0
	if n := testing.AllocsPerRun(runs, func() { message[i] ^= 1; i++; p.send(t, 1, message) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := p.a.find(2).counters.Compressed - before; n != runs+1 {
		t.Errorf("%d messages were compressed", n)
	}
}

// FuzzBlock gives an endpoint an arbitrary block, and a message that becomes a block on its way.
func FuzzBlock(f *testing.F) {
	f.Add([]byte{})
	f.Add(bomb(MessageMax))
	f.Add(bomb(MessageMax + 1))
	f.Add(s2.Encode(nil, commands(1, 3000)))
	f.Fuzz(func(t *testing.T, block []byte) {
		e := New(Config{Self: 1, Incarnation: 1, Seed: 1, Replicas: []Address{{2, addressOf(2)}}})
		var out Effects
		var want []byte
		n, err := s2.DecodedLen(block)
		if err == nil && n <= MessageMax {
			want, err = s2.Decode(nil, block)
		}
		why := e.deliverBlock(e.find(2), block, &out)
		switch got := out.Messages; {
		case err != nil || len(want) == 0:
			if why != ReasonBlock || len(got) != 0 {
				t.Fatalf("%v, %d messages", why, len(got))
			}
		case why != 0 || len(got) != 1 || !bytes.Equal(got[0].Bytes, want):
			t.Fatalf("%v, %d messages", why, len(got))
		}
		out.Reset()
		if len(block) > 0 {
			made, ok := new(compressor).compress(block, 1)
			if got, err := s2.Decode(nil, made); ok && (err != nil || !bytes.Equal(got, block) || len(made) >= len(block)) {
				t.Fatal("a message has become another one")
			}
		}
	})
}
