package frag

import (
	"net/netip"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/assert"
	"vrnode/wire"
)

// prologue is what both ends of a handshake must agree about beforehand.
var prologue = []byte{'v', 'r', 'n', 'o', 'd', 'e', wire.DatagramVersion}

// A namedKey is a key with its name at hand.
type namedKey struct {
	noise.Key
	id noise.KeyID
}

func named(keys []noise.Key) []namedKey {
	var all []namedKey
	for _, k := range keys {
		all = append(all, namedKey{k, k.ID()})
	}
	return all
}

// IsSecure tells whether the endpoint is in secure mode. That never changes.
func (e *Endpoint) IsSecure() bool { return len(e.keys) > 0 }

// SetKeys replaces the keys of an endpoint in secure mode. A session that came about by a key
// that is gone ends; the peer opens another one, or this end does.
func (e *Endpoint) SetKeys(now time.Duration, keys []noise.Key) {
	assert.That(e.IsSecure() && noise.Check(keys) == nil, "the mode of an endpoint does not change")
	now = e.advance(now)
	e.keys = named(keys)
	for _, offers := range [...][]offer{e.replicaOffers, e.clientOffers} {
		for i := range offers {
			if offers[i].active && e.keyNamed(offers[i].seal.key) == nil {
				e.withdraw(&offers[i])
			}
		}
	}
	for _, p := range e.replicas {
		p.opening.key, p.opening.tries, p.opening.quote = 0, [noise.KeysMax]*try{}, 0
		p.denied = 0
		if p.session.active && e.keyNamed(p.session.seal.key) == nil {
			e.abandon(p)
			e.wake(now, p)
		}
	}
	for p := e.recent.newer; p != &e.recent; {
		next := p.newer
		if e.keyNamed(p.session.seal.key) == nil {
			e.abandon(p)
		}
		p = next
	}
}

// keyNamed returns the key with an id, or nil.
func (e *Endpoint) keyNamed(id noise.KeyID) *noise.Key {
	for i := range e.keys {
		if e.keys[i].id == id {
			return &e.keys[i].Key
		}
	}
	return nil
}

// A seal protects the datagrams of a secure session.
type seal struct {
	key noise.KeyID // by which the session came about
	out noise.Sealer
	in  noise.Opener
}

func newSeal(key noise.KeyID, out, in [32]byte) *seal {
	s := &seal{key: key}
	s.out.Begin(out)
	s.in.Begin(in)
	return s
}

// headAndTail are the bytes before and after the frames of a DATA datagram.
func (s *seal) headAndTail() (head, tail int) {
	if s == nil {
		return wire.DatagramHeaderSize, 0
	}
	return wire.SealedHeaderSize, wire.TagSize
}

// stamp makes b a datagram: the frames, and padding, are in their place, and there is room for the
// tail.
func (s *seal) stamp(b []byte, h *wire.DatagramHeader, bind wire.Binding) []byte {
	if s == nil {
		wire.Stamp(b, h, bind)
		return b
	}
	h.Flags |= wire.PhaseFlags(s.out.Advance(h.Number))
	wire.PutHeader(b, h)
	return s.out.Seal(b, wire.SealedHeaderSize, h.Number)
}

// verify returns the frames of a datagram, or why it is not of this session.
func (e *Endpoint) verify(s *seal, bind wire.Binding, d []byte, h *wire.DatagramHeader, payload []byte) ([]byte, Reason) {
	if s == nil {
		if wire.Verify(d, bind) != nil {
			return nil, ReasonChecksum
		}
		return payload, 0
	}
	if !s.in.IsNew(h.Number) {
		return nil, ReasonReplayed
	}
	text, err := s.in.Open(e.opened[:0], d, wire.SealedHeaderSize, h.Number, h.Flags.Phase())
	if err != nil {
		return nil, ReasonForged
	}
	return text[:h.Length], 0
}

// A try is a handshake that this end has begun with one of its keys.
type try struct {
	noise.Initiator
	key    noise.KeyID
	hello  []byte
	denied bool // the peer does not have the key
}

// sealedHello returns the message of a handshake with the key that is to be tried.
func (e *Endpoint) sealedHello(o *opening, hello *wire.Hello) *try {
	t := o.tries[o.key]
	if t == nil {
		k := &e.keys[o.key]
		t = &try{key: k.id}
		t.hello = t.Hello(nil, &k.Key, prologue, e.entropy.Next(), wire.AppendHello(nil, hello))
		o.tries[o.key] = t
	}
	return t
}

// nextKey has the key after that of the last HELLO tried, if there is one.
func (e *Endpoint) nextKey(o *opening) {
	if e.IsSecure() {
		o.key = (o.asked + 1) % len(e.keys)
	}
}

// refuseKey notes that the peer does not have the key of the last HELLO, and has the next one tried.
// It tells whether that was not tried before, and whether the peer has refused all.
func (e *Endpoint) refuseKey(o *opening) (untried, all bool) {
	if !e.IsSecure() {
		return false, false // a lie: there was no key
	}
	o.tries[o.asked].denied = true
	e.nextKey(o)
	for i := range e.keys {
		if o.tries[i] == nil || !o.tries[i].denied {
			return o.tries[o.key] == nil, false
		}
	}
	return false, true
}

// finish opens the answer to one of the tries.
func (o *opening) finish(message []byte) ([]byte, *seal, bool) {
	for _, t := range o.tries {
		if t == nil {
			continue
		}
		if payload, secrets, err := t.Finish(message); err == nil {
			return payload, newSeal(t.key, secrets.ToResponder, secrets.ToInitiator), true
		}
	}
	return nil, nil, false
}

// onOtherMode drops what is of the other mode, in which this end never talks.
func (e *Endpoint) onOtherMode(now time.Duration, from netip.AddrPort, d []byte, h *wire.DatagramHeader, out *Effects) {
	why, reason := wire.DeniedPlain, ReasonPlain
	if h.Flags.IsSealed() {
		why, reason = wire.DeniedSealed, ReasonSealed
	}
	if h.Type == wire.DatagramHello && wire.Verify(d, wire.HelloBinding()) == nil {
		e.deny(now, from, d, why, reason, out)
		return
	}
	e.drop(reason)
}
