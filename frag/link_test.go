package frag

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/frag/noise"
	"vrnode/netem/link"
	"vrnode/wire"
)

// A lab is a few endpoints and links between them, in virtual time.
type lab struct {
	t       testing.TB
	rng     *rand.Rand
	now     time.Duration
	ends    []*end
	flights []flight
	// Settings are those of all links that are not in own.
	link.Settings
	links, own map[way]*link.Link
	// damage changes a datagram on its way; nil leaves it alone.
	damage func(b []byte)
	// filter tells whether a datagram passes; nil passes all.
	filter func(from, to *end, b []byte) bool
	// watch sees an end with all that it is about to send; it may be nil.
	watch func(from *end)
	trace *xxhash.Digest
	sent  int
	// keys are those of ends that are added; none for plain mode.
	keys []noise.Key
}

// A way is from one end to another.
type way struct{ from, to *end }

// An end is an endpoint with its address and what was delivered to it.
type end struct {
	*Endpoint
	id   wire.Peer
	addr netip.AddrPort
	keys []noise.Key
	out  Effects
	got  []message
	// ticks counts how often it was woken.
	ticks int
	// onMessage, if set, is called instead of collecting.
	onMessage func(Delivery)
}

type message struct {
	from  wire.Peer
	bytes []byte
}

type flight struct {
	at       time.Duration
	from, to *end
	bytes    []byte
	order    int
}

func addressOf(id wire.Peer) netip.AddrPort {
	if id.IsClient() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(id >> 24), byte(id >> 16)}), 7000)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(id >> 8), byte(id)}), 7000)
}

func newLab(t testing.TB, seed uint64, ids ...wire.Peer) *lab {
	return newLabWith(t, seed, nil, ids...)
}

// newLabWith returns a lab in the mode that the keys make.
func newLabWith(t testing.TB, seed uint64, keys []noise.Key, ids ...wire.Peer) *lab {
	l := &lab{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), trace: xxhash.New(), keys: keys,
		links: map[way]*link.Link{}, own: map[way]*link.Link{},
	}
	l.Delay.Mean = 100 * time.Microsecond
	for i, id := range ids {
		l.add(id, 1, seed+uint64(i)*7919, ids...)
	}
	return l
}

func (l *lab) add(id wire.Peer, incarnation wire.Incarnation, seed uint64, ids ...wire.Peer) *end {
	n := &end{id: id, addr: addressOf(id), keys: l.keys}
	n.start(incarnation, seed, ids...)
	l.ends = append(l.ends, n)
	return n
}

func (n *end) start(incarnation wire.Incarnation, seed uint64, ids ...wire.Peer) {
	var replicas []Address
	for _, r := range ids {
		if r.IsReplica() {
			replicas = append(replicas, Address{r, addressOf(r)})
		}
	}
	n.Endpoint = New(Config{
		Self: n.id, Incarnation: incarnation, Seed: seed, Replicas: replicas,
		Keys: n.keys, Entropy: [32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), byte(seed >> 32), byte(n.id), byte(n.id >> 16)},
	})
	n.got = nil
}

// oneKey is for labs in secure mode.
var oneKey = []noise.Key{{1, 2, 3}}

// inBothModes runs a test in plain and in secure mode.
func inBothModes(t *testing.T, test func(t *testing.T, keys []noise.Key)) {
	t.Run("plain", func(t *testing.T) { test(t, nil) })
	t.Run("secure", func(t *testing.T) { test(t, oneKey) })
}

// someKeys has one seed in three be of secure mode.
func someKeys(seed uint64) []noise.Key {
	if seed%3 == 2 {
		return oneKey
	}
	return nil
}

// tick runs one endpoint and puts what it sends on the network.
func (l *lab) tick(n *end) {
	n.ticks++
	n.Tick(l.now, &n.out)
	if d := n.Deadline(); d <= l.now {
		l.t.Fatalf("%v at %v: Deadline %v after Tick", n.id, l.now, d)
	}
	l.collect(n)
}

func (l *lab) collect(n *end) {
	for _, m := range n.out.Messages {
		if n.onMessage != nil {
			n.onMessage(m)
			continue
		}
		n.got = append(n.got, message{m.From, bytes.Clone(m.Bytes)})
	}
	if l.watch != nil {
		l.watch(n)
	}
	for _, d := range n.out.Datagrams {
		if len(d.Bytes) > wire.DatagramMax {
			l.t.Fatalf("a datagram of %d bytes", len(d.Bytes))
		}
		fmt.Fprintf(l.trace, "%d %v %v ", l.now, n.id, d.Addr)
		l.trace.Write(d.Bytes)
		l.route(n, d)
	}
	n.out.Reset()
}

func (l *lab) route(from *end, d wire.Datagram) {
	at := slices.IndexFunc(l.ends, func(n *end) bool { return n.addr == d.Addr })
	if at < 0 {
		return
	}
	to := l.ends[at]
	l.sent++
	if l.filter != nil && !l.filter(from, to, d.Bytes) {
		return
	}
	arrivals, _ := l.link(from, to).Send(l.now, len(d.Bytes))
	for _, a := range arrivals {
		b := bytes.Clone(d.Bytes)
		if a.Flip != link.NoFlip {
			b[a.Flip/8] ^= 1 << (a.Flip % 8)
		}
		if l.damage != nil {
			l.damage(b)
		}
		l.inject(from, to, b, a.At-l.now)
	}
}

// link returns the link of a way.
func (l *lab) link(from, to *end) *link.Link {
	w := way{from, to}
	if own := l.own[w]; own != nil {
		return own
	}
	if l.links[w] == nil {
		l.links[w] = link.New(l.Settings, l.rng.Uint64())
	}
	l.links[w].Set(l.now, l.Settings)
	return l.links[w]
}

// inject puts a datagram on the network, to arrive after delay.
func (l *lab) inject(from, to *end, b []byte, delay time.Duration) {
	f := flight{l.now + delay, from, to, b, l.sent}
	at, _ := slices.BinarySearchFunc(l.flights, f, func(x, y flight) int {
		if x.at <= y.at {
			return -1
		}
		return 1
	})
	l.flights = slices.Insert(l.flights, at, f)
}

// run lets time pass until done says so, and fails after limit. It returns the time that passed.
func (l *lab) run(limit time.Duration, done func() bool) time.Duration {
	l.t.Helper()
	start := l.now
	for steps := 0; !done(); steps++ {
		next := Never
		for _, n := range l.ends {
			next = min(next, n.Deadline())
		}
		if len(l.flights) > 0 {
			next = min(next, l.flights[0].at)
		}
		if next > start+limit || steps > 5_000_000 {
			l.t.Fatalf("not done after %v and %d steps", l.now-start, steps)
		}
		l.now = max(l.now, next)
		l.step()
	}
	return l.now - start
}

// pass lets this much time pass.
func (l *lab) pass(d time.Duration) {
	end := l.now + d
	for {
		next := Never
		for _, n := range l.ends {
			next = min(next, n.Deadline())
		}
		if len(l.flights) > 0 {
			next = min(next, l.flights[0].at)
		}
		if next > end {
			l.now = end
			return
		}
		l.now = max(l.now, next)
		l.step()
	}
}

// step delivers what arrives at this instant and runs every endpoint that has something to do.
func (l *lab) step() {
	for len(l.flights) > 0 && l.flights[0].at <= l.now {
		f := l.flights[0]
		l.flights = l.flights[1:]
		f.to.Step(l.now, f.from.addr, f.bytes, &f.to.out)
		l.collect(f.to)
	}
	for _, n := range l.ends {
		if n.Deadline() <= l.now {
			l.tick(n)
		}
	}
}

// connect opens a session between two ends and lets it settle.
func (l *lab) connect(a, b *end) {
	l.t.Helper()
	if !a.SendLatest(l.now, b.id, 31, []byte("connect")) {
		l.t.Fatal("refused")
	}
	l.run(time.Second, func() bool {
		x, _ := a.PeerStats(b.id)
		y, _ := b.PeerStats(a.id)
		return x.Connected && y.Connected && len(b.got) > 0
	})
	l.pass(50 * time.Millisecond)
	a.got, b.got = nil, nil
}

// text returns n reproducible bytes.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (m message) String() string { return fmt.Sprintf("%v:%.20q", m.from, m.bytes) }
