package frag

import (
	"net/netip"
	"time"

	"vrnode/wire"
)

// An opening is a session that this end asks for and the peer has not offered yet.
type opening struct {
	active  bool
	index   wire.SessionIndex
	nonce   uint64
	attempt uint64
	sentAt  time.Duration
	// retry is when to send the next HELLO, giveUp when to drop what waits for the session.
	retry, giveUp time.Duration
}

// An offer is a session that a peer has asked for. It comes into force when the peer uses it: that
// shows that the HELLO was not a belated one of a run that is over.
type offer struct {
	active        bool
	initiator     wire.End
	index, remote wire.SessionIndex
	nonce         uint64
}

// open begins to ask a replica for a session.
func (e *Endpoint) open(now time.Duration, p *peer) {
	p.opening = opening{
		active: true, index: e.indexes.take(e.random(), p, nil), nonce: e.nonce(),
		retry: now, giveUp: now + silenceMax,
	}
	p.ready = true
}

// cancelOpening stops asking. The index is given back unless the session to come keeps it.
func (e *Endpoint) cancelOpening(p *peer, keep wire.SessionIndex) {
	if p.opening.active && p.opening.index != keep {
		e.indexes.give(p.opening.index)
	}
	p.opening.active = false
}

// tickOpening sends a HELLO if it is time to.
func (e *Endpoint) tickOpening(now time.Duration, p *peer, out *Effects) {
	o := &p.opening
	if o.giveUp <= now {
		e.dropMessages(p)
		if !p.hasQueued() {
			e.cancelOpening(p, 0)
			return
		}
		o.giveUp = now + silenceMax
	}
	if o.retry > now {
		return
	}
	delay := min(helloDelayMin<<min(o.attempt, 16), helloDelayMax)
	delay += time.Duration(e.random() % uint64(delay/2))
	o.attempt++
	o.sentAt, o.retry = now, now+delay
	to := p.addr
	if o.attempt%2 == 0 {
		to = p.home // it may have moved for a while and be back
	}
	e.sendHello(to, wire.DatagramHeader{Type: wire.DatagramHello, Number: o.attempt}, &wire.Hello{
		Session: o.index, Sender: e.end(o.nonce), Target: p.id,
	}, wire.HelloBinding(), out)
}

// sendHello sends a HELLO or a HELLO_ACK, padded.
func (e *Endpoint) sendHello(to netip.AddrPort, h wire.DatagramHeader, hello *wire.Hello, bind wire.Binding, out *Effects) {
	b := out.arena.reserve(wire.HelloSize)
	used := wire.AppendHello(b[:wire.DatagramHeaderSize], hello)
	clear(b[len(used):])
	h.Length = uint16(len(used) - wire.DatagramHeaderSize)
	wire.Stamp(b, &h, bind)
	e.emit(to, b, out)
}

func (e *Endpoint) end(nonce uint64) wire.End {
	return wire.End{ID: e.self, Incarnation: e.incarnation, Nonce: nonce}
}

// onHello answers a HELLO with an offer. Nothing else changes: a session that the peer has with us
// stays until the new one is used.
func (e *Endpoint) onHello(from netip.AddrPort, d []byte, h *wire.DatagramHeader, payload []byte, out *Effects) {
	var hello wire.Hello
	switch {
	case wire.Verify(d, wire.HelloBinding()) != nil:
		e.drop(ReasonChecksum)
	case len(d) < wire.HelloSize || wire.DecodeHello(payload, &hello) != nil:
		e.drop(ReasonHandshake)
	case hello.Target != e.self:
		e.drop(ReasonWrongTarget)
	case !hello.Sender.ID.IsClient() && e.find(hello.Sender.ID) == nil:
		e.drop(ReasonUnknownPeer)
	case e.isCurrent(&hello):
		e.drop(ReasonStaleHandshake)
	default:
		o := e.offerFor(&hello)
		e.sendHello(from, wire.DatagramHeader{Type: wire.DatagramHelloAck, To: hello.Session, Number: h.Number}, &wire.Hello{
			Session: o.index, Sender: e.end(o.nonce), Target: hello.Sender.ID, Echo: hello.Sender.Nonce,
		}, wire.HelloAckBinding(hello.Sender.Nonce), out)
	}
}

// isCurrent tells whether the session that the HELLO asks for is in force already.
func (e *Endpoint) isCurrent(h *wire.Hello) bool {
	p := e.find(h.Sender.ID)
	return p != nil && p.session.active && !p.session.ours && p.session.remote == h.Sender
}

// offerFor returns the offer that answers a HELLO: the one made before if it is a repetition.
func (e *Endpoint) offerFor(h *wire.Hello) *offer {
	offers, turn := e.offersOf(h.Sender.ID)
	for i := range offers {
		if offers[i].active && offers[i].initiator == h.Sender && offers[i].remote == h.Session {
			return &offers[i]
		}
	}
	o := &offers[*turn%len(offers)]
	*turn++
	e.withdraw(o)
	*o = offer{true, h.Sender, e.indexes.take(e.random(), nil, o), h.Session, e.nonce()}
	return o
}

// offersOf returns the offers among which those to a peer are, and which of them is the oldest.
func (e *Endpoint) offersOf(id wire.Peer) ([]offer, *int) {
	if id.IsClient() {
		return e.clientOffers, &e.clientTurn
	}
	at := e.find(id).number
	return e.replicaOffers[at*replicaOffersMax:][:replicaOffersMax], &e.replicaTurns[at]
}

func (e *Endpoint) withdraw(o *offer) {
	if o.active {
		e.indexes.give(o.index)
		o.active = false
	}
}

// withdrawOffers withdraws all offers to a peer.
func (e *Endpoint) withdrawOffers(p *peer) {
	offers, _ := e.offersOf(p.id)
	for i := range offers {
		if offers[i].active && offers[i].initiator.ID == p.id {
			e.withdraw(&offers[i])
		}
	}
}

// onHelloAck begins the session that a peer offers. Its checksum shows that it answers our HELLO.
func (e *Endpoint) onHelloAck(now time.Duration, from netip.AddrPort, d []byte, h *wire.DatagramHeader, payload []byte) {
	var hello wire.Hello
	entry := e.indexes.find(h.To)
	if entry == nil || entry.peer == nil || !entry.peer.opening.active || entry.peer.opening.index != h.To {
		e.drop(ReasonStaleHandshake)
		return
	}
	p := entry.peer
	o := &p.opening
	switch {
	case wire.Verify(d, wire.HelloAckBinding(o.nonce)) != nil:
		e.drop(ReasonChecksum)
	case wire.DecodeHello(payload, &hello) != nil || hello.Echo != o.nonce:
		e.drop(ReasonHandshake)
	case hello.Target != e.self || hello.Sender.ID != p.id:
		e.drop(ReasonWrongTarget)
	default:
		answered, sentAt := h.Number == o.attempt, o.sentAt
		e.beginSession(now, p, &terms{true, h.To, hello.Session, e.end(o.nonce), hello.Sender, from})
		if answered {
			p.session.rtt.sample(now-sentAt, 0)
		}
	}
}

// confirm puts an offer in force if d is a datagram of the session that was offered.
func (e *Endpoint) confirm(now time.Duration, o *offer, from netip.AddrPort, d []byte) bool {
	local := e.end(o.nonce)
	bind, _ := wire.SessionBindings(o.initiator, local)
	if wire.Verify(d, bind) != nil {
		e.drop(ReasonChecksum)
		return false
	}
	p := e.find(o.initiator.ID)
	if p == nil {
		p = e.addClient(now, o.initiator.ID)
	}
	if s := &p.session; s.active && s.ours && !s.confirmed && e.self < p.id {
		e.drop(ReasonCrossedOpen)
		return false
	}
	t := terms{false, o.index, o.remote, local, o.initiator, from}
	o.active = false
	e.indexes.find(o.index).peer, e.indexes.find(o.index).offer = p, nil
	e.beginSession(now, p, &t)
	return true
}
