package frag

import (
	"time"

	"vrnode/wire"
)

// A control is a controller with a model of the path, in the manner of BBR: the rate at which
// datagrams have lately arrived, and the round-trip time without a queue. It sends at the one and
// keeps in flight what arrives within the other, so that the bottleneck is busy and nothing waits
// in front of it.
//
// Loss as such does not slow it down: it counts what has arrived, and what chance takes away is not
// missed. Congestion shows otherwise: as a queue, when no round trip is as short as they were, or
// as more loss than usual, where the queue is short. Then only what the last round has shown is
// believed, and not what arrived when there was more room.
type control struct {
	phase        phase
	since        time.Duration // when the phase began
	leastOfPhase time.Duration // round-trip time
	turns        int           // of cruise until the next probe
	target       int64         // the rate at which that probe has found more; 0: it is no news

	// rate is the highest of those of the last rounds, the last of which is at place latest.
	rate   int64
	rates  [ratesKept]int64
	latest int
	// least is the least round-trip time. It, or nearly so, was seen at leastAt last.
	least, leastAt time.Duration
	// spread is how much longer the round trips of the last round were than the least of them, in
	// the mean. That is no queue but jitter.
	spread time.Duration
	// loss is the share that is usually lost, in percent of lossUnit.
	loss int64

	length int // of datagrams, at most
	// round is the one under way. It ends when a datagram arrives that was sent when so much had
	// been acknowledged.
	round round
	ends  uint64
	// congested: the last round has shown congestion. queued is how many in a row had a queue.
	congested bool
	queued    int

	// full is the rate that startup has reached, and stale for how many rounds.
	full  int64
	stale int
	// undo is what to return to if so many bytes that were taken for lost arrive after all within
	// so many rounds.
	undo struct {
		rate   int64
		phase  phase
		bytes  int
		rounds int
	}
}

// A round is what is seen in a round trip.
type round struct {
	arrived arrivals
	lost    int // bytes; below 0 if more were found
	rate    int64
	least   time.Duration // round-trip time
	tested  bool          // there was more to send than the path was given
}

func (c *control) begin() { *c = control{length: wire.DatagramBase} }

func (c *control) onAck(now time.Duration, a ackNews) {
	c.round.arrived.merge(a.arrived)
	if a.trip > 0 {
		c.onRoundTrip(now, a.trip)
	}
	rate := a.rate(c.least)
	c.round.rate = max(c.round.rate, rate)
	c.rate = max(c.rate, rate)
	c.round.tested = c.round.tested || !a.limited && a.flight+a.arrived.bytes >= c.window()/2
	if a.since >= c.ends {
		c.ends = a.total
		c.endRound()
	}
	c.length = a.length
	c.advance(now, a.flight, a.random)
}

func (c *control) onRoundTrip(now, trip time.Duration) {
	c.round.least = lesser(c.round.least, trip)
	c.leastOfPhase = lesser(c.leastOfPhase, trip)
	c.least = lesser(c.least, trip)
	if trip <= c.least+c.least/16 {
		c.leastAt = now
	}
}

// lesser returns the lesser of two times, of which the first may be 0 for unknown.
func lesser(known, d time.Duration) time.Duration {
	if known == 0 {
		return d
	}
	return min(known, d)
}

func (c *control) onLost(bytes int) { c.round.lost += bytes }

func (c *control) onFound(bytes int) {
	c.round.lost -= bytes
	u := &c.undo
	if u.bytes -= bytes; u.bytes > 0 || u.rounds == 0 {
		return
	}
	c.rates[c.latest] = max(c.rates[c.latest], u.rate)
	c.rate = max(c.rate, u.rate)
	if u.phase == startup {
		c.phase, c.stale = startup, 0
	}
	u.rounds = 0
}

// endRound draws the conclusions of a round. A rate counts if there was enough to send, or at
// congestion.
func (c *control) endRound() {
	r := &c.round
	overrun := c.isOverrun()
	if c.isQueued() {
		c.queued++
	} else {
		c.queued = 0
	}
	c.congested = overrun || c.queued > 0
	if overrun {
		u := &c.undo
		u.rate, u.phase, u.bytes, u.rounds = c.rate, c.phase, r.lost/2, ratesKept
	} else {
		c.undo.rounds = max(c.undo.rounds-1, 0)
		c.learnLoss()
	}
	if r.least > 0 {
		c.spread = min(max(r.arrived.age()-r.least, 0), max(c.least, spreadMax))
	}
	if r.rate > 0 && (r.tested || c.congested) {
		c.keepRate(r.rate, c.congested)
	}
	if c.phase == startup && r.tested {
		c.stale++
		if c.rate > c.full+c.full/4 {
			c.full, c.stale = c.rate, 0
		}
	}
	c.round = round{}
}

// isOverrun tells whether much more is lost in the round than usual. Few datagrams do not show
// that, nor a queue: they may all have been lost or slow by chance.
func (c *control) isOverrun() bool {
	r := &c.round
	accepted := 2*c.loss/lossUnit + lossAccepted
	if c.phase == startup {
		accepted = min(accepted, lossStartup)
	}
	return r.arrived.count >= evidence && int64(r.lost-lossNoise*c.length)*100 > int64(r.lost+r.arrived.bytes)*accepted
}

// isQueued tells whether whatever arrived in the round had to wait.
func (c *control) isQueued() bool {
	return c.round.arrived.count >= evidence && c.phase != probeRTT && c.isLonger(c.round.least)
}

// isLonger tells whether a round trip is longer than what chance adds to the least one.
func (c *control) isLonger(trip time.Duration) bool {
	return trip > c.least+c.least/queueShare+queueLeast
}

// learnLoss adds the round to the share that is usually lost. In startup there is no usual yet.
func (c *control) learnLoss() {
	lost := int64(max(c.round.lost, 0))
	sent := lost + int64(c.round.arrived.bytes)
	if sent == 0 {
		return
	}
	weight := int64(lossWeight)
	if c.phase == startup {
		weight = 2
	}
	c.loss += (lost*100*lossUnit/sent - c.loss) / weight
}

// keepRate adds the rate of a round to those of the last ones, or puts it in their place.
func (c *control) keepRate(rate int64, alone bool) {
	if alone {
		c.rates = [ratesKept]int64{}
	}
	c.latest = (c.latest + 1) % ratesKept
	c.rates[c.latest] = rate
	c.rate = 0
	for _, r := range c.rates {
		c.rate = max(c.rate, r)
	}
}

func (c *control) window() int {
	if c.rate == 0 {
		return flightInitial
	}
	bytes := bytesWithin(c.least, c.rate) + max(bytesWithin(c.spread, c.rate), c.slack())
	if c.pace() > 0 {
		bytes += c.quantum()
	}
	bytes = bytes * gains[c.phase].window / 100
	return min(max(bytes, c.lowest()), flightMax)
}

// lowest returns the least window of the phase.
func (c *control) lowest() int {
	if c.phase == startup {
		return flightInitial
	}
	return flightMin * c.length
}

// pace is 0 where the round trip is short and nothing is wrong: acknowledgements give the pace
// there, and no timer is needed.
func (c *control) pace() int64 {
	isShort := c.least < paceLeast && c.phase != drain && !c.congested && c.loss < lossUnit
	if c.least == 0 || c.rate == 0 || isShort {
		return 0
	}
	rate := min(max(c.rate, int64(c.lowest())*int64(time.Second)/int64(c.least)), rateMax)
	// Where chance takes away more than probing adds, more must be sent for as much to arrive.
	return rate * int64(gains[c.phase].rate) / (100 - max(c.loss/lossUnit-lossAccepted, 0))
}

func (c *control) quantum() int { return min(c.slack(), quantumBytesMax) }

// slack is what the path carries within the time that a quantum may take: so much may wait. It has no
// bound in bytes. On a path that is as fast as the ends, less would have each of them wait for the other
// to wake up.
func (c *control) slack() int {
	span := min(max(c.least/2, quantumMin), quantumMax)
	// The datagram that crosses the end still goes out: half of one less is right in the mean.
	return max(bytesWithin(span, c.rate)-c.length/2, c.length/2)
}

func (c *control) carries() int64 { return c.rate }

// bottleneck is not known before the end of startup: until then, little may only have been sent.
func (c *control) bottleneck() int64 {
	if c.phase == startup {
		return 0
	}
	return c.rate
}
