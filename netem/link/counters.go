package link

import (
	"strconv"
	"time"
)

// Reason is why a datagram did not arrive.
type Reason uint8

const (
	// LostRandom: the dice of Settings.Loss said so.
	LostRandom Reason = iota + 1
	// LostDown: the link was down.
	LostDown
	// LostTooLong: the packet was longer than the MTU.
	LostTooLong
	// LostQueue: the queue in front of the bottleneck was full.
	LostQueue
	// LostLimit: too many datagrams were under way.
	LostLimit

	reasonMax = LostLimit
)

var reasonNames = [...]string{LostRandom: "random", LostDown: "down", LostTooLong: "too-long", LostQueue: "queue", LostLimit: "limit"}

func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}

// Counters are what a link has done.
type Counters struct {
	Offered    uint64 // datagrams sent
	Bytes      uint64 // in them
	Delivered  uint64 // copies that arrive
	Duplicated uint64 // datagrams sent twice
	Corrupted  uint64 // copies with a flipped bit
	Ahead      uint64 // copies that did not wait for the delay
	Overtook   uint64 // copies that arrive before one that was sent earlier, by jitter or ahead
	// Escaped are copies that arrive although they are longer than the MTU, or without having been
	// through the bottleneck. The model has none.
	Escaped uint64
	Lost    [reasonMax + 1]uint64
	Delays  Histogram // of the copies that arrive, from Send to arrival
}

// count takes a copy that arrives into the books.
func (l *Link) count(now time.Duration, d Delivery, ahead bool) {
	c := &l.counters
	c.Delivered++
	if d.Flip != NoFlip {
		c.Corrupted++
	}
	if ahead {
		c.Ahead++
	}
	if d.At < l.latest {
		c.Overtook++
	}
	l.latest = max(l.latest, d.At)
	c.Delays.Add(d.At - now)
}

// lost takes a copy that does not arrive into the books.
func (l *Link) lost(why Reason) Reason {
	l.counters.Lost[why]++
	return why
}

// Since returns what was done after an earlier copy was taken of the same counters.
func (c Counters) Since(earlier *Counters) Counters {
	c.Offered -= earlier.Offered
	c.Bytes -= earlier.Bytes
	c.Delivered -= earlier.Delivered
	c.Duplicated -= earlier.Duplicated
	c.Corrupted -= earlier.Corrupted
	c.Ahead -= earlier.Ahead
	c.Overtook -= earlier.Overtook
	c.Escaped -= earlier.Escaped
	for i := range c.Lost {
		c.Lost[i] -= earlier.Lost[i]
	}
	c.Delays.subtract(&earlier.Delays)
	return c
}

// Add adds what another link, or the same one later, has done.
func (c *Counters) Add(other *Counters) {
	c.Offered += other.Offered
	c.Bytes += other.Bytes
	c.Delivered += other.Delivered
	c.Duplicated += other.Duplicated
	c.Corrupted += other.Corrupted
	c.Ahead += other.Ahead
	c.Overtook += other.Overtook
	c.Escaped += other.Escaped
	for i := range c.Lost {
		c.Lost[i] += other.Lost[i]
	}
	c.Delays.add(&other.Delays)
}
