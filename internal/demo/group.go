package demo

import (
	"context"
	"fmt"
	"time"

	"vrnode/internal/ports"
	"vrnode/vr"
	"vrnode/vr/node"
	"vrnode/wire"
)

// A group is the replicas of the demonstration.
type group struct {
	peers map[uint64]string
	runs  map[uint64]*run
	ended [][]addition // the histories of runs that were killed
}

// A run is one life of a replica.
type run struct {
	node    *node.Node
	machine *recorder
}

// newGroup finds addresses for n replicas that are free now.
func newGroup(n int) (*group, error) {
	peers, err := ports.Replicas(n)
	return &group{peers: peers, runs: make(map[uint64]*run)}, err
}

// start begins a run of a replica, without any memory.
func (g *group) start(id uint64, tell func(id uint64, e vr.Event)) error {
	r := &run{machine: new(recorder)}
	n, err := node.Start(node.Config{
		ID: id, Peers: g.peers, Machine: r.machine,
		OnEvent: func(e vr.Event) { tell(id, e) },
	})
	if err != nil {
		return err
	}
	r.node = n
	g.runs[id] = r
	return nil
}

// kill ends a run at once: the replica says goodbye to nobody, and all that it knew is dropped.
func (g *group) kill(id uint64) {
	r := g.runs[id]
	delete(g.runs, id)
	r.node.Close()
	g.ended = append(g.ended, r.machine.history)
}

// dead returns the replica that does not run.
func (g *group) dead() uint64 {
	for id := range g.peers {
		if g.runs[id] == nil {
			return id
		}
	}
	return 0
}

func (g *group) close() {
	for _, r := range g.runs {
		r.node.Close()
	}
}

// histories ends all runs, and returns what they have executed.
func (g *group) histories() [][]addition {
	var full [][]addition
	for id := range uint64(len(g.peers)) {
		r := g.runs[id+1]
		r.node.Close()
		full = append(full, r.machine.history)
	}
	return full
}

// settled tells whether every replica has executed all ops that one of them has in its log.
func (g *group) settled() bool {
	var head, behind wire.OpNumber
	for _, r := range g.runs {
		head = max(head, r.node.Status().Op)
	}
	for _, r := range g.runs {
		behind = max(behind, head-min(head, r.node.Status().Applied))
	}
	return behind == 0
}

// reign returns the highest view in which a replica is normal, and its primary.
func (g *group) reign() (view wire.ViewNumber, primary wire.Peer) {
	for _, r := range g.runs {
		s := r.node.Status()
		if s.Status == wire.StatusNormal && s.View >= view {
			view, primary = s.View, s.Primary
		}
	}
	return view, primary
}

// pollInterval is how often a condition is looked at.
const pollInterval = time.Millisecond

// poll waits until something holds.
func poll(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: %w", what, context.Cause(ctx))
		case <-time.After(pollInterval):
		}
	}
	return nil
}
