package vr

import (
	"vrnode/internal/assert"
	"vrnode/wire"
)

// log is a sequence of ops. It guarantees:
//
//  1. ops are contiguous: it holds every op-number in (base, head],
//  2. the chain at op n is a hash of the ops up to n, so equal chains mean equal logs up to there,
//  3. entries are copied in and never change afterwards.
//
// The base is where a log begins: what is before it is forgotten, because a checkpoint stands for it,
// or, in a piece that is being fetched, is elsewhere. The zero value is an empty log from base 0.
type log struct {
	base      wire.OpNumber
	baseChain wire.Chain
	head      wire.OpNumber
	bytes     int           // that the entries take in memory
	origin    wire.OpNumber // the op before the first place of the first segment; at most base
	segments  []*segment
	spare     *segment // one that is empty again
	bodies    []byte   // what is left of the chunk that bodies are copied into
	scratch   []byte
}

const (
	segmentOps = 1024
	bodyChunk  = 64 << 10
)

// A segment holds consecutive entries, so that a growing log never moves.
type segment [segmentOps]logged

type logged struct {
	entry wire.Entry
	chain wire.Chain
}

// loggedBytes is what an entry takes in memory beside its body.
const loggedBytes = 80

// footprint returns the bytes that an entry takes in memory.
func footprint(e *wire.Entry) int { return loggedBytes + len(e.Body) }

// at returns the entry at op, which must be in (base, head].
func (l *log) at(op wire.OpNumber) *logged {
	assert.That(l.base < op && op <= l.head, "an op is read from the log only if the log holds it")
	i := op - l.origin - 1
	return &l.segments[i/segmentOps][i%segmentOps]
}

// entry returns the entry at op, which must be in (base, head]. It must not be changed.
func (l *log) entry(op wire.OpNumber) *wire.Entry { return &l.at(op).entry }

// chain returns the chain at op, which must be in [base, head].
func (l *log) chain(op wire.OpNumber) wire.Chain {
	if op == l.base {
		return l.baseChain
	}
	return l.at(op).chain
}

// append adds a copy of e behind the head.
func (l *log) append(e *wire.Entry) {
	next := *e
	next.Body = l.keep(e.Body)
	chain, scratch := l.chain(l.head).Next(&next, l.scratch)
	l.scratch = scratch
	l.push(logged{next, chain})
}

func (l *log) push(x logged) {
	i := l.head - l.origin
	if i/segmentOps == wire.OpNumber(len(l.segments)) {
		if l.spare == nil {
			l.spare = new(segment)
		}
		l.segments, l.spare = append(l.segments, l.spare), nil
	}
	l.segments[i/segmentOps][i%segmentOps] = x
	l.head++
	l.bytes += footprint(&x.entry)
}

// forget drops the oldest entry.
func (l *log) forget() {
	x := l.at(l.base + 1)
	l.bytes -= footprint(&x.entry)
	l.base, l.baseChain = l.base+1, x.chain
	*x = logged{}
	if l.base-l.origin == segmentOps {
		l.spare, l.segments[0] = l.segments[0], nil
		l.segments, l.origin = l.segments[1:], l.base
	}
}

// keep copies a body into memory of the log.
func (l *log) keep(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	if len(body) > bodyChunk/4 {
		return append([]byte(nil), body...)
	}
	if len(body) > cap(l.bodies)-len(l.bodies) {
		l.bodies = make([]byte, 0, bodyChunk)
	}
	at := len(l.bodies)
	l.bodies = append(l.bodies, body...)
	return l.bodies[at:len(l.bodies):len(l.bodies)]
}

// truncate removes every entry after op, which must be in [base, head].
func (l *log) truncate(op wire.OpNumber) {
	assert.That(l.base <= op && op <= l.head, "a log is truncated to an op that it holds")
	for ; l.head > op; l.head-- {
		x := l.at(l.head)
		l.bytes -= footprint(&x.entry)
		*x = logged{}
	}
	l.segments = l.segments[:(l.head-l.origin+segmentOps-1)/segmentOps]
}

// startAt returns an empty log that begins after an op.
func startAt(op wire.OpNumber, chain wire.Chain) log {
	return log{base: op, baseChain: chain, head: op, origin: op}
}

// holds tells whether op is in [base, head] and has the given chain.
func (l *log) holds(op wire.OpNumber, chain wire.Chain) bool {
	return l.base <= op && op <= l.head && l.chain(op) == chain
}

// follows tells whether entries, the first of which is op first and comes after chain, agree with
// what the log has before them. first is at most head + 1. Where that is before the base, they must
// lead to what the log has there.
func (l *log) follows(first wire.OpNumber, chain wire.Chain, entries wire.Entries) bool {
	var e wire.Entry
	for op := first - 1; ; op++ {
		if op >= l.base {
			return l.chain(op) == chain
		}
		if !entries.Next(&e) {
			return true // nothing of them is after the base
		}
		chain, l.scratch = chain.Next(&e, l.scratch)
	}
}

// splice replaces everything after piece.base by piece, whose memory it takes over.
func (l *log) splice(piece *log) {
	assert.That(l.base <= piece.base && piece.base <= l.head && l.chain(piece.base) == piece.baseChain,
		"a fetched piece fits the log that it is put on")
	l.truncate(piece.base)
	for op := piece.base + 1; op <= piece.head; op++ {
		l.push(*piece.at(op))
	}
}

// piece returns an empty log that begins where l ends at op.
func (l *log) piece(op wire.OpNumber) *log {
	piece := startAt(op, l.chain(op))
	return &piece
}

// copy appends the entries first … last to dst until they take more than bytes, but at least one.
func (l *log) copy(dst wire.Entries, first, last wire.OpNumber, bytes int) wire.Entries {
	for op := first; op <= last && op <= l.head; op++ {
		e := l.entry(op)
		if dst.Len() > 0 && dst.Size()+e.Size() > bytes {
			break
		}
		dst = dst.Append(e)
	}
	return dst
}
