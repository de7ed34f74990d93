package link

import (
	"math/rand/v2"
	"time"
)

// A Link is one direction of a link. It is not safe for concurrent use.
type Link struct {
	settings Settings
	seed     uint64
	sent     uint64 // datagrams, which is the number of the next one's dice
	source   rand.PCG
	random   *rand.Rand
	bad      bool // the state of Loss.Burst
	queue    queue
	underWay window
	latest   time.Duration // the latest arrival so far
	counters Counters
	out      [2]Delivery
}

// A Delivery is the arrival of one copy of a datagram.
type Delivery struct {
	At time.Duration
	// Flip is the bit to be flipped, counted from the lowest bit of the first byte, or NoFlip.
	Flip int
}

// NoFlip is the Flip of a copy that arrives as it was sent.
const NoFlip = -1

// New returns a link whose settings are valid. Links with the same seed roll the same dice.
func New(s Settings, seed uint64) *Link {
	l := &Link{settings: s, seed: seed}
	l.random = rand.New(&l.source)
	return l
}

// Settings returns what the link does at present.
func (l *Link) Settings() Settings { return l.settings }

// Counters returns what the link has done so far, under all its settings.
func (l *Link) Counters() Counters { return l.counters }

// Set changes the settings, which must be valid. What is under way arrives as it was promised.
// Bytes that wait for the bottleneck are in the queue at its new rate, too, and gone from it if
// there is no bottleneck any more.
func (l *Link) Set(now time.Duration, s Settings) {
	l.queue.change(now, l.settings.Rate.Bits, s.Rate.Bits)
	l.settings = s
}

// Send decides what becomes of a datagram of size bytes, which is sent now. It returns up to two
// deliveries, or none and the reason. The slice is valid until the next call. now must not
// decrease from call to call.
func (l *Link) Send(now time.Duration, size int) ([]Delivery, Reason) {
	l.counters.Offered++
	l.counters.Bytes += uint64(size)
	l.source.Seed(l.seed, scramble(l.sent))
	l.sent++

	// As in netem, a datagram that is to be doubled and to be lost arrives once.
	twice := l.chance(l.settings.Duplicate)
	lost := l.lose()
	if reason := l.refuse(size); reason != 0 {
		return nil, l.lost(reason)
	}
	if lost && !twice {
		return nil, l.lost(LostRandom)
	}
	out, why := l.pass(now, size, l.out[:0])
	if twice && !lost {
		l.counters.Duplicated++
		if l.lose() {
			l.lost(LostRandom)
		} else {
			out, why = l.pass(now, size, out)
		}
	}
	if len(out) > 0 {
		why = 0
	}
	return out, why
}

// refuse returns why no datagram of this size gets through at present, or 0.
func (l *Link) refuse(size int) Reason {
	if l.settings.Down {
		return LostDown
	}
	if l.settings.MTU > 0 && size+Overhead > l.settings.MTU {
		return LostTooLong
	}
	return 0
}

// pass takes one copy through the bottleneck and the delay, and appends its delivery.
func (l *Link) pass(now time.Duration, size int, out []Delivery) ([]Delivery, Reason) {
	s := &l.settings
	corrupt, ahead := l.chance(s.Corrupt), l.chance(s.Reorder) && s.Delay.Mean > 0
	d := Delivery{Flip: NoFlip}
	if corrupt && size > 0 {
		d.Flip = l.random.IntN(8 * size)
	}
	delay := time.Duration(0)
	if !ahead {
		delay = s.Delay.draw(l.random)
	}
	if !l.underWay.hasRoom(now, s.Window()) {
		return out, l.lost(LostLimit)
	}
	leaves, ok := l.queue.take(now, size+Overhead, s.Rate)
	if !ok {
		return out, l.lost(LostQueue)
	}
	d.At = leaves + delay
	l.underWay.add(d.At)
	l.count(now, d, ahead)
	return append(out, d), 0
}

// lose moves the loss model on by one datagram and tells whether that is lost.
func (l *Link) lose() bool {
	b := &l.settings.Loss.Burst
	if b.Turn == 0 {
		return l.chance(l.settings.Loss.Random)
	}
	// As in netem, the datagram at which the state changes still meets the old one.
	loss, turn := b.Good, b.Turn
	if l.bad {
		loss, turn = b.Bad, b.Mend
	}
	if l.chance(turn) {
		l.bad = !l.bad
	}
	return l.chance(loss)
}

// chance rolls the dice once, whatever p is, so that a change of one setting leaves the dice of
// the others alone.
func (l *Link) chance(p float64) bool { return l.random.Float64() < p }

// scramble makes of neighbouring numbers ones that have nothing in common (SplitMix64).
func scramble(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
