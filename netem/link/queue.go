package link

import (
	"math"
	"time"
)

// A queue is what waits for the bottleneck, as the time when the last byte of it will have left.
type queue struct{ empty time.Duration }

// take lets a packet wait its turn. It returns when its last bit has left, or false if there is no
// room for it.
func (q *queue) take(now time.Duration, bytes int, r Rate) (time.Duration, bool) {
	if r.Bits == 0 {
		return now, true
	}
	begins := max(now, q.empty)
	if waiting(begins-now, r.Bits)+bytes > r.Queue {
		return 0, false
	}
	q.empty = begins + sending(bytes, r.Bits)
	return q.empty, true
}

// change keeps the bytes that wait and lets them leave at another rate.
func (q *queue) change(now time.Duration, from, to int64) {
	if from == 0 || to == 0 || q.empty <= now {
		q.empty = now
		return
	}
	q.empty = now + sending(waiting(q.empty-now, from), to)
}

// sending returns how long a number of bytes takes.
func sending(bytes int, bits int64) time.Duration {
	return time.Duration(math.Ceil(float64(bytes) * 8e9 / float64(bits)))
}

// waiting returns how many bytes leave within a time, a begun one included.
func waiting(d time.Duration, bits int64) int {
	return int(math.Ceil(float64(d) * float64(bits) / 8e9))
}

// A window counts the datagrams under way, in the order in which they were sent. One that has
// arrived counts until those before it have, too, which matters only where jitter is large; the
// price of an exact count would be a search.
type window struct {
	arrivals []time.Duration // a ring; its length is a power of two
	first    uint64
	next     uint64
}

// hasRoom tells whether fewer than limit datagrams are under way.
func (w *window) hasRoom(now time.Duration, limit int) bool {
	for w.first != w.next && w.arrivals[w.first%uint64(len(w.arrivals))] <= now {
		w.first++
	}
	return w.next-w.first < uint64(limit)
}

func (w *window) add(arrival time.Duration) {
	if w.next-w.first == uint64(len(w.arrivals)) {
		w.grow()
	}
	w.arrivals[w.next%uint64(len(w.arrivals))] = arrival
	w.next++
}

func (w *window) grow() {
	const smallest = 64
	larger := make([]time.Duration, max(2*len(w.arrivals), smallest))
	for i := w.first; i != w.next; i++ {
		larger[i%uint64(len(larger))] = w.arrivals[i%uint64(len(w.arrivals))]
	}
	w.arrivals = larger
}
