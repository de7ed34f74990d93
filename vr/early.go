package vr

import "vrnode/wire"

// early keeps copies of messages that came before what they need, within earlyMax messages and
// earlyBytes bytes. Networks reorder; asking again for what was already sent would be a waste.
type early struct {
	kept    []kept // as they are to be taken
	bytes   int
	current []byte   // what take returned last
	free    [][]byte // buffers to use again, none of them large
	encoder wire.Encoder
	decoder wire.Decoder
}

type kept struct {
	from  wire.Peer
	op    wire.OpNumber // of keepInOrder
	due   bool          // what it needs may be here
	bytes []byte
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
	e.kept = append(e.kept, kept{from: h.From, bytes: b})
	e.bytes += len(b)
	return TooEarly
}

// keepInOrder is keep for what begins with an op: it is taken before all that begin later, so that one turn takes
// all that follow each other.
func (e *early) keepInOrder(h *wire.Header, m wire.Message, op wire.OpNumber) Reason {
	why := e.keep(h, m)
	if why == TooEarly {
		i := len(e.kept) - 1
		e.kept[i].op = op
		for ; i > 0 && e.kept[i-1].op > op; i-- {
			e.kept[i-1], e.kept[i] = e.kept[i], e.kept[i-1]
		}
	}
	return why
}

func (e *early) isFull() bool { return len(e.kept) >= earlyMax || e.bytes >= earlyBytes }

// wake tells that the sender's messages should be looked at again.
func (e *early) wake(from wire.Peer) {
	for i := range e.kept {
		e.kept[i].due = e.kept[i].due || e.kept[i].from == from
	}
}

// turn returns how many messages to take now. One that is still too early is kept once more.
func (e *early) turn() int {
	n := 0
	for i := range e.kept {
		if e.kept[i].due {
			n++
		}
	}
	return n
}

// take removes the first message that is due and returns it; it is valid until the next call. It
// says false if there is none, because handling the one before it cleared the others.
func (e *early) take() (*wire.Header, wire.Message, bool) {
	if e.current != nil {
		e.recycle(e.current)
		e.current = nil
	}
	for i := range e.kept {
		if e.kept[i].due {
			e.current = e.remove(i)
			h, m, err := e.decoder.Decode(e.current)
			if err != nil {
				panic("invariant broken: what was encoded can be decoded")
			}
			return h, m, true
		}
	}
	return nil, nil, false
}

// forgetOldest makes room for one message where there may be some that nobody waits for any more.
func (e *early) forgetOldest() { e.recycle(e.remove(0)) }

func (e *early) remove(i int) []byte {
	b := e.kept[i].bytes
	e.kept = e.kept[:i+copy(e.kept[i:], e.kept[i+1:])]
	e.bytes -= len(b)
	return b
}

// recycle keeps a buffer for another message. All of them together hold no more than earlyBytes.
func (e *early) recycle(b []byte) {
	if cap(b) <= earlyBytes/earlyMax && len(e.free) < earlyMax {
		e.free = append(e.free, b)
	}
}

// clear forgets all messages.
func (e *early) clear() { e.kept, e.bytes = nil, 0 }
