package vr

import (
	"math"
	"slices"
	"testing"
	"time"

	"vrnode/wire"
)

// What no honest member says. Each of these once broke an invariant of the replica that believed it.
func TestForgedMessagesAreRefused(t *testing.T) {
	recovering := func(g *group, m *wire.RecoveryResponse) (wire.Header, wire.Message) {
		h := g.from(1)
		m.Members = slices.Clone(g.replicas[1].members)
		g.start(2)
		m.ForIncarnation = g.replicas[2].incarnation
		return h, m
	}
	for name, forge := range map[string]func(g *group) (wire.Header, wire.Message){
		"a view from which none can be counted on": func(g *group) (wire.Header, wire.Message) {
			h := g.from(1)
			h.View = math.MaxUint64
			return h, &wire.JoinView{}
		},
		"a promise of more committed than there is": func(g *group) (wire.Header, wire.Message) {
			return g.fromPrimary(2), &wire.DoViewChange{Op: 1, Commit: 2}
		},
		"a promise of a view that has started": func(g *group) (wire.Header, wire.Message) {
			return g.fromPrimary(2), &wire.DoViewChange{LastNormal: 2}
		},
		"a state of more committed than there is": func(g *group) (wire.Header, wire.Message) {
			return recovering(g, &wire.RecoveryResponse{IsPrimary: true, Op: 1, Commit: 2})
		},
		"a state of another's primary": func(g *group) (wire.Header, wire.Message) {
			h, m := recovering(g, &wire.RecoveryResponse{IsPrimary: true})
			h.View = 1
			return h, m
		},
		"a state of no group": func(g *group) (wire.Header, wire.Message) {
			h, m := recovering(g, &wire.RecoveryResponse{IsPrimary: true})
			h.Cluster = wire.ClusterID{}
			return h, m
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t, 3)
			g.form()
			h, m := forge(g)
			if why := g.tell(2, h, m); why != Malformed {
				t.Errorf("ignored for %v", why)
			}
		})
	}
}

// Two answers that disagree about who is a member can not both be of this group.
func TestRecoveryTakesOneConfiguration(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.start(2)
	members := slices.Clone(g.replicas[1].members)
	answer := &wire.RecoveryResponse{ForIncarnation: g.replicas[2].incarnation, IsPrimary: true, Members: members}
	if why := g.tell(2, g.from(1), answer); why != 0 {
		t.Fatal(why)
	}
	answer.IsPrimary, answer.Members = false, slices.Clone(members)
	slices.Reverse(answer.Members[:2])
	if why := g.tell(2, g.from(3), answer); why != WrongEpoch {
		t.Errorf("ignored for %v", why)
	}
}

// A primary that took a request from another replica, or from the one that replaces it, does no
// harm: the op is executed and nobody is answered.
func TestOpOfNoClientIsNotAnswered(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	m := &wire.Prepare{First: 1, Entries: wire.Entries{}.
		Append(&wire.Entry{Kind: wire.EntryRegister, Client: 2}).
		Append(&wire.Entry{Kind: wire.EntryCommand, Client: 2, Session: 1, Request: 1})}
	for _, id := range g.ids[1:] {
		if why := g.tell(id, g.from(1), m); why != 0 {
			t.Fatal(why)
		}
	}
	g.replicas[1] = nil
	g.run(time.Second)
	for _, id := range g.ids[1:] {
		if n := len(g.machines[id].applied); n != 1 {
			t.Errorf("replica %v executed %d ops", id, n)
		}
	}
}
