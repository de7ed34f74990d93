package kernel

import (
	"time"

	"vrnode/netem/link"
	"vrnode/netem/tc"
)

// A ledger is what is known of one direction: the probes and what became of them, and when it was
// asked for what. Times are those of the system's clock, as is the kernel's stamp on what arrives.
type ledger struct {
	probes []probe // by number
	spans  []span
}

// A probe is one datagram of the surveyor's.
type probe struct {
	sent, arrived time.Duration // arrived: its first copy
	ipLength      uint16
	copies        uint8 // that arrived at the device
	corrupted     uint8 // of these
	delivered     uint8 // to the socket, behind the filters
	timed         bool  // sent is exact
}

// probesMax bounds the probes of a direction. It is what the fastest surveyor sends in the longest
// run; in a network that is up longer, what comes after them is not surveyed.
const probesMax = 1 << 16

// A span is a time in which the settings did not change.
type span struct {
	settings link.Settings
	// asked and begin are when the commands that made the settings were started and had ended,
	// end is when those of the next ones were started.
	asked, begin, end time.Duration
	// before and after are the qdiscs at the beginning and at the end, if they have something to say.
	before, after []tc.Qdisc
}

// wantsQdiscs tells whether the kernel counts something that probes can not tell: what went ahead,
// and what passed the bottleneck or found no room in its queue.
func wantsQdiscs(s *link.Settings) bool { return s.Rate.Bits > 0 || s.Reorder > 0 }

// margin is how long the kernel may take with a datagram for which it has nothing to wait.
const margin = 50 * time.Millisecond

// measure returns what the probes of a span tell. A probe that was under way when settings changed
// tells nothing, since it met both.
func (l *ledger) measure(s *span) link.Counters {
	var c link.Counters
	last := s.end - s.settings.Longest() - margin
	latest := time.Duration(0)
	for i := range l.probes {
		p := &l.probes[i]
		if p.sent < s.begin || p.sent > last {
			continue
		}
		count(&c, p, &s.settings)
		if p.arrived > 0 && p.arrived < latest {
			c.Overtook++
		}
		latest = max(latest, p.arrived)
	}
	if wantsQdiscs(&s.settings) {
		consult(&c, s)
	}
	return c
}

// count takes one probe into the books.
func count(c *link.Counters, p *probe, s *link.Settings) {
	tooLong := s.MTU > 0 && int(p.ipLength) > s.MTU
	c.Offered++
	c.Bytes += uint64(p.ipLength) - link.Overhead
	// A copy that arrived whole and was not delivered met a filter. A damaged one may have been
	// dropped for the damage.
	cut := p.delivered == 0 && (p.corrupted < p.copies || s.Down || tooLong)
	switch {
	case p.copies > 0 && !cut:
		c.Delivered += uint64(p.copies)
		c.Corrupted += uint64(p.corrupted)
		if p.copies > 1 {
			c.Duplicated++
		}
		if tooLong {
			c.Escaped += uint64(p.copies)
		}
		if p.timed {
			c.Delays.Add(p.arrived - p.sent)
		}
	case s.Down:
		c.Lost[link.LostDown]++
	case tooLong:
		c.Lost[link.LostTooLong]++
	default:
		c.Lost[link.LostRandom]++
	}
}

// consult asks the kernel's counters for what probes can not tell. They count everybody's packets;
// their shares are taken for those of the probes.
func consult(c *link.Counters, s *span) {
	netem, tbf := since(s, "netem"), since(s, "tbf")
	if s.settings.Rate.Bits > 0 {
		// netem counts what its child drops as dropped.
		full := share(tbf.Drops, max(netem.Drops, tbf.Drops), c.Lost[link.LostRandom])
		c.Lost[link.LostRandom] -= full
		c.Lost[link.LostQueue] += full
		if arrived := c.Delivered; arrived > tbf.Packets {
			c.Escaped = max(c.Escaped, arrived-tbf.Packets)
		}
	}
	if s.settings.Reorder > 0 {
		c.Ahead = share(netem.Requeues, netem.Packets, c.Delivered)
	}
}

// share returns part of all, of another number.
func share(part, all, of uint64) uint64 {
	if all == 0 {
		return 0
	}
	return (part*of + all/2) / all
}

// since returns what a qdisc has counted in a span. One that is not there at the end has counted
// nothing that could be relied on.
func since(s *span, kind string) tc.Qdisc {
	before, after := find(s.before, kind), find(s.after, kind)
	if after.Packets < before.Packets { // it is another one
		return tc.Qdisc{}
	}
	after.Packets -= before.Packets
	after.Drops -= min(before.Drops, after.Drops)
	after.Requeues -= min(before.Requeues, after.Requeues)
	return after
}

func find(list []tc.Qdisc, kind string) tc.Qdisc {
	for _, q := range list {
		if q.Kind == kind {
			return q
		}
	}
	return tc.Qdisc{}
}
