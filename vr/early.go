package vr

import (
	"cmp"
	"slices"

	"vrnode/wire"
)

// early keeps copies of messages that came before what they need, within earlyMax messages and
// earlyBytes bytes, or 2*logsMax if they are Logs. Networks reorder; asking again for what was already sent would be a waste.
type early struct {
	kept    []kept // as they are to be taken
	asleep  int    // so many of them are not due
	bytes   int
	current []byte   // what take returned last
	free    [][]byte // buffers to use again, none of them large
	encoder wire.Encoder
	decoder wire.Decoder
}

type kept struct {
	from        wire.Peer
	first, last wire.OpNumber // of a Log
	due         bool          // what it needs may be here
	bytes       []byte
}

// keep copies a message and says TooEarly, or TooMuchEarly at a bound.
func (e *early) keep(h *wire.Header, m wire.Message) Reason {
	if e.isFull() {
		return TooMuchEarly
	}
	e.put(h, m)
	return TooEarly
}

func (e *early) put(h *wire.Header, m wire.Message) {
	var b []byte
	if n := len(e.free); n > 0 {
		b, e.free = e.free[n-1], e.free[:n-1]
	}
	b = e.encoder.Append(b[:0], h, m)
	e.kept = append(e.kept, kept{from: h.From, bytes: b})
	e.bytes += len(b)
	e.asleep++
}

// keepLog is keep for a Log up to an op, once for each op that one begins with, and as many as answer two GetLogs:
// those that are needed first. They are in the order of their ops. What has to make room is asked for again when the
// next Log in order does not come.
func (e *early) keepLog(h *wire.Header, m *wire.Log, last wire.OpNumber) Reason {
	at, has := slices.BinarySearchFunc(e.kept, m.First, func(k kept, op wire.OpNumber) int { return cmp.Compare(k.first, op) })
	switch {
	case has:
		return NothingNew
	case at == 2*logsMax:
		return TooMuchEarly
	case len(e.kept) == 2*logsMax:
		e.recycle(e.remove(len(e.kept) - 1))
	}
	e.put(h, m)
	end := len(e.kept) - 1
	k := e.kept[end]
	k.first, k.last = m.First, last
	e.kept = slices.Insert(e.kept[:end], at, k)
	return TooEarly
}

// through returns up to which op all is there, if it is up to this one without what is kept.
func (e *early) through(op wire.OpNumber) wire.OpNumber {
	for _, k := range e.kept {
		if k.first > op+1 {
			break
		}
		op = max(op, k.last)
	}
	return op
}

// after returns the op with which the first Log begins that is kept and leaves something out after this op.
func (e *early) after(op wire.OpNumber) (first wire.OpNumber, is bool) {
	for _, k := range e.kept {
		if k.first > op+1 {
			return k.first, true
		}
	}
	return 0, false
}

// wakeLog wakes the first of the kept Logs if it begins with an op or before it, and tells whether it does.
func (e *early) wakeLog(next wire.OpNumber) bool {
	is := len(e.kept) > 0 && e.kept[0].first <= next
	if is {
		e.rouse(0)
	}
	return is
}

func (e *early) isFull() bool { return len(e.kept) >= earlyMax || e.bytes >= earlyBytes }

// wake tells that the sender's messages should be looked at again.
func (e *early) wake(from wire.Peer) {
	for i := 0; i < len(e.kept) && e.asleep > 0; i++ {
		if e.kept[i].from == from {
			e.rouse(i)
		}
	}
}

func (e *early) rouse(i int) {
	if !e.kept[i].due {
		e.kept[i].due = true
		e.asleep--
	}
}

// turn returns how many messages to take now, earlyTurn at most. One that is still too early is kept once more.
func (e *early) turn() int { return min(len(e.kept)-e.asleep, earlyTurn) }

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
	if !e.kept[i].due {
		e.asleep--
	}
	if i == 0 { // mostly
		e.kept[0] = kept{}
		e.kept = e.kept[1:]
	} else {
		e.kept = e.kept[:i+copy(e.kept[i:], e.kept[i+1:])]
	}
	e.bytes -= len(b)
	return b
}

// recycle keeps a buffer for another message. All of them together hold no more than earlyBytes.
func (e *early) recycle(b []byte) {
	if cap(b) <= earlyBytes/earlyTurn && len(e.free) < earlyTurn {
		e.free = append(e.free, b)
	}
}

// clear forgets all messages.
func (e *early) clear() { e.kept, e.asleep, e.bytes = nil, 0, 0 }
