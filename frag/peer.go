package frag

import (
	"net/netip"
	"time"

	"vrnode/wire"
)

// A peer is a replica of the configuration, or a client that has opened a session. What is queued
// for it belongs to it; how it gets there is the matter of its session.
type peer struct {
	id   wire.Peer
	addr netip.AddrPort // where it was proven to be last
	home netip.AddrPort // where the configuration says that it is
	// number is the replica's place in the endpoint's list; -1 for a client.
	number int

	out     [LanesMax]outLane
	slots   outSlots
	opening opening
	session session
	// denied is why the peer has last refused to open a session, 0 once there is one.
	denied wire.Denied

	// ready: there may be something to pack.
	ready    bool
	deadline time.Duration
	place    int // in the heap of deadlines

	newer, older *peer // clients by the time they were heard; see clients.go
	counters     PeerCounters
}

func (e *Endpoint) newPeer() *peer {
	p := new(peer)
	p.session.control = newController(e.fixedRate)
	return p
}

func (p *peer) isClient() bool { return p.number < 0 }

// hasQueued tells whether anything waits for a session or for an acknowledgement.
func (p *peer) hasQueued() bool { return p.slots.unacked != 0 || p.hasMessages() }

func (p *peer) hasMessages() bool {
	for i := range p.out {
		if !p.out[i].isEmpty() {
			return true
		}
	}
	return false
}

// wake makes the endpoint look at the peer on the next Tick.
func (e *Endpoint) wake(now time.Duration, p *peer) {
	p.ready = true
	e.deadlines.set(p, min(p.deadline, now))
}

// reschedule sets the deadline of a peer from its timers.
func (e *Endpoint) reschedule(now time.Duration, p *peer) {
	if p.ready {
		e.deadlines.set(p, min(p.deadline, now))
		return
	}
	e.deadlines.set(p, p.nextTimer())
}

func (p *peer) nextTimer() time.Duration {
	deadline := Never
	if p.opening.active {
		deadline = min(p.opening.retry, p.opening.giveUp)
	}
	if p.session.active {
		deadline = min(deadline, p.session.received.due, p.session.lossTimer(), p.session.paceAt, p.session.pathTimer(), p.session.silenceTimer(p))
	}
	return deadline
}

// find returns the peer with an id, or nil.
func (e *Endpoint) find(id wire.Peer) *peer {
	if id.IsClient() {
		return e.clients[id]
	}
	for _, p := range e.replicas {
		if p.id == id {
			return p
		}
	}
	return nil
}

// dropMessages drops all messages of all lanes.
func (e *Endpoint) dropMessages(p *peer) {
	for i := range p.out {
		e.dropLane(&p.out[i])
	}
}
