package frag

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/wire"
)

// TestTorture restarts ends, cuts links and plays the whole network trick book for a while, with
// all datagrams of the past coming back now and then; then the network heals. At any time nothing
// is delivered twice in a session or damaged, and in the end all ends can talk to each other.
func TestTorture(t *testing.T) {
	race.SkipLong(t)
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		torture(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type delivered struct {
	to, from wire.Peer
	session  wire.SessionIndex
	id       uint64
}

func torture(t *testing.T, seed uint64) {
	client := wire.ClientPeer(1<<40, 0)
	ids := []wire.Peer{1, 2, 3, client}
	l := newLabWith(t, seed, someKeys(seed), ids...)
	lossy(l)
	l.Loss.Random = 0.1 * float64(seed%4)
	cut := map[[2]wire.Peer]bool{}
	var past []flight
	l.filter = func(from, to *end, b []byte) bool {
		if len(past) < 2000 {
			past = append(past, flight{from: from, to: to, bytes: bytes.Clone(b)})
		} else if i := l.rng.IntN(20 * len(past)); i < len(past) {
			past[i] = flight{from: from, to: to, bytes: bytes.Clone(b)}
		}
		return !cut[[2]wire.Peer{from.id, to.id}]
	}
	l.watch = func(n *end) { n.checkLanes(t) }
	seen := map[delivered]bool{}
	last := map[[2]wire.Peer]uint64{}
	restarts := uint64(0)
	for _, n := range l.ends {
		n.onMessage = func(m Delivery) {
			id := binary.LittleEndian.Uint64(m.Bytes[len(m.Bytes)-8:])
			if !bytes.Equal(m.Bytes, numbered(id, m.From, len(m.Bytes))) {
				t.Errorf("%v got a damaged message from %v", n.id, m.From)
			}
			d := delivered{n.id, m.From, n.session(m.From).index, id}
			if seen[d] {
				t.Errorf("%v got message %d from %v twice", n.id, id, m.From)
			}
			seen[d] = true
			last[[2]wire.Peer{m.From, n.id}] = id
		}
	}
	next := uint64(0)
	send := func(from *end, to wire.Peer) {
		size := 8 + l.rng.IntN(200)
		if l.rng.IntN(20) == 0 {
			size = 8 + l.rng.IntN(200_000)
		}
		next++
		if l.rng.IntN(3) == 0 && size <= SlotMax {
			from.SendLatest(l.now, to, uint8(l.rng.IntN(SlotsMax)), numbered(next, from.id, size))
		} else {
			until := Never
			if l.rng.IntN(4) == 0 {
				until = l.now + time.Duration(l.rng.Int64N(2e7))
			}
			from.SendUntil(l.now, until, to, Lane(l.rng.IntN(LanesMax)), numbered(next, from.id, size))
		}
	}
	pick := func() *end { return l.ends[l.rng.IntN(len(l.ends))] }
	for range 400 {
		switch from, to := pick(), pick(); l.rng.IntN(40) {
		case 0:
			restarts++
			from.start(wire.Incarnation(l.rng.IntN(10)), seed<<32|restarts, ids...)
		case 1:
			cut[[2]wire.Peer{from.id, to.id}] = true
		case 2, 3:
			clear(cut)
		case 4:
			for range min(l.rng.IntN(100), len(past)) {
				f := past[l.rng.IntN(len(past))]
				l.inject(f.from, f.to, bytes.Clone(f.bytes), time.Duration(l.rng.Int64N(1e9)))
			}
		case 5:
			l.MTU = [...]int{0, 9000, 1500, 1300, 1228}[l.rng.IntN(5)]
		default:
			if from != to {
				send(from, to.id)
			}
		}
		wait := time.Duration(l.rng.Int64N(5e6))
		if l.rng.IntN(100) == 0 {
			wait = time.Duration(l.rng.Int64N(7e9))
		}
		l.pass(wait)
	}
	clear(cut)
	l.Loss.Random, l.Duplicate = 0, 0
	l.pass(2 * silenceMax)
	for _, from := range l.ends {
		for _, to := range l.ends {
			if from == to || from.id.IsReplica() && to.id.IsClient() {
				continue // a client is only answered
			}
			next++
			want := next
			for tries := 0; last[[2]wire.Peer{from.id, to.id}] != want; tries++ {
				if tries == 3 {
					t.Errorf("%v can not reach %v", from.id, to.id)
					break
				}
				from.Send(l.now, to.id, 1, numbered(want, from.id, 100))
				l.pass(time.Second)
			}
		}
	}
	l.pass(2*silenceMax + time.Second)
	for _, n := range l.ends {
		if s := n.Stats(); s.Queued != 0 || s.Receiving != 0 || n.Deadline() != Never {
			t.Errorf("%v is not idle in the end: %d queued, %d receiving, deadline %v at %v", n.id, s.Queued, s.Receiving, n.Deadline(), l.now)
		}
	}
}

// checkLanes tells whether what is kept of the messages on their way out agrees with what they are.
func (e *Endpoint) checkLanes(t *testing.T) {
	t.Helper()
	queued := 0
	peers := slices.AppendSeq(slices.Clone(e.replicas), maps.Values(e.clients))
	for _, p := range peers {
		for i := range p.out {
			l := &p.out[i]
			bytes, started, lost := 0, 0, 0
			for id := l.begun.head; id < l.begun.tail; id++ {
				m := l.begun.at(id)
				if m == nil {
					continue
				}
				bytes, started, lost = bytes+cap(m.buffer), started+m.total, lost+m.lost
				if m.sent == 0 || id+1 < l.begun.tail && m.sent < m.cells || m.lost > 0 && id < l.lostFrom {
					t.Fatalf("%v: message %d of %d … %d, lost from %d: %+v", e.self, id, l.begun.head, l.begun.tail, l.lostFrom, m)
				}
			}
			for j := l.waiting.head; j != l.waiting.tail; j++ {
				m := l.waiting.at(j)
				bytes += cap(m.buffer)
				if m.sent > 0 || m.acked > 0 || m.lost > 0 {
					t.Fatalf("%v: a message that waits was sent: %+v", e.self, m)
				}
			}
			if p.session.active && (started != l.started || lost != l.lost) || bytes != l.bytes || l.begun.len() > windowMessages {
				t.Fatalf("%v: lane %d has %d bytes, %d of them started, %d cells lost: %+v", e.self, i, bytes, started, lost, l)
			}
			queued += bytes
		}
	}
	if queued != e.queued {
		t.Fatalf("%v: %d bytes are queued, %d said", e.self, queued, e.queued)
	}
}
