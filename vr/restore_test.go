package vr

import (
	"testing"

	"vrnode/wire"
)

// A recovering replica that has a state waits for a primary that has committed what the state stands
// for. Another one has been replaced and does not know it yet: its log may go on in another way.
func TestRecoveryIntoTheViewThatAStateIsOf(t *testing.T) {
	const base = 4
	for _, head := range []wire.OpNumber{base, base + 1} {
		g := newGroup(t, 5)
		g.form()
		members := g.replicas[1].members
		g.start(5)
		r := g.replicas[5]
		answer := func(from wire.Peer, view wire.ViewNumber, op, commit wire.OpNumber) {
			h := g.from(from)
			h.View = view
			if why := g.tell(5, h, &wire.RecoveryResponse{
				ForIncarnation: r.incarnation, IsPrimary: members[int(view)%len(members)].ID == from,
				Op: op, Commit: commit, Members: members,
			}); why != 0 {
				t.Fatal(why)
			}
		}
		for from := range wire.Peer(3) {
			answer(from+1, 5, 9, 9)
		}
		h := g.from(1)
		h.View = 5
		if why := g.tell(5, h, &wire.Log{LastNormal: 5, First: base + 1, Commit: 9}); why != CannotGive {
			t.Fatal(why)
		}
		var out Effects
		if !r.BeginRestore(base) {
			t.Fatal("the state is of no use")
		}
		r.Install(g.now, &Restored{op: base, chain: 7, sessions: newSessions()}, &out)

		// These were on their way for long.
		for from := range wire.Peer(3) {
			answer(from+1, 0, head, base-1)
		}
		if r.status != wire.StatusRecovering || r.fetch.purpose != 0 {
			t.Errorf("head %d: follows a primary that has been replaced: %+v", head, r.Status())
		}
		answer(1, 5, base, base)
		if r.status != wire.StatusNormal || r.view != 5 {
			t.Errorf("head %d: does not follow the one that has not: %+v", head, r.Status())
		}
	}
}

// A replica that has got by a Prepare what it lacked does not lack it any more.
func TestPrepareBringsWhatIsLacked(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	r := g.replicas[3]
	entries := wire.Entries{}.Append(&wire.Entry{Kind: wire.EntryRegister, Client: clientID})
	tell := func(from wire.Peer, m wire.Message, want Reason) {
		t.Helper()
		if why := g.tell(3, g.from(from), m); why != want {
			t.Fatalf("%v, want %v", why, want)
		}
	}
	tell(1, &wire.Commit{Seq: 1 << 20, Commit: 1}, 0)
	g.now += fetchIntervalMin
	var out Effects
	r.Tick(g.now, &out) // the primary is silent; replica 2 is asked
	tell(2, &wire.Log{First: 2, Commit: 1}, CannotGive)
	if _, lacks := r.NeedState(); !lacks {
		t.Fatal("lacks nothing")
	}
	tell(1, &wire.Prepare{First: 1, Commit: 1, Entries: entries}, 0)
	if need, lacks := r.NeedState(); lacks {
		t.Errorf("has all there is, and needs %+v", need)
	}
}
