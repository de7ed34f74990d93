package node_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vrnode/internal/ports"
	"vrnode/vr"
	"vrnode/vr/machine/kv"
	"vrnode/vr/node"
	"vrnode/wire"
)

// A store is a group of replicas of keys and values, whose logs are far too short for their state.
type store struct {
	t     *testing.T
	ctx   context.Context
	peers map[uint64]string
	nodes map[uint64]*node.Node
	spool string
	// installed counts the states that a replica took over.
	installed map[uint64]*atomic.Int32
}

func newStore(t *testing.T) *store {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	peers, err := ports.Replicas(3)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, ctx: ctx, peers: peers, nodes: map[uint64]*node.Node{}, spool: t.TempDir(), installed: map[uint64]*atomic.Int32{}}
	for id := range peers {
		s.installed[id] = new(atomic.Int32)
		s.start(id)
	}
	t.Cleanup(func() {
		for _, n := range s.nodes {
			n.Close()
		}
	})
	if _, err := node.Form(ctx, peers); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *store) start(id uint64) {
	n, err := node.Start(node.Config{
		ID: id, Peers: s.peers, Machine: new(kv.Machine), LogMemory: vr.LogBytesMin, SpoolDir: s.spool,
		OnEvent: func(e node.Event) {
			if e.Kind == vr.EventStateInstalled {
				s.installed[id].Add(1)
			}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.nodes[id] = n
}

// put writes keys with values of 4 KiB through a node, many at a time.
func (s *store) put(via uint64, from, to int) {
	const atOnce = 64
	value := strings.Repeat("v", 4<<10)
	var all sync.WaitGroup
	for worker := range atOnce {
		all.Go(func() {
			for i := from + worker; i < to; i += atOnce {
				if _, err := s.nodes[via].Submit(s.ctx, kv.Put(fmt.Sprintf("key %06d", i), value)); err != nil {
					s.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// until waits for what must happen some time.
func (s *store) until(what string, is func() bool) {
	s.t.Helper()
	for tick := time.Tick(10 * time.Millisecond); !is(); <-tick {
		if s.ctx.Err() != nil {
			var all strings.Builder
			for id, n := range s.nodes {
				fmt.Fprintf(&all, "\n%d %+v", id, n.Status())
			}
			s.t.Fatalf("waited in vain until %s%s", what, all.String())
		}
	}
}

// caughtUp tells whether a replica has executed what another one has.
func (s *store) caughtUp(id, other uint64) bool {
	a, b := s.nodes[id].Status(), s.nodes[other].Status()
	return a.Status == wire.StatusNormal && a.Applied >= b.Commit && b.Commit > 0
}

// TestStateComesBack: a replica without memory, in a group whose logs begin long after the first op, gets
// the state and then serves it, and nothing is left of the files.
func TestStateComesBack(t *testing.T) {
	s := newStore(t)
	s.put(1, 0, 2500) // some 10 MiB
	for _, lost := range []uint64{3, 1} {
		s.until("all replicas are equal", func() bool { return s.caughtUp(1, 2) && s.caughtUp(2, 1) && s.caughtUp(3, 1) && s.caughtUp(3, 2) })
		if base := s.nodes[2].Status().LogBase; base == 0 {
			t.Fatalf("the log has forgotten nothing: %+v", s.nodes[2].Status())
		}
		s.nodes[lost].Close()
		before := s.installed[lost].Load()
		s.start(lost)
		s.until(fmt.Sprintf("replica %d has its memory back", lost), func() bool { return s.caughtUp(lost, 2) })
		s.until("it has got a state", func() bool { return s.installed[lost].Load() > before })
		for _, key := range []string{"key 000000", "key 001234", "key 002499"} {
			got, err := s.nodes[lost].Submit(s.ctx, kv.Get(key))
			if err != nil || len(got) != 4<<10+2 {
				t.Errorf("%s: %d bytes, %v", key, len(got), err)
			}
		}
	}
	s.until("the transfers are over, and nothing is left of them", func() bool {
		left, err := os.ReadDir(s.spool)
		return err == nil && len(left) == 0
	})
	for id, n := range s.nodes {
		n.Close()
		delete(s.nodes, id)
	}
	if left, err := os.ReadDir(s.spool); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v %v", filepath.Base(s.spool), left, err)
	}
}
