package frag

import (
	"time"

	"vrnode/wire"
)

// received remembers which datagrams of a session have arrived and when to acknowledge them.
//
// It keeps the AckRangesMax highest ranges of numbers and forgets a range that was acknowledged
// ackRepeats times. A datagram below what it remembers counts as new; that is safe, because
// every frame can be applied twice.
type received struct {
	ranges [wire.AckRangesMax]heard // the highest first
	count  int
	// largestAt is when the highest number arrived.
	largestAt time.Duration
	// waiting counts datagrams that ask for an acknowledgement and have none.
	waiting int
	// due is when an acknowledgement must go out; Never if nothing waits for it.
	due time.Duration
}

type heard struct {
	wire.Range
	reports int
}

func (r *received) reset() { *r = received{due: Never} }

// has tells whether datagram n is remembered.
func (r *received) has(n uint64) bool {
	for i := range r.count {
		if n >= r.ranges[i].Low {
			return n <= r.ranges[i].High
		}
	}
	return false
}

// isNewest tells whether n is higher than all numbers so far.
func (r *received) isNewest(n uint64) bool { return r.count == 0 || n > r.ranges[0].High }

// add notes that datagram n, which is not remembered, arrived. It tells whether n is the one that
// was expected next.
func (r *received) add(now time.Duration, n uint64) (inOrder bool) {
	i := 0
	for i < r.count && n < r.ranges[i].Low {
		i++
	}
	inOrder = i == 0 && (r.count == 0 || n == r.ranges[0].High+1)
	if i == 0 {
		r.largestAt = now
	}
	above := i > 0 && r.ranges[i-1].Low == n+1
	below := i < r.count && r.ranges[i].High+1 == n
	switch {
	case above && below:
		r.ranges[i-1].Low, r.ranges[i-1].reports = r.ranges[i].Low, 0
		r.remove(i)
	case above:
		r.ranges[i-1].Low, r.ranges[i-1].reports = n, 0
	case below:
		r.ranges[i].High, r.ranges[i].reports = n, 0
	default:
		r.insert(i, n)
	}
	return inOrder
}

// insert adds a range; the lowest makes room.
func (r *received) insert(i int, n uint64) {
	if i == len(r.ranges) {
		return
	}
	r.count = min(r.count+1, len(r.ranges))
	copy(r.ranges[i+1:r.count], r.ranges[i:])
	r.ranges[i] = heard{Range: wire.Range{Low: n, High: n}}
}

func (r *received) remove(i int) {
	copy(r.ranges[i:], r.ranges[i+1:r.count])
	r.count--
}

// ask notes that a datagram wants to be acknowledged, after delay at the latest.
func (r *received) ask(now, delay time.Duration) {
	r.waiting++
	if r.waiting >= ackEvery {
		delay = 0
	}
	r.due = min(r.due, now+delay)
}

// appendAck appends an ACK frame for all that is remembered. scratch has
// room for AckRangesMax ranges.
func (r *received) appendAck(dst []byte, now time.Duration, scratch []wire.Range) []byte {
	for i := range r.count {
		scratch[i] = r.ranges[i].Range
	}
	return wire.AppendAck(dst, now-r.largestAt, scratch[:r.count])
}

// acknowledged notes that the ACK frame was sent.
func (r *received) acknowledged() {
	r.waiting, r.due = 0, Never
	kept := 1
	for i := 1; i < r.count; i++ {
		r.ranges[i].reports++
		if r.ranges[i].reports < ackRepeats {
			r.ranges[kept] = r.ranges[i]
			kept++
		}
	}
	r.count = min(kept, r.count)
}
