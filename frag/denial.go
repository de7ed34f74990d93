package frag

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"time"

	"vrnode/wire"
)

// deny drops a HELLO and says why, if it is as long as a HELLO must be and the rate allows.
func (e *Endpoint) deny(now time.Duration, to netip.AddrPort, d []byte, why wire.Denied, r Reason, out *Effects) {
	e.drop(r)
	if len(d) >= wire.HelloSize && e.denials.take(now) {
		e.sendDenial(to, &wire.Denial{Quote: wire.Sum(d), Why: why}, out)
	}
}

func (e *Endpoint) sendDenial(to netip.AddrPort, denial *wire.Denial, out *Effects) {
	e.stats.Denials++
	b := wire.AppendDenial(out.arena.reserve(wire.DenialSize)[:wire.DatagramHeaderSize], denial)
	wire.Stamp(b, &wire.DatagramHeader{
		Type: wire.DatagramDenial, Length: uint16(len(b) - wire.DatagramHeaderSize),
	}, wire.DenialBinding())
	e.emit(to, b, out)
}

// onDenial notes why a peer opens no session. It keeps asking: anybody on the path can say so. A
// cookie is sent back at once, and a key that was not tried yet is tried at once.
func (e *Endpoint) onDenial(now time.Duration, d []byte) {
	var denial wire.Denial
	switch {
	case len(d) < wire.DatagramHeaderSize || wire.Verify(d, wire.DenialBinding()) != nil:
		e.drop(ReasonChecksum)
		return
	case wire.DecodeDenial(d, &denial) != nil:
		e.drop(ReasonHandshake)
		return
	}
	for _, p := range e.replicas {
		if o := &p.opening; o.active && o.quote != 0 && o.quote == denial.Quote {
			e.onDenied(now, p, &denial)
			return
		}
	}
	e.drop(ReasonStaleHandshake)
}

func (e *Endpoint) onDenied(now time.Duration, p *peer, denial *wire.Denial) {
	o := &p.opening
	o.quote = 0 // one HELLO has one answer
	again := false
	switch denial.Why {
	case wire.DeniedCookie:
		again = o.cookie != denial.Cookie
		o.cookie = denial.Cookie
	case wire.DeniedKey:
		var all bool
		if again, all = e.refuseKey(o); all {
			p.denied = denial.Why
		}
	default:
		p.denied = denial.Why
	}
	if again {
		o.retry = now
		e.wake(now, p)
	}
}

// admits tells whether the endpoint has time for an offer to that address. If not, and the address
// may be forged, it asks for a cookie, which costs it nothing that it would have to remember.
func (e *Endpoint) admits(now time.Duration, from netip.AddrPort, d []byte, cookie wire.Cookie, out *Effects) bool {
	age := uint64(now / cookieEvery)
	if e.isCookie(cookie, from, age) || age > 0 && e.isCookie(cookie, from, age-1) {
		if e.proven.take(now) {
			return true
		}
		e.drop(ReasonLoad)
		return false
	}
	if e.unproven.take(now) {
		return true
	}
	e.drop(ReasonLoad)
	e.sendDenial(from, &wire.Denial{Quote: wire.Sum(d), Why: wire.DeniedCookie, Cookie: e.cookie(from, age)}, out)
	return false
}

func (e *Endpoint) isCookie(cookie wire.Cookie, from netip.AddrPort, age uint64) bool {
	if cookie == (wire.Cookie{}) {
		return false
	}
	want := e.cookie(from, age)
	return subtle.ConstantTimeCompare(cookie[:], want[:]) == 1
}

// cookie is what an address has to show at an age. The input of the hash has one length, so that a
// part of the hash serves as a MAC.
func (e *Endpoint) cookie(from netip.AddrPort, age uint64) wire.Cookie {
	var input [32 + 16 + 2 + 8]byte
	copy(input[:], e.cookies[:])
	address := from.Addr().As16()
	copy(input[32:], address[:])
	binary.LittleEndian.PutUint16(input[48:], from.Port())
	binary.LittleEndian.PutUint64(input[50:], age)
	sum := sha256.Sum256(input[:])
	return wire.Cookie(sum[:len(wire.Cookie{})])
}
