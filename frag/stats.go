package frag

import (
	"net/netip"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// Stats counts what an endpoint has done since New.
type Stats struct {
	DatagramsIn, BytesIn    uint64
	DatagramsOut, BytesOut  uint64
	MessagesIn, MessagesOut uint64
	// Redundant counts frames that brought nothing new.
	Redundant uint64
	// Resets counts the RESETs sent, ResetsSpared those that the rate did not allow, Denials the
	// DENIALs sent.
	Resets, ResetsSpared, Denials uint64
	// Evicted counts clients that made room for others.
	Evicted uint64
	// Clients counts the clients there are, Receiving the bytes of incomplete messages, Queued
	// the bytes of messages not yet acknowledged.
	Clients, Receiving, Queued int

	dropped [reasonMax + 1]uint64
}

// Dropped returns how many datagrams were dropped for a reason.
func (s Stats) Dropped(r Reason) uint64 { return s.dropped[r] }

// PeerStats tells how one peer is reached.
type PeerStats struct {
	// Connected: there is a session, and the peer has been heard in it.
	Connected   bool
	Addr        netip.AddrPort
	Incarnation wire.Incarnation
	// SRTT, RTTVar and RTTMin are 0 before the first sample of the session.
	SRTT, RTTVar, RTTMin time.Duration
	// Window and InFlight are what may be and what is in flight, in bytes.
	Window, InFlight int
	// Datagram is how long datagrams are at most, in bytes.
	Datagram int
	// Rate is what the path has shown to carry, in bytes per second.
	Rate int64
	// Queued counts the bytes of messages not yet acknowledged.
	Queued int
	// Key is the id of the key by which the session came about; 0 in plain mode.
	Key noise.KeyID
	// Parted: datagrams to this peer are not joined for now, since joining did harm.
	Parted bool
	PeerCounters
}

// PeerCounters counts since the peer is known, over all its sessions.
type PeerCounters struct {
	Sessions                uint64
	Sent, SentBytes         uint64 // datagrams of sessions
	Received, ReceivedBytes uint64
	Lost                    uint64 // datagrams declared lost
	Retransmitted           uint64 // fragments and slot messages sent again
	Compressed, Spared      uint64 // messages that went out compressed, and the bytes that this spared
	GivenUp                 uint64 // messages of which nothing had left when it was too late
	Probes                  uint64 // times that nothing was heard for so long that we asked
	Partings                uint64 // times that joined datagrams were found to get lost, and others not
	TooBig                  uint64 // datagrams that did not fit the link by which they were to leave
	Shrunk                  uint64 // times that the path was found to carry only short datagrams
}

// Stats returns the counters of the endpoint.
func (e *Endpoint) Stats() Stats {
	s := e.stats
	s.Clients, s.Receiving, s.Queued = len(e.clients), e.receiving+e.receivingClients, e.queued
	return s
}

// PeerStats returns the counters of one peer, or false if there is none with this id.
func (e *Endpoint) PeerStats(id wire.Peer) (PeerStats, bool) {
	p := e.find(id)
	if p == nil {
		return PeerStats{}, false
	}
	s := PeerStats{Addr: p.addr, PeerCounters: p.counters}
	for i := range p.out {
		s.Queued += p.out[i].bytes
	}
	if p.session.active {
		r := &p.session.rtt
		s.Connected, s.Incarnation = p.session.confirmed, p.session.remote.Incarnation
		s.SRTT, s.RTTVar, s.RTTMin = r.smoothed, r.variation, r.least
		s.Parted = p.session.runs.state == runsParted
		s.Datagram = p.session.path.size
		s.Window, s.InFlight, s.Rate = p.session.control.window(), p.session.sent.bytes, p.session.control.carries()
		if p.session.seal != nil {
			s.Key = p.session.seal.key
		}
	}
	return s, true
}

// Denials returns why replicas have last refused to open a session, for those with which there is
// none since. Nobody vouches for it: it is for people.
func (e *Endpoint) Denials() []PeerDenial {
	var all []PeerDenial
	for _, p := range e.replicas {
		if p.denied != 0 {
			all = append(all, PeerDenial{p.id, p.denied})
		}
	}
	return all
}

// A PeerDenial says why a replica refuses to open a session.
type PeerDenial struct {
	ID  wire.Peer
	Why wire.Denied
}

func (d PeerDenial) String() string { return "replica " + d.ID.String() + " " + d.Why.String() }

func (e *Endpoint) drop(r Reason) { e.stats.dropped[r]++ }
