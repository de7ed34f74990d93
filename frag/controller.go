package frag

import "time"

// A controller decides how much may be in flight to a peer. Lanes 0 and 1 and the slots may
// exceed its window by flightUrgent.
type controller interface {
	// begin starts over for a new session.
	begin()
	// onAcked: bytes, of which flight were in flight until now, have arrived.
	onAcked(bytes, flight int)
	// onLost: a datagram sent at that time was lost.
	onLost(now, sent time.Duration)
	// window returns how many bytes may be in flight.
	window() int
}

// fixedWindow is a controller for networks whose capacity is known to exceed flightMax per
// round-trip time: it neither measures a rate nor shares a bottleneck fairly. It only finds out
// how large a burst the receiver's socket takes. The window doubles every round trip until the
// first loss and then grows by an eighth; a round trip with a loss halves it.
type fixedWindow struct {
	size, threshold int
	// reduced is when the window was halved: losses of datagrams sent before belong to the same
	// round.
	reduced time.Duration
}

func (c *fixedWindow) begin() { *c = fixedWindow{flightInitial, flightMax, -1} }

func (c *fixedWindow) onAcked(bytes, flight int) {
	if flight < c.size/2 {
		return // the window was not what held the sender back
	}
	if c.size >= c.threshold {
		bytes /= 8
	}
	c.size = min(c.size+bytes, flightMax)
}

func (c *fixedWindow) onLost(now, sent time.Duration) {
	if sent <= c.reduced {
		return
	}
	c.size = max(c.size/2, flightMin)
	c.threshold, c.reduced = c.size, now
}

func (c *fixedWindow) window() int { return c.size }
