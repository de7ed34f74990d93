package vr

import "vrnode/wire"

// early keeps copies of messages that came before what they need, within earlyMax messages and
// earlyBytes bytes. Networks reorder; asking again for what was already sent would be a waste.
type early struct {
	kept    [][]byte // oldest first
	bytes   int
	current []byte   // what take returned last
	free    [][]byte // buffers to use again
	ready   bool     // something has come that may be what one of them needs
	encoder wire.Encoder
	decoder wire.Decoder
}

// keep copies a message and says TooEarly, or TooMuchEarly at a bound.
func (e *early) keep(h *wire.Header, m wire.Message) Reason {
	if e.isFull() {
		return TooMuchEarly
	}
	var b []byte
	if n := len(e.free); n > 0 {
		b, e.free = e.free[n-1], e.free[:n-1]
	}
	b = e.encoder.Append(b[:0], h, m)
	e.kept = append(e.kept, b)
	e.bytes += len(b)
	return TooEarly
}

func (e *early) isFull() bool { return len(e.kept) >= earlyMax || e.bytes >= earlyBytes }

// turn returns how many messages to take now. One that is still too early is kept once more.
func (e *early) turn() int {
	if !e.ready {
		return 0
	}
	e.ready = false
	return len(e.kept)
}

// take removes the oldest message and returns it; it is valid until the next call. It says false
// if there is none, because handling the one before it cleared the others.
func (e *early) take() (*wire.Header, wire.Message, bool) {
	if e.current != nil {
		e.free, e.current = append(e.free, e.current), nil
	}
	if len(e.kept) == 0 {
		return nil, nil, false
	}
	e.current = e.kept[0]
	e.kept = e.kept[:copy(e.kept, e.kept[1:])]
	e.bytes -= len(e.current)
	h, m, err := e.decoder.Decode(e.current)
	if err != nil {
		panic("invariant broken: what was encoded can be decoded")
	}
	return h, m, true
}

// clear forgets all messages.
func (e *early) clear() { e.kept, e.bytes, e.ready = nil, 0, false }
