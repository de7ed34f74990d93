package vr

import (
	"testing"
	"time"

	"vrnode/wire"
)

// tell gives a message to a replica and returns why it was ignored or why the replica halted.
func (g *group) tell(to wire.Peer, h wire.Header, m wire.Message) Reason {
	var out Effects
	g.replicas[to].Step(g.now, &h, m, &out)
	for _, e := range out.Events {
		if e.Kind == EventIgnored || e.Kind == EventHalted {
			return e.Reason
		}
	}
	return 0
}

// from makes the header that a member's message would have now.
func (g *group) from(id wire.Peer) wire.Header { return g.replicas[id].header() }

// fromPrimary is the header of the primary of a view, whether that has started or not.
func (g *group) fromPrimary(view wire.ViewNumber) wire.Header {
	h := g.from(g.ids[int(view)%len(g.ids)])
	h.View = view
	return h
}

// entries makes n entries of a client.
func entries(n int) (s wire.Entries) {
	for i := range n {
		s = s.Append(&wire.Entry{Kind: wire.EntryCommand, Client: clientID, Session: 1, Request: wire.RequestNumber(i + 1)})
	}
	return s
}

// Every reason there is has one situation here; replica 1 is the primary of view 0.
func TestReasons(t *testing.T) {
	client := wire.Header{Cluster: wire.ClusterID{1}, From: clientID}
	for reason, situation := range map[Reason]func(g *group) Reason{
		WrongCluster: func(g *group) Reason {
			h := g.from(1)
			h.Cluster[5]++
			return g.tell(2, h, &wire.Commit{Seq: 1})
		},
		WrongEpoch: func(g *group) Reason {
			h := g.from(1)
			h.Epoch++
			return g.tell(2, h, &wire.Commit{Seq: 1})
		},
		UnknownSender: func(g *group) Reason {
			h := g.from(1)
			h.From = 77
			return g.tell(2, h, &wire.Commit{Seq: 1})
		},
		StaleSender: func(g *group) Reason {
			old := g.from(1)
			g.start(1)
			g.run(10 * time.Millisecond)
			return g.tell(2, old, &wire.Commit{Seq: 1000})
		},
		NotOperational: func(g *group) Reason {
			g.start(2)
			return g.tell(2, g.from(1), &wire.Prepare{First: 1, Entries: entries(1)})
		},
		Halted: func(g *group) Reason {
			g.tell(2, g.from(1), &wire.StaleIncarnation{Known: 1000})
			return g.tell(2, g.from(1), &wire.Commit{Seq: 1})
		},
		Fenced: func(g *group) Reason {
			return g.tell(2, g.from(1), &wire.StaleIncarnation{Known: 1000})
		},
		Diverged: func(g *group) Reason {
			return g.tell(2, g.from(1), &wire.Commit{Seq: 1000, CommitChain: 42})
		},
		OldView: func(g *group) Reason {
			old := g.from(1)
			g.tell(2, g.fromPrimary(3), &wire.JoinView{})
			return g.tell(2, old, &wire.Commit{Seq: 1000})
		},
		NotNormal: func(g *group) Reason {
			g.tell(2, g.fromPrimary(3), &wire.JoinView{})
			h := g.from(3)
			h.Incarnation++
			return g.tell(2, h, &wire.Recovery{})
		},
		NotPrimary: func(g *group) Reason { return g.tell(2, client, &wire.Register{}) },
		NotFromPrimary: func(g *group) Reason {
			return g.tell(2, g.from(3), &wire.Prepare{First: 1, Entries: entries(1)})
		},
		NothingNew:   func(g *group) Reason { return g.tell(1, g.from(2), &wire.PrepareOK{}) },
		OldHeartbeat: func(g *group) Reason { return g.tell(2, g.from(1), &wire.Commit{}) },
		TooEarly: func(g *group) Reason {
			return g.tell(2, g.from(1), &wire.Prepare{First: 5, Entries: entries(1)})
		},
		TooMuchEarly: func(g *group) Reason {
			for range earlyMax {
				g.tell(2, g.from(1), &wire.Prepare{First: 5, Entries: entries(1)})
			}
			return g.tell(2, g.from(1), &wire.Prepare{First: 5, Entries: entries(1)})
		},
		WindowFull: func(g *group) Reason {
			var commands wire.Commands
			for range windowOps {
				commands = commands.Append(nil)
			}
			g.tell(1, client, &wire.Request{Session: 1, First: 1, Commands: commands})
			return g.tell(1, client, &wire.Request{Session: 1, First: windowOps + 1, Commands: commands})
		},
		NotAwaited: func(g *group) Reason {
			return g.tell(2, g.from(1), &wire.Log{First: 1, Entries: entries(1)})
		},
		NotThisRun: func(g *group) Reason {
			g.start(2)
			return g.tell(2, g.from(1), &wire.RecoveryResponse{ForIncarnation: 1})
		},
		CannotGive: func(g *group) Reason {
			return g.tell(1, g.from(2), &wire.GetLog{From: 1000, To: 2000})
		},
		AlreadyOperational: func(g *group) Reason {
			return g.tell(1, client, &wire.Form{Members: g.replicas[1].members})
		},
		NotHeld: func(g *group) Reason {
			members := g.replicas[1].members
			g.start(2)
			members[1].Incarnation = g.replicas[2].incarnation
			return g.tell(2, client, &wire.Form{Members: members, Base: wire.Base{Op: 5}})
		},
		NotListed: func(g *group) Reason {
			members := g.replicas[1].members
			g.start(2) // is not the run that is listed
			return g.tell(2, client, &wire.Form{Members: members})
		},
		Misaddressed: func(g *group) Reason { return g.tell(1, client, &wire.Commit{Seq: 1}) },
		Malformed: func(g *group) Reason {
			return g.tell(2, g.from(1), &wire.Prepare{First: 0, Entries: entries(1)})
		},
	} {
		t.Run(reason.String(), func(t *testing.T) {
			g := newGroup(t, 3)
			g.form()
			if got := situation(g); got != reason {
				t.Errorf("ignored for %v", got)
			}
		})
	}
	if n := len(Reasons()); n != 25 {
		t.Errorf("there are %d reasons; each needs a situation here", n)
	}
}
