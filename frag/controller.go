package frag

import (
	"time"

	"vrnode/wire"
)

// A controller decides how much may be in flight to a peer and how fast it goes out. Lanes 0 and 1
// and the slots may exceed what it allows by flightUrgent.
type controller interface {
	// begin starts over: for a new session, or when the path may have become another one.
	begin()
	// onAck takes what an acknowledgement shows.
	onAck(now time.Duration, a ackNews)
	// onLost: so many bytes are taken for lost. onFound: so many that were have arrived after all.
	onLost(bytes int)
	onFound(bytes int)
	// window returns how many bytes may be in flight.
	window() int
	// pace returns at how many bytes per second to send; 0: as fast as the window allows.
	pace() int64
	// quantum returns how many bytes go out at once. Many at a time are less work, but whatever
	// is urgent must wait for them in front of the bottleneck.
	quantum() int
	// carries returns how many bytes per second the path carries as far as that is known, or 0.
	carries() int64
	// bottleneck returns the same if the path has shown that it carries no more, or 0.
	bottleneck() int64
}

// ackNews are what an acknowledgement shows.
type ackNews struct {
	trip    time.Duration // a round trip; 0: none
	arrived arrivals
	measurement
	flight int    // bytes that are still in flight
	length int    // of datagrams, at most
	random uint64 // some chance, if it is wanted
}

// newController returns a controller that measures the path, or one that sends at a fixed rate.
func newController(fixed int64) controller {
	if fixed > 0 {
		return fixedRate(min(fixed, rateMax))
	}
	return new(control)
}

// A fixedRate is a controller for a network of which it is known what it carries, in bytes per
// second. Whatever comes back or does not, it sends no faster and no slower.
type fixedRate int64

func (fixedRate) begin()                       {}
func (fixedRate) onAck(time.Duration, ackNews) {}
func (fixedRate) onLost(int)                   {}
func (fixedRate) onFound(int)                  {}
func (fixedRate) window() int                  { return flightMax }
func (r fixedRate) pace() int64                { return int64(r) }
func (r fixedRate) quantum() int {
	return min(max(bytesWithin(quantumMax, int64(r)), wire.DatagramBase), quantumBytesMax)
}
func (r fixedRate) carries() int64    { return int64(r) }
func (r fixedRate) bottleneck() int64 { return int64(r) }

// bytesWithin returns how many bytes a rate makes of a time.
func bytesWithin(d time.Duration, rate int64) int {
	return int(rate * int64(d/time.Microsecond) / 1e6)
}
