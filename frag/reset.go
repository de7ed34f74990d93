package frag

import (
	"net/netip"
	"time"

	"vrnode/wire"
)

// sendReset tells the sender of a datagram that its session is not known here, most often because
// this process has lost its memory. It takes no state but the bucket that bounds the rate.
func (e *Endpoint) sendReset(now time.Duration, to netip.AddrPort, size int, h *wire.DatagramHeader, out *Effects) {
	if size < wire.ResetSize {
		return
	}
	if !e.resets.take(now) {
		e.stats.ResetsSpared++
		return
	}
	e.stats.Resets++
	b := wire.AppendReset(out.arena.reserve(wire.ResetSize)[:wire.DatagramHeaderSize],
		&wire.Reset{Sender: e.self, To: h.To, Number: h.Number})
	wire.Stamp(b, &wire.DatagramHeader{Type: wire.DatagramReset, Length: uint16(len(b) - wire.DatagramHeaderSize)}, wire.ResetBinding())
	e.emit(to, b, out)
}

// onReset ends the session that the peer does not know and opens another. It believes only who
// quotes a datagram that is in flight.
func (e *Endpoint) onReset(now time.Duration, d, payload []byte) {
	var r wire.Reset
	if wire.Verify(d, wire.ResetBinding()) != nil {
		e.drop(ReasonChecksum)
		return
	}
	if wire.DecodeReset(payload, &r) != nil {
		e.drop(ReasonHandshake)
		return
	}
	p := e.find(r.Sender)
	if p == nil || !p.session.active || p.session.remoteIndex != r.To || !p.session.sent.inFlight(r.Number) {
		e.drop(ReasonStaleHandshake)
		return
	}
	e.abandon(p)
	if !p.isClient() {
		e.open(now, p)
		e.reschedule(now, p)
	}
}

// A bucket holds the right to send RESETs, in units of the time in which one more is allowed.
type bucket struct {
	spent time.Duration // when the bucket is full again
}

func (b *bucket) take(now time.Duration) bool {
	const each = time.Second / resetRate
	b.spent = max(b.spent, now)
	if b.spent+each > now+resetBurst*each {
		return false
	}
	b.spent += each
	return true
}
