package sim

import (
	"container/heap"
	"time"
)

// A network holds the packets in flight. It outlives the processes at both ends of them.
type network struct {
	choose Chooser
	faults faults
	queue  packets
	// held are packets of which nobody knows when they will arrive, until release says so.
	held []packet
	cut  [][]bool // cut[a][b]: nothing gets from site a to site b
	hold [][]bool // what is sent from a to b is held
	free [][]byte
	seq  uint64
}

// faults are what may happen to each packet, in parts of a thousand.
type faults struct {
	loss, duplicate, hold, corrupt, slow int
	latency, jitter                      time.Duration
}

type packet struct {
	at       time.Duration
	seq      uint64 // breaks ties
	from, to int
	bytes    []byte
}

const (
	heldMax = 4096 // packets held; the oldest is lost
	slower  = 30   // how much longer a slow packet takes
)

func newNetwork(c Chooser, sites int) network {
	n := network{choose: c, cut: make([][]bool, sites), hold: make([][]bool, sites)}
	for i := range sites {
		n.cut[i], n.hold[i] = make([]bool, sites), make([]bool, sites)
	}
	return n
}

// send decides what becomes of one packet. It copies the bytes.
func (n *network) send(now time.Duration, from, to int, b []byte) {
	if n.cut[from][to] {
		return
	}
	f := &n.faults
	fate := 999
	if f.loss+f.duplicate+f.hold+f.corrupt > 0 {
		fate = 999 - n.choose.Choose(1000, "fate") // 0 rolls none of the faults
	}
	p := packet{from: from, to: to, bytes: append(n.buffer(), b...)}
	if n.hold[from][to] {
		n.keep(p)
		return
	}
	if fate -= f.loss; fate < 0 {
		n.recycle(p.bytes)
		return
	}
	if fate -= f.hold; fate < 0 {
		n.keep(p)
		return
	}
	if fate -= f.duplicate; fate < 0 {
		n.put(now, packet{from: from, to: to, bytes: append(n.buffer(), b...)})
		fate = 999
	}
	if fate -= f.corrupt; fate < 0 && len(p.bytes) > 0 {
		p.bytes[n.choose.Choose(len(p.bytes), "corrupt byte")] ^= 1 << n.choose.Choose(8, "corrupt bit")
	}
	n.put(now, p)
}

// put sets off a packet.
func (n *network) put(now time.Duration, p packet) {
	const levels = 64
	delay := n.faults.latency
	if n.faults.jitter > 0 {
		level := time.Duration(n.choose.Choose(levels, "delay"))
		delay += level * n.faults.jitter / levels
		if n.faults.slow > 0 && n.choose.Choose(1000, "slow") >= 1000-n.faults.slow {
			delay += (level + 1) * slower * n.faults.jitter / levels
		}
	}
	n.seq++
	p.at, p.seq = now+delay, n.seq
	heap.Push(&n.queue, p)
}

// again delivers a packet once more, not before at.
func (n *network) again(p packet, at time.Duration) {
	n.seq++
	p.at, p.seq = at, n.seq
	heap.Push(&n.queue, p)
}

func (n *network) keep(p packet) {
	if len(n.held) == heldMax {
		n.recycle(n.held[0].bytes)
		n.held = append(n.held[:0], n.held[1:]...)
	}
	n.held = append(n.held, p)
}

// release sets off the held packets, in an order that their delays make.
func (n *network) release(now time.Duration) {
	for _, p := range n.held {
		n.put(now, p)
	}
	n.held = n.held[:0]
}

// forget loses the held packets.
func (n *network) forget() {
	for _, p := range n.held {
		n.recycle(p.bytes)
	}
	n.held = n.held[:0]
}

// isolate cuts a site off from all others.
func (n *network) isolate(site int) {
	for i := range n.cut {
		n.cut[site][i], n.cut[i][site] = true, true
	}
}

// mend undoes all cuts and holds.
func (n *network) mend() {
	for i := range n.cut {
		clear(n.cut[i])
		clear(n.hold[i])
	}
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
