package relay

import (
	"slices"
	"sync"
	"sync/atomic"

	"vrnode/netem/scenario"
	"vrnode/wire"
)

// A rule loses messages of a kind in some directions: skip of them pass, count of them do not. Each
// datagram with such a message counts, so that one that is sent again is another one.
type rule struct {
	kind        wire.Kind
	where       []scenario.Direction
	skip, count int
	lost        int
}

// A ruleBook holds the rules that still have something to lose. While it is empty, nothing is
// decoded.
type ruleBook struct {
	open  atomic.Int32
	mu    sync.Mutex
	rules []*rule
}

// Drop loses messages of a kind: skip of them pass and the count after them are lost.
func (r *Relay) Drop(kind wire.Kind, where []scenario.Direction, skip, count int) (lost func() int, stop func(), err error) {
	b := &r.rules
	added := &rule{kind: kind, where: slices.Clone(where), skip: skip, count: count}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, added)
	b.open.Store(int32(len(b.rules)))
	lost = func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return added.lost
	}
	stop = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.end(added)
	}
	return lost, stop, nil
}

func (b *ruleBook) end(ended *rule) {
	b.rules = slices.DeleteFunc(b.rules, func(r *rule) bool { return r == ended })
	b.open.Store(int32(len(b.rules)))
}

// lose tells whether a rule loses a datagram.
func (b *ruleBook) lose(d scenario.Direction, datagram []byte) bool {
	if b.open.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rules {
		if !slices.Contains(r.where, d) || !holds(datagram, r.kind) {
			continue
		}
		if r.skip > 0 {
			r.skip--
			continue
		}
		r.lost++
		if r.lost == r.count {
			b.end(r)
		}
		return true
	}
	return false
}

// holds tells whether a message of a kind begins in a datagram.
func holds(datagram []byte, kind wire.Kind) bool {
	var header wire.DatagramHeader
	frames, err := wire.DecodeDatagram(datagram, &header)
	if err != nil || header.Type != wire.DatagramData {
		return false
	}
	var f wire.Frame
	for len(frames) > 0 {
		if frames, err = wire.DecodeFrame(frames, &f); err != nil {
			return false
		}
		var message []byte
		switch {
		case f.Type == wire.FrameData && f.Data.Cell == 0:
			message = f.Data.Bytes
		case f.Type == wire.FrameLatest:
			message = f.Latest.Bytes
		}
		if len(message) > 0 && wire.Kind(message[0]) == kind {
			return true
		}
	}
	return false
}
