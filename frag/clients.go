package frag

import (
	"time"

	"vrnode/wire"
)

// clients are in a list by the time they were heard, between recent.newer, which is the one heard
// least recently, and recent.older, the one heard last.

// addClient makes room for a client and adds it.
func (e *Endpoint) addClient(now time.Duration, id wire.Peer) *peer {
	if len(e.clients) == ClientsMax {
		e.stats.Evicted++
		e.abandon(e.recent.newer)
	}
	var p *peer
	if n := len(e.freePeers); n > 0 {
		p, e.freePeers = e.freePeers[n-1], e.freePeers[:n-1]
	} else {
		p = e.newPeer()
	}
	p.id, p.number, p.deadline = id, -1, now
	e.clients[id] = p
	e.link(p)
	e.deadlines.add(p)
	return p
}

// removeClient forgets a client that has no session.
func (e *Endpoint) removeClient(p *peer) {
	e.dropMessages(p)
	p.slots.release(&e.pool)
	e.withdrawOffers(p)
	e.deadlines.remove(p)
	e.unlink(p)
	delete(e.clients, p.id)
	p.id, p.ready, p.counters = 0, false, PeerCounters{}
	e.freePeers = append(e.freePeers, p)
}

// touch notes that a client was heard.
func (e *Endpoint) touch(p *peer) {
	if e.recent.older != p {
		e.unlink(p)
		e.link(p)
	}
}

func (e *Endpoint) link(p *peer) {
	p.older, p.newer = e.recent.older, &e.recent
	p.older.newer, e.recent.older = p, p
}

func (e *Endpoint) unlink(p *peer) {
	p.older.newer, p.newer.older = p.newer, p.older
	p.older, p.newer = nil, nil
}
