package relay

import (
	"slices"
	"sync"
	"sync/atomic"

	"vrnode/netem/scenario"
	"vrnode/wire"
)

// A ruleBook holds the filters that still have something to lose. While it is empty, nothing is
// decoded.
type ruleBook struct {
	open    atomic.Int32
	mu      sync.Mutex
	filters []*scenario.Filter
}

// Drop loses messages of a kind: skip of them pass and the count after them are lost.
func (r *Relay) Drop(kind wire.Kind, where []scenario.Direction, skip, count int) (lost func() int, stop func(), err error) {
	b := &r.rules
	added := scenario.NewFilter(kind, where, skip, count)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.filters = append(b.filters, added)
	b.open.Store(int32(len(b.filters)))
	lost = func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return added.Lost()
	}
	stop = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.end(added)
	}
	return lost, stop, nil
}

func (b *ruleBook) end(ended *scenario.Filter) {
	b.filters = slices.DeleteFunc(b.filters, func(f *scenario.Filter) bool { return f == ended })
	b.open.Store(int32(len(b.filters)))
}

// lose tells whether a filter loses a datagram.
func (b *ruleBook) lose(d scenario.Direction, datagram []byte) bool {
	if b.open.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.filters {
		if f.Loses(d, datagram) {
			if f.Done() {
				b.end(f)
			}
			return true
		}
	}
	return false
}
