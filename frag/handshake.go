package frag

import (
	"net/netip"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// An opening is a session that this end asks for and the peer has not offered yet.
type opening struct {
	active  bool
	index   wire.SessionIndex
	nonce   uint64
	attempt uint64
	sentAt  time.Duration
	// quote is the checksum of the last HELLO, 0 if it has been denied; cookie is what the peer
	// has asked for.
	quote  uint64
	cookie wire.Cookie
	// key is the place of the key to try next, asked of that in the last HELLO, and tries are the
	// handshakes by the places of their keys; only in secure mode.
	key, asked int
	tries      [noise.KeysMax]*try
	// retry is when to send the next HELLO, giveUp when to drop what waits for the session.
	retry, giveUp time.Duration
}

// An offer is a session that a peer has asked for. It comes into force when the peer uses it: that
// shows that the HELLO was not a belated one of a run that is over.
type offer struct {
	active    bool
	initiator wire.End
	// addr is where the first HELLO came from; scattered: it came from elsewhere as well.
	addr          netip.AddrPort
	scattered     bool
	index, remote wire.SessionIndex
	nonce         uint64
	// answer is the payload of the HELLO_ACK.
	answer []byte
	seal   *seal // nil in plain mode
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
	e.sendHello(p, p.helloTo(o.attempt), out)
	if o.attempt%2 == 0 {
		e.nextKey(o) // the denial may have got lost
	}
}

// helloTo returns where an attempt goes: to where the peer was last, or to where it belongs, for it
// may have moved for a while and be back.
func (p *peer) helloTo(attempt uint64) netip.AddrPort {
	if attempt%2 == 0 {
		return p.home
	}
	return p.addr
}

func (e *Endpoint) sendHello(p *peer, to netip.AddrPort, out *Effects) {
	o := &p.opening
	hello := wire.Hello{Session: o.index, Sender: e.end(o.nonce), Target: p.id}
	greeting := wire.Greeting{Cookie: o.cookie}
	var buffer [helloPayloadMax]byte
	payload := buffer[:0]
	if e.IsSecure() {
		t := e.sealedHello(o, &hello)
		o.asked = o.key
		greeting.Key = uint64(t.key)
		payload = append(wire.AppendGreeting(payload, &greeting), t.hello...)
	} else {
		payload = wire.AppendHello(wire.AppendGreeting(payload, &greeting), &hello)
	}
	o.quote = e.sendPadded(to, wire.DatagramHeader{Type: wire.DatagramHello, Number: o.attempt}, payload, wire.HelloBinding(), out)
}

// helloPayloadMax is not less than the payload of a HELLO.
const helloPayloadMax = 256

// sendPadded sends a HELLO or a HELLO_ACK, and returns its checksum.
func (e *Endpoint) sendPadded(to netip.AddrPort, h wire.DatagramHeader, payload []byte, bind wire.Binding, out *Effects) uint64 {
	b := out.arena.reserve(wire.HelloSize)
	clear(b[wire.DatagramHeaderSize+copy(b[wire.DatagramHeaderSize:], payload):])
	h.Length = uint16(len(payload))
	if e.IsSecure() {
		h.Flags = wire.FlagSealed
	}
	wire.Stamp(b, &h, bind)
	e.emit(to, b, out)
	return wire.Sum(b)
}

func (e *Endpoint) end(nonce uint64) wire.End {
	return wire.End{ID: e.self, Incarnation: e.incarnation, Nonce: nonce}
}

// onHello answers a HELLO with an offer. Nothing else changes: a session that the peer has with us
// stays until the new one is used.
func (e *Endpoint) onHello(now time.Duration, from netip.AddrPort, d []byte, h *wire.DatagramHeader, payload []byte, out *Effects) {
	var g wire.Greeting
	body, err := wire.DecodeGreeting(payload, &g)
	r := request{key: noise.KeyID(g.Key)}
	switch {
	case wire.Verify(d, wire.HelloBinding()) != nil:
		e.drop(ReasonChecksum)
		return
	case len(d) < wire.HelloSize || err != nil:
		e.drop(ReasonHandshake)
		return
	case e.IsSecure() && e.keyNamed(r.key) == nil:
		e.deny(now, from, d, wire.DeniedKey, ReasonKey, out)
		return
	case !e.admits(now, from, d, g.Cookie, out):
		return
	}
	if why, reason := e.read(&r, body); why != 0 {
		e.deny(now, from, d, why, reason, out)
		return
	} else if reason != 0 {
		e.drop(reason)
		return
	}
	o := e.offerTo(&r)
	if o == nil {
		if o = e.newOffer(&r, from); o == nil {
			e.drop(ReasonForged)
			return
		}
	}
	o.scattered = o.scattered || from != o.addr
	e.sendPadded(from, wire.DatagramHeader{Type: wire.DatagramHelloAck, To: r.hello.Session, Number: h.Number},
		o.answer, wire.HelloAckBinding(r.hello.Sender.Nonce), out)
}

// A request is what a HELLO says. In secure mode it is made with a key, and has begun a handshake.
type request struct {
	hello     wire.Hello
	key       noise.KeyID
	responder noise.Responder
}

// read takes in what follows the Greeting. It returns what to answer if the peer is to know why
// nothing comes of it, and why it is dropped, or 0.
func (e *Endpoint) read(r *request, body []byte) (wire.Denied, Reason) {
	if e.IsSecure() {
		var err error
		if body, err = r.responder.Read(e.keyNamed(r.key), prologue, body); err != nil {
			return 0, ReasonForged
		}
	}
	switch {
	case wire.DecodeHello(body, &r.hello) != nil:
		return 0, ReasonHandshake
	case r.hello.Target != e.self:
		return wire.DeniedTarget, ReasonWrongTarget
	case !r.hello.Sender.ID.IsClient() && e.find(r.hello.Sender.ID) == nil:
		return wire.DeniedStranger, ReasonUnknownPeer
	case e.isCurrent(&r.hello):
		return 0, ReasonStaleHandshake
	}
	return 0, 0
}

// isCurrent tells whether the session that the HELLO asks for is in force already.
func (e *Endpoint) isCurrent(h *wire.Hello) bool {
	p := e.find(h.Sender.ID)
	return p != nil && p.session.active && !p.session.ours && p.session.remote == h.Sender
}

// offerTo returns the offer that was made before to a HELLO like this one, or nil.
func (e *Endpoint) offerTo(r *request) *offer {
	offers, _ := e.offersOf(r.hello.Sender.ID)
	for i := range offers {
		o := &offers[i]
		if o.active && o.initiator == r.hello.Sender && o.remote == r.hello.Session && (o.seal == nil || o.seal.key == r.key) {
			return o
		}
	}
	return nil
}

// newOffer makes an offer, in place of the oldest one. It returns nil if the peer's part of the
// handshake allows none.
func (e *Endpoint) newOffer(r *request, from netip.AddrPort) *offer {
	offers, turn := e.offersOf(r.hello.Sender.ID)
	o := &offers[*turn%len(offers)]
	*turn++
	e.withdraw(o)
	nonce := e.nonce()
	index := e.indexes.take(e.random(), nil, o)
	*o = offer{active: true, initiator: r.hello.Sender, addr: from, index: index, remote: r.hello.Session, nonce: nonce}
	o.answer = wire.AppendHello(nil, &wire.Hello{
		Session: index, Sender: e.end(nonce), Target: r.hello.Sender.ID, Echo: r.hello.Sender.Nonce,
	})
	if !e.IsSecure() {
		return o
	}
	answer, secrets, err := r.responder.Answer(nil, e.entropy.Next(), o.answer)
	if err != nil {
		e.withdraw(o)
		return nil
	}
	o.answer, o.seal = answer, newSeal(r.key, secrets.ToInitiator, secrets.ToResponder)
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
		*o = offer{}
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

// onHelloAck begins the session that a peer offers. Its checksum shows that it answers our HELLO,
// and in secure mode its message that the peer has the key.
func (e *Endpoint) onHelloAck(now time.Duration, d []byte, h *wire.DatagramHeader, payload []byte) {
	var hello wire.Hello
	entry := e.indexes.find(h.To)
	if entry == nil || entry.peer == nil || !entry.peer.opening.active || entry.peer.opening.index != h.To {
		e.drop(ReasonStaleHandshake)
		return
	}
	p := entry.peer
	o := &p.opening
	if wire.Verify(d, wire.HelloAckBinding(o.nonce)) != nil {
		e.drop(ReasonChecksum)
		return
	}
	var sealed *seal
	if e.IsSecure() {
		var ok bool
		if payload, sealed, ok = o.finish(payload); !ok {
			e.drop(ReasonForged)
			return
		}
	}
	switch {
	case wire.DecodeHello(payload, &hello) != nil || hello.Echo != o.nonce:
		e.drop(ReasonHandshake)
	case hello.Target != e.self || hello.Sender.ID != p.id:
		e.drop(ReasonWrongTarget)
	default:
		answered, sentAt := h.Number == o.attempt, o.sentAt
		e.beginSession(now, p, &terms{true, h.To, hello.Session, e.end(o.nonce), hello.Sender, p.helloTo(h.Number), true, sealed})
		if answered {
			p.session.rtt.sample(now-sentAt, 0)
		}
	}
}

// confirm puts the offer that an index stands for in force, of which a datagram has come. That shows
// that the peer has got the answer to its HELLO, and so where it is, unless the answer went to several
// addresses. It tells whether the session is the one that the peer shall have.
func (e *Endpoint) confirm(now time.Duration, entry *indexed) bool {
	o := entry.offer
	p := e.find(o.initiator.ID)
	if p == nil {
		p = e.addClient(now, o.initiator.ID)
	}
	if s := &p.session; s.active && s.ours && !s.confirmed && e.self < p.id {
		e.drop(ReasonCrossedOpen)
		return false
	}
	t := terms{false, o.index, o.remote, e.end(o.nonce), o.initiator, o.addr, !o.scattered, o.seal}
	entry.peer, entry.offer = p, nil
	*o = offer{}
	e.beginSession(now, p, &t)
	return true
}
