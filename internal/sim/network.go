package sim

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"vrnode/netem/link"
)

// A network is a link for each direction between two sites, and the packets on their way. It
// outlives the processes at both ends of them. What happens to a packet is up to the link, but for
// two things that no link does: a packet may be held until the worst moment, and a slow one may
// come when everybody has forgotten it.
type network struct {
	// seed is that of all chances.
	seed   uint64
	random *rand.Rand // of hold and slow
	// usual is what a link does that nobody has set otherwise.
	usual link.Settings
	links [][]*link.Link // from, to; made when they are first needed
	nats  []nat          // of the sites
	// hold and slow are the chances of a packet, in parts of a thousand.
	hold, slow int
	holding    [][]bool // what is sent from a to b is held
	// held are packets of which nobody knows when they will be sent on, until release says so.
	held  []packet
	queue packets
	free  [][]byte
	seq   uint64
	// lose is asked about each packet before its link is, if it is not nil.
	lose func(from, to int, bytes []byte) bool
}

type packet struct {
	at       time.Duration
	seq      uint64 // breaks ties
	from, to int
	// port is that of from, door that of to, as their nats number them.
	port, door int
	bytes      []byte
}

const (
	heldMax = 4096 // packets held; the oldest is lost
	slower  = 30   // how many times longer a slow packet takes
)

func newNetwork(sites int, seed uint64) network {
	n := network{seed: seed, nats: make([]nat, sites), random: rand.New(rand.NewPCG(seed, 0))}
	for range sites {
		n.links = append(n.links, make([]*link.Link, sites))
		n.holding = append(n.holding, make([]bool, sites))
	}
	return n
}

// link returns the link of a direction.
func (n *network) link(from, to int) *link.Link {
	l := &n.links[from][to]
	if *l == nil {
		*l = link.New(n.usual, n.seed+uint64(from)<<48+uint64(to)<<32)
	}
	return *l
}

// setAll makes all links do the same from now on.
func (n *network) setAll(now time.Duration, s link.Settings) {
	n.usual = s
	for _, to := range n.links {
		for _, l := range to {
			if l != nil {
				l.Set(now, s)
			}
		}
	}
}

// cut takes the link from a to b down, or up again. What is under way arrives.
func (n *network) cut(now time.Duration, from, to int, down bool) {
	if n.links[from][to] == nil && n.usual.Down == down {
		return
	}
	l := n.link(from, to)
	if s := l.Settings(); s.Down != down {
		s.Down = down
		l.Set(now, s)
	}
}

// isolate cuts a site off from all others.
func (n *network) isolate(now time.Duration, site int) {
	for i := range n.links {
		n.cut(now, site, i, true)
		n.cut(now, i, site, true)
	}
}

// mend undoes all cuts and holds.
func (n *network) mend(now time.Duration) {
	for i := range n.links {
		for j := range n.links {
			n.cut(now, i, j, false)
		}
		clear(n.holding[i])
	}
}

// send takes a packet from the process at a site to an address. It copies the bytes.
func (n *network) send(now time.Duration, from, address int, b []byte) {
	p := packet{from: from, to: address % len(n.nats), port: n.nats[from].port, door: address / len(n.nats), bytes: b}
	if n.lose != nil && n.lose(from, p.to, b) {
		return
	}
	if n.holding[from][p.to] || n.hold > 0 && n.random.IntN(1000) < n.hold {
		p.bytes = append(n.buffer(), b...)
		n.keep(p)
		return
	}
	n.pass(now, p)
}

// source is the address that a packet comes from.
func (n *network) source(p *packet) int { return p.from + p.port*len(n.nats) }

// pass gives a packet to its link. It copies the bytes.
func (n *network) pass(now time.Duration, sent packet) {
	deliveries, _ := n.link(sent.from, sent.to).Send(now, len(sent.bytes))
	for _, d := range deliveries {
		p := sent
		p.at, p.bytes = d.At, append(n.buffer(), sent.bytes...)
		if d.Flip != link.NoFlip {
			p.bytes[d.Flip/8] ^= 1 << (d.Flip % 8)
		}
		if n.slow > 0 && n.random.IntN(1000) < n.slow {
			p.at += slower * (p.at - now)
		}
		n.put(p)
	}
}

// put lets a packet arrive at its time.
func (n *network) put(p packet) {
	n.seq++
	p.seq = n.seq
	heap.Push(&n.queue, p)
}

func (n *network) keep(p packet) {
	if len(n.held) == heldMax {
		n.recycle(n.held[0].bytes)
		n.held = append(n.held[:0], n.held[1:]...)
	}
	n.held = append(n.held, p)
}

// release gives the held packets to their links, so that they come in an order of the links'.
func (n *network) release(now time.Duration) {
	for _, p := range n.held {
		n.pass(now, p)
	}
	n.forget()
}

// forget loses the held packets.
func (n *network) forget() {
	for _, p := range n.held {
		n.recycle(p.bytes)
	}
	n.held = n.held[:0]
}

// next returns when the next packet arrives, or never.
func (n *network) next() time.Duration {
	if len(n.queue) == 0 {
		return never
	}
	return n.queue[0].at
}

// take removes the next packet. Its bytes must be recycled when it has been handled.
func (n *network) take() packet { return heap.Pop(&n.queue).(packet) }

func (n *network) buffer() []byte {
	if len(n.free) == 0 {
		return nil
	}
	b := n.free[len(n.free)-1]
	n.free = n.free[:len(n.free)-1]
	return b[:0]
}

func (n *network) recycle(b []byte) { n.free = append(n.free, b) }

// packets is a heap by time of arrival.
type packets []packet

func (q packets) Len() int { return len(q) }
func (q packets) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q packets) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *packets) Push(p any)   { *q = append(*q, p.(packet)) }
func (q *packets) Pop() any {
	old := *q
	p := old[len(old)-1]
	*q = old[:len(old)-1]
	return p
}
