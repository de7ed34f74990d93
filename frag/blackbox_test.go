package frag

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/netem/link"
	"vrnode/wire"
)

// The black-box suite: what a user of the transport relies on, whatever is inside. It has twelve
// cases, each a test whose name begins with TestCase and its number, so that go test -run TestCase03
// runs all there is of the third. They run on the links of netem/link, in virtual time; where a
// socket or a kernel matters, also there.
//
//	                                       here, in blackbox_*     on sockets            in a kernel
//	 1  loss, duplicates, order, jitter    test
//	 2  damage that UDP does not see       test
//	 3  restart, kill -9, old datagrams    restart                 frag/udp
//	 4  the MTU changes, black holes       network                                       netem/kernel
//	 5  priority beside bulk               network                                       netem/kernel
//	 6  floods                             flood                   internal/siege
//	 7  a slow reader                      network
//	 8  outages and one-way partitions     network                 frag/udp
//	 9  sockets that fail                  network                 frag/udp              netem/kernel
//	10  clocks that jump                   clock
//	11  one seed, one trace                clock
//	12  no allocation, no race             alloc_test.go           frag/udp
//
// The ninth has more in frag/udp/faults_linux_test.go, with a kernel that refuses on purpose. The tests
// beside these know what is inside.

// A traffic is messages from every end to every other one, each of which says whose it is, for whom,
// and which.
type traffic struct {
	l *lab
	// count is how many messages go each way.
	count int
	sizes []int
	sent  map[way]int
	got   map[way]map[uint64]int // how often, by number
	total int                    // different ones that arrived
}

// everySize are lengths around every boundary that a message may have.
var everySize = []int{8, 20, 63, 64, 65, 300, wire.SingleMax, wire.SingleMax + 1, 2000, 9000, 64 << 10}

func newTraffic(l *lab, count int, sizes ...int) *traffic {
	tr := &traffic{l: l, count: count, sizes: sizes, sent: map[way]int{}, got: map[way]map[uint64]int{}}
	for at, n := range l.ends {
		n.onMessage = func(m Delivery) { tr.take(n, uint64(at), m) }
	}
	return tr
}

// take checks a message that was delivered to an end.
func (tr *traffic) take(n *end, at uint64, m Delivery) {
	number := binary.LittleEndian.Uint64(m.Bytes[len(m.Bytes)-8:])
	from := tr.end(m.From)
	if from == nil || number>>32 != at || !bytes.Equal(m.Bytes, numbered(number, m.From, len(m.Bytes))) {
		tr.l.t.Errorf("%v got message %x of %d bytes from %v, which is damaged or not its own", n.id, number, len(m.Bytes), m.From)
		return
	}
	w := way{from, n}
	if tr.got[w] == nil {
		tr.got[w] = map[uint64]int{}
	}
	if tr.got[w][number]++; tr.got[w][number] == 1 {
		tr.total++
	}
}

func (tr *traffic) end(id wire.Peer) *end {
	for _, n := range tr.l.ends {
		if n.id == id {
			return n
		}
	}
	return nil
}

// send has every end send what its queues take, and tells how many messages there are in all.
func (tr *traffic) send() (all int) {
	for _, from := range tr.l.ends {
		for at, to := range tr.l.ends {
			if from == to {
				continue
			}
			w := way{from, to}
			for tr.sent[w] < tr.count {
				i := uint64(tr.sent[w])
				size := tr.sizes[(i*2654435761>>7)%uint64(len(tr.sizes))]
				if !from.Send(tr.l.now, to.id, Lane(i%LanesMax), numbered(uint64(at)<<32|i, from.id, size)) {
					break // a full queue, or a client that was not heard yet
				}
				tr.sent[w]++
			}
			all += tr.count
		}
	}
	return all
}

// finish lets everything arrive and looks whether all did, once.
func (tr *traffic) finish(limit time.Duration) {
	tr.l.t.Helper()
	tr.l.run(limit, func() bool { return tr.send() == tr.total })
	tr.l.pass(5 * time.Second) // for whatever comes late
	for w, numbers := range tr.got {
		for number, times := range numbers {
			if times != 1 {
				tr.l.t.Errorf("message %x from %v to %v was delivered %d times", number, w.from.id, w.to.id, times)
			}
		}
	}
	for _, n := range tr.l.ends {
		if s := n.Stats(); s.Queued != 0 || s.Receiving != 0 {
			tr.l.t.Errorf("%v still has %d bytes to send and holds %d", n.id, s.Queued, s.Receiving)
		}
	}
}

// TestCase01Impairments: whatever a network does that is not damage, everything is delivered, once in
// a session, as it was sent and to whom.
func TestCase01Impairments(t *testing.T) {
	loss := func(p float64) func(*link.Settings) { return func(s *link.Settings) { s.Loss.Random = p } }
	for _, c := range []struct {
		name string
		set  func(s *link.Settings)
	}{
		{"nothing", func(*link.Settings) {}},
		{"loss of 1 %", loss(0.01)},
		{"loss of 5 %", loss(0.05)},
		{"loss of 30 %", loss(0.3)},
		{"loss in bursts", func(s *link.Settings) { s.Loss.Burst = link.Burst{Turn: 0.01, Mend: 0.1, Bad: 1} }},
		{"duplicates", func(s *link.Settings) { s.Duplicate = 0.05 }},
		{"reordering", func(s *link.Settings) { s.Reorder = 0.25 }},
		{"jitter", func(s *link.Settings) { s.Delay.Jitter = 2 * time.Millisecond }},
		{"all of it", func(s *link.Settings) {
			s.Loss.Random, s.Duplicate, s.Reorder, s.Delay.Jitter = 0.05, 0.05, 0.25, 2*time.Millisecond
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, keys []noise.Key) {
				l := newLabWith(t, 1, keys, 1, 2, 3, wire.ClientPeer(1<<40, 0))
				l.Delay.Mean = 3 * time.Millisecond // by which who does not wait overtakes
				c.set(&l.Settings)
				newTraffic(l, 60, everySize...).finish(2 * time.Minute)
				for _, n := range l.ends {
					if s := n.Stats(); s.Dropped(ReasonWindow) != 0 || s.Dropped(ReasonBudget) != 0 || s.Dropped(ReasonChecksum) != 0 {
						t.Errorf("%v dropped %d beyond the window, %d over budget, %d as damaged", n.id,
							s.Dropped(ReasonWindow), s.Dropped(ReasonBudget), s.Dropped(ReasonChecksum))
					}
					for _, other := range l.ends {
						if s, ok := n.PeerStats(other.id); ok && other != n && (!s.Connected || c.name == "nothing" && s.Lost > 0) {
							t.Errorf("%v has lost %d datagrams to %v, connected %v", n.id, s.Lost, other.id, s.Connected)
						}
					}
				}
			})
		})
	}
}

// numbered returns a message whose content tells its number and sender.
func numbered(id uint64, from wire.Peer, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(id*31 + uint64(from)*17 + uint64(i)*7)
	}
	binary.LittleEndian.PutUint64(b[n-8:], id)
	return b
}

// udpSum is the checksum of UDP over a datagram, as far as its bytes contribute to it: the sum of its
// 16-bit words in ones' complement.
func udpSum(b []byte) uint32 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum % 0xffff
}

// A part of a datagram is where damage may be.
type part string

// words returns the 16-bit words that the part consists of, from low up to high.
func (p part) words(d []byte) (low, high int) {
	used := (wire.DatagramHeaderSize + int(binary.LittleEndian.Uint16(d[2:])) + 1) / 2
	switch p {
	case "header":
		return 0, wire.SealedHeaderSize / 2
	case "contents":
		return wire.SealedHeaderSize / 2, len(d) / 2
	case "padding":
		if typeOf(d) != wire.DatagramData {
			return used, len(d) / 2
		}
		return 0, 0
	}
	return 0, len(d) / 2
}

// TestCase02Damage: not one damaged datagram gets through, wherever the damage is, and each is counted;
// what UDP's own checksum does not see neither.
func TestCase02Damage(t *testing.T) {
	word := func(b []byte, i int) uint16 { return binary.BigEndian.Uint16(b[2*i:]) }
	put := func(b []byte, i int, v uint16) { binary.BigEndian.PutUint16(b[2*i:], v) }
	for _, c := range []struct {
		name  string
		blind bool // UDP's checksum is
		// damage changes words low to high of a datagram, if its dice find something to change.
		damage func(l *lab, b []byte, low, high int)
	}{
		{"a bit", false, func(l *lab, b []byte, low, high int) {
			b[2*low+l.rng.IntN(2*(high-low))] ^= 1 << l.rng.IntN(8)
		}},
		{"two words swapped", true, func(l *lab, b []byte, low, high int) {
			i, j := low+l.rng.IntN(high-low), low+l.rng.IntN(high-low)
			x, y := word(b, i), word(b, j)
			put(b, i, y)
			put(b, j, x)
		}},
		{"one word up, one down", true, func(l *lab, b []byte, low, high int) {
			i, j := low+l.rng.IntN(high-low), low+l.rng.IntN(high-low)
			if x, y := word(b, i), word(b, j); i != j && x < 0xffff && y > 0 {
				put(b, i, x+1)
				put(b, j, y-1)
			}
		}},
		{"zeros to ones", true, func(l *lab, b []byte, low, high int) {
			if i := low + l.rng.IntN(high-low); word(b, i) == 0 {
				put(b, i, 0xffff)
			}
		}},
	} {
		for _, place := range []part{"header", "contents", "anywhere", "padding"} {
			if place == "padding" && c.name != "a bit" && c.name != "zeros to ones" {
				continue // it is all zeros
			}
			t.Run(c.name+" in "+string(place), func(t *testing.T) {
				inBothModes(t, func(t *testing.T, keys []noise.Key) {
					labs, messages := uint64(1), 300
					if place == "padding" {
						labs, messages = 40, 1 // only a handshake has it
					}
					damaged, dropped := uint64(0), uint64(0)
					var why []Reason
					for seed := range labs {
						l := newLabWith(t, seed, keys, 1, 2)
						innocent := uint64(0)
						l.damage = func(d []byte) {
							low, high := place.words(d)
							before := bytes.Clone(d)
							for tries := 100 * l.rng.IntN(2) * l.rng.IntN(2); tries > 0 && low < high && bytes.Equal(d, before); tries-- {
								c.damage(l, d, low, high)
							}
							switch is := typeOf(d); {
							case !bytes.Equal(d, before):
								damaged++
							case is == wire.DatagramReset || is == wire.DatagramDenial:
								innocent++ // says of a damaged datagram that it makes no sense, and is not believed
							}
							if c.blind && udpSum(d) != udpSum(before) {
								t.Fatal("UDP would see this")
							}
						}
						// One of them begins, or HELLOs cross, and some are dropped for that.
						l.ends[0].SendLatest(0, 2, 0, []byte("begin"))
						l.run(time.Minute, func() bool { return len(l.ends[1].got) == 1 })
						newTraffic(l, messages, 8, 500, 5000).finish(time.Minute)
						for _, n := range l.ends {
							for r := range reasonMax {
								if many := n.Stats().Dropped(r + 1); many > 0 {
									dropped += many
									why = append(why, r+1)
								}
							}
						}
						dropped -= innocent
						if s, _ := l.ends[0].PeerStats(2); s.Sessions > 2 || messages > 1 && s.Sessions != 1 {
							t.Errorf("%d sessions", s.Sessions)
						}
					}
					if damaged == 0 || dropped != damaged {
						t.Errorf("%d datagrams were damaged, %d dropped for it, for %v", damaged, dropped, why)
					}
				})
			})
		}
	}
}
