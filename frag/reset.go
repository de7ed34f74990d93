package frag

import (
	"net/netip"
	"time"

	"vrnode/wire"
)

// sendReset tells the sender of a datagram that its session is not known here, most often because
// this process has lost its memory. It takes no state but the bucket that bounds the rate.
func (e *Endpoint) sendReset(now time.Duration, to netip.AddrPort, size int, h *wire.DatagramHeader, out *Effects) {
	if size < e.resetSize() {
		return
	}
	if !e.resets.take(now) {
		e.stats.ResetsSpared++
		return
	}
	e.stats.Resets++
	reset := wire.DatagramHeader{Type: wire.DatagramReset}
	b := wire.AppendReset(out.arena.reserve(wire.SealedResetSize)[:wire.DatagramHeaderSize],
		&wire.Reset{Sender: e.self, To: h.To, Number: h.Number})
	if e.IsSecure() {
		b = e.keys[0].MAC(b, b[wire.DatagramHeaderSize:])
		reset.Flags = wire.FlagSealed
	}
	reset.Length = uint16(len(b) - wire.DatagramHeaderSize)
	wire.Stamp(b, &reset, wire.ResetBinding())
	e.emit(to, b, out)
}

// resetSize is the length of a RESET.
func (e *Endpoint) resetSize() int {
	if e.IsSecure() {
		return wire.SealedResetSize
	}
	return wire.ResetSize
}

// onReset ends the session that the peer does not know and opens another. It believes only who
// quotes a datagram that is in flight, and in secure mode only who has a key.
func (e *Endpoint) onReset(now time.Duration, d, payload []byte) {
	if wire.Verify(d, wire.ResetBinding()) != nil {
		e.drop(ReasonChecksum)
		return
	}
	payload, mac := e.cutMAC(payload)
	var r wire.Reset
	if wire.DecodeReset(payload, &r) != nil {
		e.drop(ReasonHandshake)
		return
	}
	p := e.find(r.Sender)
	if p == nil || !p.session.active || p.session.remoteIndex != r.To || !p.session.sent.inFlight(r.Number) {
		e.drop(ReasonStaleHandshake)
		return
	}
	if e.IsSecure() && !e.proves(mac, payload) {
		e.drop(ReasonForged)
		return
	}
	e.abandon(p)
	if !p.isClient() {
		e.open(now, p)
		e.reschedule(now, p)
	}
}

// cutMAC takes the MAC from the end of the payload of a RESET, in secure mode.
func (e *Endpoint) cutMAC(payload []byte) (rest, mac []byte) {
	if !e.IsSecure() || len(payload) < wire.MACSize {
		return payload, nil
	}
	at := len(payload) - wire.MACSize
	return payload[:at], payload[at:]
}

// proves tells whether a message is from somebody who has a key that is valid.
func (e *Endpoint) proves(mac, message []byte) bool {
	for i := range e.keys {
		if e.keys[i].Proves(mac, message) {
			return true
		}
	}
	return false
}

// A bucket holds the right to do something for strangers, in units of the time in which one more
// is allowed.
type bucket struct {
	each  time.Duration
	burst int           // how many at once
	spent time.Duration // when the bucket is full again
}

func (b *bucket) take(now time.Duration) bool {
	b.spent = max(b.spent, now)
	if b.spent+b.each > now+time.Duration(b.burst)*b.each {
		return false
	}
	b.spent += b.each
	return true
}
