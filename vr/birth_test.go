package vr

import (
	"bytes"
	"testing"
	"time"

	"vrnode/wire"
)

// backup has all replicas take a checkpoint of what the group has committed, and returns it and its bytes.
func (g *group) backup() (*Checkpoint, []byte) {
	g.t.Helper()
	min := g.replicas[1].commit
	g.operator.TakeCheckpoint(g.now, g.replicas[1].cluster, min)
	g.run(50 * time.Millisecond)
	first := g.replicas[1].Checkpoint()
	if first == nil || first.Op <= min {
		g.t.Fatalf("no checkpoint after op %d", min)
	}
	records := write(g.t, first)
	for _, id := range g.ids {
		c := g.replicas[id].Checkpoint()
		if c == nil || c.Op != first.Op || len(write(g.t, c)) != len(records) {
			g.t.Fatalf("replica %v has another checkpoint", id)
		}
	}
	var b bytes.Buffer
	for _, r := range records {
		b.WriteString(r)
	}
	return first, b.Bytes()
}

// read lets a replica that was formed read the state into its machine.
func (g *group) read(id wire.Peer, c *Checkpoint, b []byte) {
	g.t.Helper()
	if !g.replicas[id].BeginRestore(c.Op) {
		g.t.Fatalf("replica %v does not want the state", id)
	}
	state, err := ReadCheckpoint(bytes.NewReader(b), g.machines[id])
	if err != nil || !state.IsOf(c.Op, c.Chain) {
		g.t.Fatal(err)
	}
	var out Effects
	g.replicas[id].Install(g.now, state, &out)
	g.take(&out)
}

// lost is a group that has executed n ops, was backed up, and has lost its memory.
func lost(t *testing.T, n int) (g *group, c *Checkpoint, b []byte) {
	g = newGroup(t, 3)
	g.form()
	g.submit(n)
	g.run(20 * time.Millisecond)
	c, b = g.backup()
	for _, id := range g.ids {
		g.start(id)
	}
	g.operator.Probe(g.now)
	g.run(10 * time.Millisecond)
	return g, c, b
}

func (g *group) hold(id wire.Peer) {
	g.t.Helper()
	var out Effects
	if !g.replicas[id].Hold(&out) {
		g.t.Fatalf("replica %v does not hold the state", id)
	}
}

// bring has the operator bring the state to all, of which these hold it soon.
func (g *group) bring(c *Checkpoint, holders ...wire.Peer) wire.Base {
	g.t.Helper()
	base := wire.Base{Op: c.Op, Chain: c.Chain, Root: wire.Digest{7}}
	g.operator.Bring(g.now, base)
	g.run(20 * time.Millisecond)
	for _, id := range holders {
		g.hold(id)
	}
	return base
}

func (g *group) wantStatus(want wire.Status, ids ...wire.Peer) {
	g.t.Helper()
	for _, id := range ids {
		if got := g.replicas[id].status; got != want {
			g.t.Errorf("replica %v is %v, want %v", id, got, want)
		}
	}
}

// A group begins with the state of another one, and nobody is a member before it has that.
func TestGroupBeginsWithAState(t *testing.T) {
	g, c, b := lost(t, 5)
	base := wire.Base{Op: c.Op, Chain: c.Chain, Root: wire.Digest{7}}
	g.operator.Bring(g.now, base)
	g.run(300 * time.Millisecond)
	for _, id := range g.ids {
		need, lacks := g.replicas[id].NeedState()
		if !lacks || need.Root != base.Root || need.MinOp != base.Op || len(need.Donors) != 1 || need.Donors[0] != operatorID {
			t.Fatalf("replica %v needs %+v", id, need)
		}
		if g.replicas[id].BeginRestore(base.Op) {
			t.Fatalf("replica %v reads a state of a group that is not formed", id)
		}
		if g.operator.Done() {
			t.Fatalf("the operator is done before replica %v holds the state", id)
		}
		g.hold(id)
		g.run(200 * time.Millisecond)
	}
	if !g.operator.Done() {
		t.Fatal("the operator does not see that all hold the state")
	}
	g.operator.Form(g.now, wire.ClusterID{2}, base)
	g.run(200 * time.Millisecond)
	g.wantStatus(wire.StatusRecovering, g.ids...)
	for _, id := range g.ids {
		g.read(id, c, b)
		g.wantStatus(wire.StatusNormal, id)
		g.run(200 * time.Millisecond)
	}
	if _, lost := g.operator.Reading(); !g.operator.Done() || lost != 0 {
		t.Error("the operator does not see that the group is formed")
	}
	for _, id := range g.ids {
		r := g.replicas[id]
		if len(g.machines[id].applied) != 5 || r.log.base != c.Op || r.commit < c.Op || len(r.sessions.seats) != 0 {
			t.Errorf("replica %v: %+v", id, r.Status())
		}
	}

	// The client of the group that is gone is told so, and a new one is served.
	g.submit(1)
	g.run(300 * time.Millisecond)
	if !g.client.Refused().WrongCluster || len(g.results) != 5 {
		t.Errorf("the old client: %+v, %d results", g.client.Refused(), len(g.results))
	}
	g.client = NewClient(ClientConfig{Self: clientID, Replicas: g.ids})
	g.results = nil
	g.submit(2)
	g.run(300 * time.Millisecond)
	if len(g.results) != 2 || g.results[1].Outcome != wire.OutcomeDone {
		t.Fatalf("%+v", g.results)
	}

	// A member that restarts gets the state from another.
	g.start(3)
	g.run(2 * time.Second)
	if !g.carry(1, 3) {
		t.Fatal("replica 3 does not need the state")
	}
	g.run(3 * time.Second)
	g.wantStatus(wire.StatusNormal, 3)
	if n := len(g.machines[3].applied); n != 7 {
		t.Errorf("it has executed %d ops", n)
	}
}

// What was begun and not brought to its end hinders nobody.
func TestHeldStateIsGivenUp(t *testing.T) {
	g, c, _ := lost(t, 2)
	base := g.bring(c, 1, 2)

	t.Run("for another", func(t *testing.T) {
		other := wire.Base{Op: c.Op + 1, Chain: c.Chain, Root: wire.Digest{8}}
		g.operator.Probe(g.now)
		g.run(20 * time.Millisecond)
		g.operator.Bring(g.now, other)
		g.run(20 * time.Millisecond)
		for _, id := range g.ids {
			if need, _ := g.replicas[id].NeedState(); need.Root != other.Root || g.replicas[id].birth.held {
				t.Errorf("replica %v needs %+v", id, need)
			}
		}
		// The first is back: it is not taken for held.
		g.operator.Bring(g.now, base)
		g.run(20 * time.Millisecond)
		if g.replicas[1].birth.held {
			t.Error("replica 1 says that it holds what it has given up")
		}
	})
	t.Run("who does not hold it is no member", func(t *testing.T) {
		g.hold(1)
		members := []wire.Member{}
		for _, id := range g.ids {
			members = append(members, wire.Member{ID: id, Incarnation: g.replicas[id].incarnation})
		}
		form := wire.Form{Members: members, Base: base}
		other := form
		other.Base.Root = wire.Digest{9}
		h := wire.Header{Cluster: wire.ClusterID{2}, From: operatorID}
		if why := g.tell(1, h, &other); why != NotHeld {
			t.Errorf("of a group with another state: %v", why)
		}
		if why := g.tell(2, h, &form); why != NotHeld {
			t.Errorf("without the state: %v", why)
		}
	})
	t.Run("for nothing", func(t *testing.T) {
		g.operator.Probe(g.now)
		g.run(20 * time.Millisecond)
		g.operator.Form(g.now, wire.ClusterID{3}, wire.Base{})
		g.run(200 * time.Millisecond)
		g.wantStatus(wire.StatusNormal, g.ids...)
		for _, id := range g.ids {
			if _, lacks := g.replicas[id].NeedState(); lacks || g.replicas[id].applied != 0 {
				t.Errorf("replica %v still wants a state", id)
			}
		}
	})
}

// A member that takes long to read is a member when it has, whatever the others did meanwhile; until
// then it says that it has no memory, and asks nobody for one.
func TestSlowMemberOfANewGroup(t *testing.T) {
	g, c, b := lost(t, 3)
	base := g.bring(c, g.ids...)
	g.run(200 * time.Millisecond)
	g.operator.Form(g.now, wire.ClusterID{2}, base)
	g.run(20 * time.Millisecond)
	g.read(2, c, b)
	g.read(3, c, b)
	g.run(2 * time.Second) // they leave view 0, whose primary is silent
	g.wantStatus(wire.StatusRecovering, 1)
	if g.replicas[2].view == 0 {
		t.Fatal("the others wait for the primary that reads")
	}
	g.client = NewClient(ClientConfig{Self: clientID, Replicas: g.ids})
	g.results = nil
	g.submit(4)
	g.run(time.Second)
	if len(g.results) != 4 {
		t.Fatalf("the others have served %d requests", len(g.results))
	}
	if why := g.tell(1, g.from(2), &wire.RecoveryResponse{ForIncarnation: g.replicas[1].incarnation, Members: g.replicas[2].members}); why != NotAwaited {
		t.Errorf("it would recover while it reads: %v", why)
	}
	if why := g.tell(1, wire.Header{From: operatorID}, &wire.FetchBase{Base: wire.Base{Op: 77}}); why != AlreadyOperational {
		t.Errorf("it would want another state: %v", why)
	}
	g.read(1, c, b)
	g.run(2 * time.Second)
	g.wantStatus(wire.StatusNormal, g.ids...)
	for _, id := range g.ids {
		if n := len(g.machines[id].applied); n != 7 {
			t.Errorf("replica %v has executed %d ops", id, n)
		}
	}
}

// Whoever was about to get the state of a group that was lost then has changed nothing yet. It becomes a member of a new
// group, and wants no state any more.
func TestNewGroupOfWhoAwaitsAState(t *testing.T) {
	g := newGroup(t, 3)
	r := g.replicas[3]
	var out Effects
	r.lack(40, &out) // as the Log of a group that is gone has said
	r.outrun = 50
	g.operator.Probe(g.now)
	g.run(10 * time.Millisecond)
	g.form()
	if need, lacks := r.NeedState(); lacks || r.outrun > 0 {
		t.Errorf("wants the state of the last group: %+v", need)
	}
	g.submit(3)
	g.run(20 * time.Millisecond)
	if n := len(g.machines[3].applied); n != 3 {
		t.Errorf("has executed %d ops of 3", n)
	}
}

// Whose machine is not as it was at the start is not formed.
func TestWhoHasReadAStateIsNotFormed(t *testing.T) {
	g := newGroup(t, 3)
	r := g.replicas[3]
	form := &wire.Form{}
	for _, id := range g.ids {
		form.Members = append(form.Members, wire.Member{ID: id, Incarnation: g.replicas[id].incarnation})
	}
	operator := wire.Header{Cluster: wire.ClusterID{1}, From: operatorID}
	r.restoring = true
	if why := g.tell(3, operator, form); why != AlreadyOperational {
		t.Errorf("reads a state: %v", why)
	}
	r.restoring = false
	r.log, r.commit, r.applied = startAt(5, 7), 5, 5
	if why := g.tell(3, operator, form); why != AlreadyOperational {
		t.Errorf("has read a state: %v", why)
	}
}

// A member that could not read the state says so, and if it is started again it gets it from the others.
func TestUnreadState(t *testing.T) {
	g, c, b := lost(t, 3)
	base := g.bring(c, g.ids...)
	var out Effects
	if g.replicas[1].Lose(&out); len(out.Events) != 0 {
		t.Errorf("it is no member yet, and says %v", out.Events)
	}
	g.hold(1)
	g.run(200 * time.Millisecond)
	g.operator.Form(g.now, wire.ClusterID{2}, base)
	g.run(20 * time.Millisecond)
	g.read(2, c, b)
	g.read(3, c, b)
	if g.replicas[1].Lose(&out); len(out.Events) != 1 || out.Events[0].Kind != EventUnread || out.Events[0].Op != c.Op {
		t.Errorf("it says %v", out.Events)
	}
	g.run(2 * time.Second)
	g.wantStatus(wire.StatusRecovering, 1)
	g.start(1)
	g.run(2 * time.Second)
	if !g.carry(2, 1) {
		t.Fatal("it needs no state")
	}
	g.run(2 * time.Second)
	g.wantStatus(wire.StatusNormal, g.ids...)
}

// A replica that holds a state comes back into a group that lives, if it finds one.
func TestLivingGroupIsBetterThanAState(t *testing.T) {
	g := restarted(t)
	var out Effects
	g.replicas[3].Step(g.now, &wire.Header{From: operatorID}, &wire.FetchBase{Base: wire.Base{Op: 9, Root: wire.Digest{1}}}, &out)
	g.hold(3)
	g.run(time.Second)
	g.wantStatus(wire.StatusNormal, 3)
	if _, lacks := g.replicas[3].NeedState(); lacks || len(g.machines[3].applied) != 3 {
		t.Error("replica 3 has not given up the state")
	}
	if g.replicas[3].Hold(&out) {
		t.Error("replica 3 would hold a state")
	}
}

// A program that nobody has announced brings nothing, and gets nothing of another group.
func TestProgramsOutside(t *testing.T) {
	g := newGroup(t, 3)
	ask := &wire.GetManifest{MinOp: 1}
	here, elsewhere := wire.Header{Cluster: wire.ClusterID{1}, From: clientID}, wire.Header{Cluster: wire.ClusterID{9}, From: clientID}
	admit := func(h wire.Header, m wire.Message) Reason {
		var out Effects
		if g.replicas[1].Admit(g.now, &h, m, &out) {
			return 0
		}
		return out.Events[0].Reason
	}
	if why := admit(here, ask); why != NotOperational {
		t.Errorf("without memory: %v", why)
	}
	g.form()
	for _, c := range []struct {
		h    wire.Header
		m    wire.Message
		want Reason
	}{
		{here, ask, 0}, {elsewhere, ask, WrongCluster}, {here, &wire.Manifest{}, NotAwaited}, {here, &wire.Piece{}, NotAwaited},
	} {
		if why := admit(c.h, c.m); why != c.want {
			t.Errorf("%v: %v, want %v", c.m.Kind(), why, c.want)
		}
	}
	// A checkpoint is taken once for all who ask for the same.
	head := g.replicas[1].log.head
	for range 3 {
		g.tell(1, here, &wire.TakeCheckpoint{MinOp: head + 1})
	}
	if got := g.replicas[1].log.head; got != head+1 {
		t.Errorf("%d ops for one checkpoint", got-head)
	}
	for _, c := range []struct {
		to   wire.Peer
		h    wire.Header
		min  wire.OpNumber
		want Reason
	}{{2, here, 1, NotPrimary}, {1, elsewhere, 1, WrongCluster}, {1, here, head + 1, NothingNew}, {1, here, head + 9, NothingNew}} {
		if why := g.tell(c.to, c.h, &wire.TakeCheckpoint{MinOp: c.min}); why != c.want {
			t.Errorf("%+v: %v", c, why)
		}
	}
}

// The same if it needs the state of that group, because nobody's log goes back far enough.
func TestStateOfALivingGroupIsBetter(t *testing.T) {
	g := smallLogs(t, 3, 64<<10)
	for g.replicas[1].log.base == 0 {
		g.submit(10)
		g.run(3 * time.Millisecond)
	}
	g.start(3)
	r := g.replicas[3]
	var out Effects
	r.Step(g.now, &wire.Header{From: operatorID}, &wire.FetchBase{Base: wire.Base{Op: 9, Root: wire.Digest{1}}}, &out)
	g.hold(3)
	g.run(time.Second)
	if need, lacks := r.NeedState(); !lacks || need.Root != (wire.Digest{}) || len(need.Donors) != 2 {
		t.Errorf("it needs %+v", need)
	}
	if r.Hold(&out) {
		t.Error("it would hold a state")
	}
}
