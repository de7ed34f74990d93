package frag

import "time"

// roundTrip estimates the round-trip time of a session (RFC 6298 and RFC 9002, section 5).
type roundTrip struct {
	latest, smoothed, variation, least time.Duration
}

func (r *roundTrip) reset() { *r = roundTrip{} }

// sample takes a measured round-trip time, of which the peer spent delay on waiting. It returns
// the time without that, as far as it can be believed.
func (r *roundTrip) sample(measured, delay time.Duration) time.Duration {
	measured = max(measured, time.Microsecond)
	if r.least == 0 {
		*r = roundTrip{measured, measured, measured / 2, measured}
		return measured
	}
	r.least = min(r.least, measured)
	if measured-delay >= r.least {
		measured -= delay
	}
	r.latest = measured
	r.variation += ((r.smoothed - measured).Abs() - r.variation) / 4
	r.smoothed += (measured - r.smoothed) / 8
	return measured
}

// ackDelay returns how long to hold an acknowledgement back. Before the first sample, not at all:
// the peer needs one too.
func (r *roundTrip) ackDelay() time.Duration {
	if r.least == 0 {
		return 0
	}
	return min(max(r.least/4, ackDelayMin), ackDelayMax)
}

// lossDelay returns how long after its sending a datagram is lost if a later one was acknowledged
// (RFC 8985).
func (r *roundTrip) lossDelay(patience int) time.Duration {
	if r.least == 0 {
		return rttInitial * 5 / 4
	}
	return max(r.smoothed, r.latest) + min(r.smoothed, max(r.least/4*time.Duration(patience), granularity))
}

// probeDelay returns after how long without an acknowledgement to ask for one.
func (r *roundTrip) probeDelay() time.Duration {
	if r.least == 0 {
		return 2 * rttInitial
	}
	return r.smoothed + max(4*r.variation, granularity) + r.ackDelay() + granularity
}
