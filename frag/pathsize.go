package frag

import (
	"net/netip"
	"slices"
	"time"

	"vrnode/wire"
)

// pathSizes are the lengths of datagrams that are tried, in bytes of UDP payload: what jumbo frames
// and frames of 4 KiB, Ethernet with IPv4 and with IPv6, and what common tunnels carry.
var pathSizes = [...]int{wire.DatagramMax, 8952, 4052, 1472, 1452, 1412, 1372, 1232}

// A pathSize finds out how long the datagrams may be that the path to a peer carries (RFC 8899).
// It begins with what every path carries. Once there is a message that does not fit such a
// datagram, it sends probes, which are nothing but long, the longest first; the first that is
// acknowledged gives the length. Whether routers tell that a probe was too long does not matter:
// nobody listens to them.
//
// If nothing that is longer than the base length arrives any more, the path has become another one
// and all begins anew. What tells is either that shorter datagrams still arrive, or, if none are
// sent, that nothing does.
type pathSize struct {
	// size is the length of datagrams, at most. Those of limit and more do not leave this host.
	size, limit int
	// searching: the next probe, of the length at place next, is due at that time. Otherwise that
	// is from when on another search makes sense.
	searching bool
	at        time.Duration
	next      int
	tries     int

	// lost counts the datagrams of more than the base length that were lost since one has arrived.
	// They were sent from lostFrom to lostTo.
	lost             int
	lostFrom, lostTo time.Duration
}

func (p *pathSize) begin() {
	*p = pathSize{size: wire.DatagramBase, limit: wire.DatagramMax + 1}
}

// want begins a search, unless one is under way or was over not long ago.
func (p *pathSize) want(now time.Duration) {
	if !p.searching && now >= p.at {
		p.searching, p.at, p.next, p.tries = true, now, 0, 0
		p.limit = wire.DatagramMax + 1
	}
}

// timer is when the next probe is due.
func (p *pathSize) timer() time.Duration {
	if p.searching {
		return p.at
	}
	return Never
}

// probe returns the length of the probe that is due, or 0: there is none, or the search is over.
func (p *pathSize) probe(now, trip time.Duration) int {
	if p.timer() > now {
		return 0
	}
	if p.tries == pathTries {
		p.next, p.tries = p.next+1, 0
	}
	for p.next < len(pathSizes) && pathSizes[p.next] >= p.limit {
		p.next, p.tries = p.next+1, 0
	}
	if p.next == len(pathSizes) || pathSizes[p.next] <= p.size {
		p.searching, p.at = false, now+pathRaise
		return 0
	}
	p.tries++
	p.at = now + max(5*trip, pathPatience)
	return pathSizes[p.next]
}

// onArrived notes that a datagram has arrived; a probe ends the search.
func (p *pathSize) onArrived(now time.Duration, d *sentDatagram) {
	size := int(d.size)
	if size <= wire.DatagramBase {
		return
	}
	p.lost = 0
	if d.state == sentProbe && size > p.size && size < p.limit {
		p.size = size
		p.searching, p.at = false, now+pathRaise
	}
}

// onLost notes that a datagram is lost.
func (p *pathSize) onLost(d *sentDatagram) {
	if int(d.size) <= wire.DatagramBase {
		return
	}
	if p.lost == 0 {
		p.lostFrom = d.at
	}
	p.lost++
	p.lostTo = d.at
}

// isHole tells whether the path has become one that carries less: over some round trips nothing
// long has arrived. A full queue does not do that, nor does chance.
func (p *pathSize) isHole(trip time.Duration) bool {
	return p.lost >= holeLosses && p.lostTo-p.lostFrom >= max(holeTrips*trip, holeSpan)
}

// onTooBig notes that a datagram of so many bytes does not leave this host, and tells whether the
// present length is too much then.
func (p *pathSize) onTooBig(now time.Duration, size int) bool {
	p.limit = min(p.limit, size)
	if p.searching {
		p.at, p.tries = now, 0 // no need to wait, nor to repeat what is too long
	}
	return p.size >= p.limit && p.size > wire.DatagramBase
}

// restart goes back to the base. No search begins before that time.
func (p *pathSize) restart(at time.Duration) {
	p.begin()
	p.at = at
}

// shrink makes a session go back to the base length. What is in flight and longer is sent again,
// cut anew.
func (e *Endpoint) shrink(now time.Duration, p *peer, searchAt time.Duration) {
	s := &p.session
	for n := s.sent.firstFlying(); n < s.sent.next; n++ {
		if d := s.sent.at(n); d.state == sentFlying && int(d.size) > wire.DatagramBase {
			e.lose(now, p, n)
		}
	}
	s.path.restart(searchAt)
	p.counters.Shrunk++
}

// TooBig tells the endpoint that a datagram to that address was too long to leave this host. It is as
// good as lost.
func (e *Endpoint) TooBig(now time.Duration, to netip.AddrPort, size int) {
	now = e.advance(now)
	i := slices.IndexFunc(e.deadlines.heap, func(p *peer) bool { return p.addr == to })
	if i < 0 {
		return
	}
	p := e.deadlines.heap[i]
	p.counters.TooBig++
	if !p.session.active {
		return
	}
	if p.session.path.onTooBig(now, size) {
		e.shrink(now, p, now)
	}
	e.wake(now, p)
}
