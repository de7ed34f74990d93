package relay

import (
	"container/heap"
	"net"
	"net/netip"
	"sync"
	"time"

	"vrnode/wire"
)

// A packet is a copy of a datagram on its way.
type packet struct {
	at    time.Duration // when it is due
	order uint64        // of packets that are due at the same time
	came  time.Duration
	lane  *lane
	span  *span
	port  *net.UDPConn // where it came in
	exit  *net.UDPConn // where it goes out
	to    netip.AddrPort
	bytes []byte
}

// packetsMax bounds the packets under way in all lanes together. More are lost, which shows as loss
// that nobody asked for.
const packetsMax = 1 << 17

// A wheel holds the packets under way, in the order in which they are due.
type wheel struct {
	mu      sync.Mutex
	packets packets
	order   uint64
	spare   [][]byte
	closed  bool
	// wake has room for one item, which says that the earliest packet is another one.
	wake chan struct{}
}

func (w *wheel) init() { w.wake = make(chan struct{}, 1) }

// buffer returns an empty buffer with room for a datagram, as most are.
func (w *wheel) buffer() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.spare); n > 0 {
		b := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return b
	}
	return make([]byte, 0, wire.DatagramBase)
}

func (w *wheel) free(b []byte) {
	const spareMax = 1024
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.spare) < spareMax {
		w.spare = append(w.spare, b[:0])
	}
}

func (w *wheel) add(p packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.packets) >= packetsMax {
		return
	}
	p.order = w.order
	w.order++
	heap.Push(&w.packets, p)
	if w.packets[0].order == p.order {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *wheel) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next waits for the next packet to be due. It returns false when the wheel is closed.
func (w *wheel) next(began time.Time) (packet, bool) {
	for {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return packet{}, false
		}
		wait := time.Duration(-1)
		if len(w.packets) > 0 {
			if wait = w.packets[0].at - time.Since(began); wait <= 0 {
				p := heap.Pop(&w.packets).(packet)
				w.mu.Unlock()
				return p, true
			}
		}
		w.mu.Unlock()
		w.wait(wait)
	}
}

// coarse is what timers of the runtime are off by. Shorter waits are naps of the thread.
const coarse = 1200 * time.Microsecond

// wait returns when the earliest packet is another one, or not later than after a time; a negative
// one is for ever. It may return early.
func (w *wheel) wait(d time.Duration) {
	switch {
	case d < 0:
		<-w.wake
	case d <= coarse:
		nap(min(d, 100*time.Microsecond))
	default:
		timer := time.NewTimer(d - coarse)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// packets is a heap.
type packets []packet

func (h packets) Len() int { return len(h) }
func (h packets) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].order < h[j].order
}
func (h packets) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *packets) Push(p any)   { *h = append(*h, p.(packet)) }
func (h *packets) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = packet{}
	*h = (*h)[:last]
	return p
}
