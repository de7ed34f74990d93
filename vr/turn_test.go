package vr

import (
	"slices"
	"testing"
	"time"

	"vrnode/wire"
)

// A group was lost, and one of its members nobody could end. It is no reason for a replica of the group after it
// not to come back that this member answers first.

// answerOfLost has replica 3 ask, and hear what replica 2 of a group answers that was lost. That knew these runs of 1 and 2.
func (g *group) answerOfLost(first, second wire.Incarnation) (wire.Header, *wire.RecoveryResponse) {
	g.t.Helper()
	var out Effects
	g.replicas[3].Tick(g.now, &out)
	members := slices.Clone(g.replicas[1].members)
	members[0].Incarnation, members[1].Incarnation = first, second
	h := wire.Header{Cluster: wire.ClusterID{9}, From: 2, Incarnation: second, View: 3}
	m := &wire.RecoveryResponse{ForIncarnation: g.replicas[3].incarnation, Op: 50, Commit: 40, Members: members, CrashVector: members}
	if why := g.tell(3, h, m); why != 0 {
		g.t.Fatal(why)
	}
	return h, m
}

// It does not matter which runs the lost group knew.
func TestAnswerOfALostGroup(t *testing.T) {
	for _, runs := range [][2]wire.Incarnation{{1, 2}, {1, neverOperational}, {neverOperational, neverOperational}} {
		g := restarted(t)
		h, _ := g.answerOfLost(runs[0], runs[1])
		g.run(2 * time.Second)
		g.wantStatus(wire.StatusNormal, g.ids...)
		g.wantApplied(3)
		if why := g.tell(3, h, &wire.Recovery{}); why != WrongCluster {
			t.Errorf("hears a replica of another group: %v", why)
		}
	}
}

// The group that lives knows a later number of the replica, the one that was lost has answered it.
func TestStaleInTheLivingGroup(t *testing.T) {
	g := restarted(t)
	g.recoveryOf(3, neverOperational, 1)
	g.recoveryOf(3, neverOperational, 2)
	g.answerOfLost(1, 2)
	g.run(5 * time.Second)
	g.wantStatus(wire.StatusNormal, g.ids...)
	g.wantApplied(3)
}

// A late Log of the primary of the lost group is no reason not to read the state that a new one begins with.
func TestTailOfTheLostGroup(t *testing.T) {
	g, c, b := lost(t, 5)
	r := g.replicas[3]
	var out Effects
	r.lack(400, &out)
	r.recovery.cluster, r.recovery.primary = wire.ClusterID{1}, 1
	base := g.bring(c)
	for _, id := range g.ids {
		g.replicas[id].Expect(g.now, base.Op) // as the stack does
		g.hold(id)
	}
	late := wire.Header{Cluster: wire.ClusterID{1}, From: 1, Incarnation: g.replicas[1].incarnation - 1}
	g.tell(3, late, &wire.Log{First: 401, Last: 400, Commit: 500})
	g.run(500 * time.Millisecond)
	g.operator.Form(g.now, wire.ClusterID{2}, base)
	g.run(20 * time.Millisecond)
	for _, id := range []wire.Peer{1, 2, 3} {
		g.replicas[id].Expect(g.now, base.Op)
		g.read(id, c, b)
	}
	g.run(20 * time.Millisecond)
	g.wantStatus(wire.StatusNormal, g.ids...)
}

// outrun is of a group, too.
func TestOutrunOfTheLostGroup(t *testing.T) {
	g := restarted(t)
	r := g.replicas[3]
	r.outrun = 400 // see BeginRestore; then a Log came after all, and its donor was silent: askAgain
	h, m := g.answerOfLost(1, 2)
	h.Cluster = wire.ClusterID{1}
	g.tell(3, h, m)
	if r.recovery.cluster != h.Cluster {
		t.Fatal("did not turn")
	}
	var out Effects
	r.lack(40, &out)
	if need, _ := r.NeedState(); need.MinOp != 40 {
		t.Errorf("needs %d", need.MinOp)
	}
}

// Once something of the group has been taken, no other may answer.
func TestTurnsNoMore(t *testing.T) {
	g := restarted(t)
	h, m := g.answerOfLost(1, 2)
	r := g.replicas[3]
	h.Cluster = wire.ClusterID{1}
	stays := func(what string) {
		t.Helper()
		if why := g.tell(3, h, m); why != WrongCluster {
			t.Errorf("%s: %v", what, why)
		}
	}
	r.fetch.purpose = fetchRecovery
	stays("a log is fetched")
	r.fetch.purpose, r.lacks = 0, 40
	stays("a state is needed")
	r.lacks, r.restoring = 0, true
	stays("a state is read")
	r.restoring = false
	if why := g.tell(3, h, m); why != 0 {
		t.Error(why)
	}
	h.Cluster = wire.ClusterID{8}
	if why := g.tell(3, h, &wire.Recovery{}); why != WrongCluster {
		t.Errorf("a question is no answer: %v", why)
	}
}
