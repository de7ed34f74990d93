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
// A replica's own log starts at base 0. A log with another base is a piece of one that is being
// fetched. The zero value is an empty log from base 0.
type log struct {
	base      wire.OpNumber
	baseChain wire.Chain
	head      wire.OpNumber
	bytes     int // of the entries, in wire form
	segments  []*segment
	bodies    []byte // what is left of the chunk that bodies are copied into
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

// at returns the entry at op, which must be in (base, head].
func (l *log) at(op wire.OpNumber) *logged {
	assert.That(l.base < op && op <= l.head, "an op is read from the log only if the log holds it")
	i := op - l.base - 1
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
	i := l.head - l.base
	if i/segmentOps == wire.OpNumber(len(l.segments)) {
		l.segments = append(l.segments, new(segment))
	}
	l.segments[i/segmentOps][i%segmentOps] = x
	l.head++
	l.bytes += x.entry.Size()
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
		l.bytes -= x.entry.Size()
		*x = logged{}
	}
	l.segments = l.segments[:(l.head-l.base+segmentOps-1)/segmentOps]
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
	return &log{base: op, baseChain: l.chain(op), head: op}
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
