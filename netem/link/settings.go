package link

import (
	"errors"
	"fmt"
	"time"
)

// Settings are what one direction of a link does to datagrams. The zero value is a perfect link.
// Chances are between 0 and 1.
type Settings struct {
	// Down: nothing gets through.
	Down bool
	// MTU is the length of the longest IP packet that gets through; longer ones vanish without a
	// word to the sender. 0: any.
	MTU int
	// Rate is the bottleneck at the entrance of the link.
	Rate Rate
	// Loss is the chance that a datagram is lost, one by one or in bursts.
	Loss Loss
	// Duplicate is the chance that a datagram is sent twice.
	Duplicate float64
	// Corrupt is the chance that one bit is flipped.
	Corrupt float64
	// Delay is how long a datagram takes after the bottleneck.
	Delay Delay
	// Reorder is the chance that a datagram does not wait for the delay and so overtakes others.
	// It does nothing on a link without delay.
	Reorder float64
	// Limit is how many datagrams may be under way; more are lost. 0: as many as Window says.
	Limit int
}

// Delay is the time from one end to the other: Mean, give or take Jitter. A datagram that draws
// less than nothing arrives at once.
type Delay struct {
	Mean, Jitter time.Duration
	Distribution Distribution
}

// Rate is a bottleneck with a queue in front of it. Its zero value lets everything through.
type Rate struct {
	// Bits are those per second of IP packets.
	Bits int64
	// Queue is how many bytes may wait, the datagram that is being sent included; what finds no
	// room is lost.
	Queue int
}

// Loss is one of two models. Random loses each datagram by itself. Burst, if it has a chance to
// turn bad, is the model of Gilbert and Elliott.
type Loss struct {
	Random float64
	Burst  Burst
}

// Burst is a link that is good or bad, and changes its mind at each datagram. In netem's words it
// is "gemodel Turn Mend Bad Good". Bursts of loss last 1/Mend datagrams on average if Bad is 1.
type Burst struct {
	Turn float64 // p: the chance to turn from good to bad
	Mend float64 // r: the chance to turn from bad to good
	Bad  float64 // 1-h: the chance that a datagram is lost while the link is bad
	Good float64 // 1-k: the same while it is good
}

// Bounds on settings. Validate refuses what is beyond them.
const (
	// DelayMax bounds mean and jitter.
	DelayMax = 10 * time.Second
	// MTUMin is what every IPv4 host must accept (RFC 791).
	MTUMin = 68
	// BitsMin and BitsMax bound a rate.
	BitsMin = 8_000
	BitsMax = 100_000_000_000
	// QueueMin has room for one Ethernet frame, QueueMax bounds what may wait.
	QueueMin = 1514
	QueueMax = 64 << 20
	// LimitMin and LimitMax bound the datagrams under way, and with them the memory of a Link.
	LimitMin = 1000
	LimitMax = 1 << 16
)

// Overhead is what IPv4 and UDP add to a datagram. MTU, Rate and Queue count it.
const Overhead = 28

// datagramsPerSecond is how many a link is expected to carry at most.
const datagramsPerSecond = 200_000

// Window is the bound on datagrams under way: Limit, or what may be sent in the longest delay and
// what the queue holds. A bound below that, such as the 1000 that netem has unless it is told
// otherwise, is loss that nobody asked for.
func (s *Settings) Window() int {
	if s.Limit > 0 {
		return s.Limit
	}
	delay := s.Delay.Mean + spreadMax*s.Delay.Jitter
	n := datagramsPerSecond*delay.Milliseconds()/1000 + int64(s.Rate.Queue/Overhead)
	return int(min(max(n, LimitMin), LimitMax))
}

// Longest returns how long a datagram is under way at most.
func (s *Settings) Longest() time.Duration {
	longest := s.Delay.Mean + spreadMax*s.Delay.Jitter
	if s.Rate.Bits > 0 {
		longest += sending(s.Rate.Queue+1, s.Rate.Bits) // rounded up
	}
	return longest
}

// Chance returns the share of datagrams that the model loses in the long run.
func (l *Loss) Chance() float64 {
	b := &l.Burst
	if b.Turn == 0 {
		return l.Random
	}
	bad := b.Turn / (b.Turn + b.Mend)
	return bad*b.Bad + (1-bad)*b.Good
}

// Validate returns what is wrong with the settings, all of it, or nil.
func (s *Settings) Validate() error {
	var problems []error
	chance := func(name string, p float64) {
		if !(p >= 0 && p <= 1) {
			problems = append(problems, fmt.Errorf("%s: %g is not a chance between 0 and 1", name, p))
		}
	}
	within := func(name string, got, low, high any, ok bool) {
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %v is not between %v and %v", name, got, low, high))
		}
	}
	chance("loss", s.Loss.Random)
	chance("gemodel p", s.Loss.Burst.Turn)
	chance("gemodel r", s.Loss.Burst.Mend)
	chance("gemodel bad", s.Loss.Burst.Bad)
	chance("gemodel good", s.Loss.Burst.Good)
	chance("duplicate", s.Duplicate)
	chance("corrupt", s.Corrupt)
	chance("reorder", s.Reorder)
	d := s.Delay
	within("delay", d.Mean, time.Duration(0), DelayMax, d.Mean >= 0 && d.Mean <= DelayMax)
	within("jitter", d.Jitter, time.Duration(0), DelayMax, d.Jitter >= 0 && d.Jitter <= DelayMax)
	within("distribution", int(d.Distribution), 0, int(distributionMax), d.Distribution <= distributionMax)
	within("mtu", s.MTU, MTUMin, 65535, s.MTU == 0 || s.MTU >= MTUMin && s.MTU <= 65535)
	within("limit", s.Limit, 1, LimitMax, s.Limit >= 0 && s.Limit <= LimitMax)
	if r := s.Rate; r != (Rate{}) {
		within("rate", r.Bits, BitsMin, int64(BitsMax), r.Bits >= BitsMin && r.Bits <= BitsMax)
		within("queue", r.Queue, QueueMin, QueueMax, r.Queue >= QueueMin && r.Queue <= QueueMax)
	}
	if s.Loss.Random > 0 && s.Loss.Burst != (Burst{}) {
		problems = append(problems, errors.New("loss: it is random or a gemodel, not both"))
	}
	if b := s.Loss.Burst; b != (Burst{}) && b.Turn == 0 {
		problems = append(problems, errors.New("gemodel p: a link that never turns bad is no gemodel"))
	}
	return errors.Join(problems...)
}
