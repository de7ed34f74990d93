package frag

import "time"

// A delivery is the account by which the rate of arrival at the peer is measured (the delivery
// rate of draft-cheng-iccrg-delivery-rate-estimation). Each datagram keeps a copy of it as it was
// when the datagram was sent.
type delivery struct {
	// bytes have been acknowledged in the session, the latest of them at that time.
	bytes uint64
	at    time.Duration
	// sentFrom is when the datagrams that are now being measured began to be sent.
	sentFrom time.Duration
	// limited: until so many bytes are acknowledged, it is not the path that limits the rate but
	// how much there is to send. 0: the path does.
	limited uint64
}

// begin notes that something is sent while nothing is in flight: idle time counts for no rate.
func (d *delivery) begin(now time.Duration) { d.at, d.sentFrom = now, now }

// limit notes that there is nothing to send although more could be in flight.
func (d *delivery) limit(flight int) { d.limited = max(d.bytes+uint64(flight), 1) }

// A measurement is what the acknowledgement of a datagram shows.
type measurement struct {
	// took is how long it took for what has arrived since the datagram was sent.
	took time.Duration
	// limited: the path may be able to do more.
	limited bool
	// since is what had been acknowledged when the datagram was sent, total what is now.
	since, total uint64
}

// measure takes the acknowledgement of a datagram, the latest of those acknowledged together.
// Both the sending and the acknowledging of what arrived meanwhile took a time. The longer one
// counts: acknowledgements may come all at once, and so may what was sent in one go.
func (d *delivery) measure(now time.Duration, sent *sentDatagram) measurement {
	was := &sent.was
	took := max(sent.at-was.sentFrom, now-was.at)
	d.sentFrom = sent.at
	return measurement{took, was.limited > 0, was.bytes, d.bytes}
}

// rate returns the rate of arrival in bytes per second, or 0: a time that is shorter than the
// least round trip only shows a burst.
func (m *measurement) rate(least time.Duration) int64 {
	if m.took < max(least, 1) {
		return 0
	}
	return min(int64(m.total-m.since)*int64(time.Second)/int64(m.took), rateMax)
}

// arrivals sum up what has arrived: bytes, datagrams, and how long ago those were sent.
type arrivals struct {
	bytes, count int
	ages         time.Duration
}

func (a *arrivals) add(bytes int, age time.Duration) {
	a.bytes += bytes
	a.count++
	a.ages += age
}

func (a *arrivals) merge(b arrivals) {
	a.bytes += b.bytes
	a.count += b.count
	a.ages += b.ages
}

// age returns the mean, 0 if nothing has arrived.
func (a *arrivals) age() time.Duration { return a.ages / time.Duration(max(a.count, 1)) }

// arrived notes that so many bytes were acknowledged.
func (d *delivery) arrived(now time.Duration, bytes int) {
	d.bytes += uint64(bytes)
	d.at = now
	if d.limited > 0 && d.bytes > d.limited {
		d.limited = 0
	}
}
