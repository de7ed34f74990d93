package vr

import (
	"testing"
	"time"

	"vrnode/wire"
)

// recoveryOf is what a run of a replica says first, which may come much later. The run may have ended before it was
// operational, and then later runs may have lower numbers, if the host's clock was set back.
func (g *group) recoveryOf(id wire.Peer, run wire.Incarnation, to wire.Peer) {
	g.tell(to, wire.Header{From: id, Incarnation: run}, &wire.Recovery{})
}

// neverOperational is the number of such a run.
const neverOperational = 1000

// comesBack checks that a replica recovers which first hears a message of a run of another one, which is not the run
// that can help it.
func comesBack(t *testing.T, h wire.Header, m wire.Message) {
	t.Helper()
	g := restarted(t)
	g.tell(3, h, m)
	g.run(2 * time.Second)
	g.wantApplied(3)
}

// A replica without memory can still recover by the help of one of which a run is heard that never came to anything.
func TestRunThatCameToNothing(t *testing.T) {
	comesBack(t, wire.Header{From: 2, Incarnation: neverOperational}, &wire.Recovery{})
}

// Nor does it matter what a run of an earlier group has said: numbers only grow within one.
func TestRunOfAnEarlierGroup(t *testing.T) {
	h := wire.Header{Cluster: wire.ClusterID{9}, From: 2, Incarnation: neverOperational, View: 3}
	for _, m := range []wire.Message{&wire.RecoveryResponse{ForIncarnation: 77}, &wire.Log{First: 1}, &wire.StaleIncarnation{Known: 1}} {
		comesBack(t, h, m)
	}
}

// A new group consists of the runs that it was formed of, whatever its members have heard of others.
func TestNewGroupIsOfTheRunsThatAreListed(t *testing.T) {
	g := newGroup(t, 3)
	g.recoveryOf(2, neverOperational, 1)
	g.recoveryOf(3, neverOperational, 1)
	g.form()
	g.submit(3)
	g.run(time.Second)
	g.wantApplied(3)
	g.wantStatus(wire.StatusNormal, g.ids...)
}

// survivesOneCrash forms the group and checks that it goes on without the memory of its primary.
func (g *group) survivesOneCrash() {
	g.t.Helper()
	g.form()
	g.submit(3)
	g.run(100 * time.Millisecond)
	g.start(1)
	g.submit(3)
	g.run(5 * time.Second)
	g.wantApplied(6)
	g.wantStatus(wire.StatusNormal, g.ids...)
}

// Who was formed as a member of a new group votes for the runs of it, whatever it has heard of others: else a single
// crash would be the end of the group.
func TestNewGroupSurvivesOneCrash(t *testing.T) {
	g := newGroup(t, 3)
	g.recoveryOf(2, neverOperational, 3)
	g.survivesOneCrash()
}

// The members of the group of which somebody has kept a memory of later runs are the same. It is over.
func TestNewGroupForgetsTheRunsOfTheLast(t *testing.T) {
	g := newGroup(t, 3)
	g.replicas[3].crashVector.raise(2, neverOperational) // as from a RecoveryResponse of a group that is gone
	g.survivesOneCrash()
}

// The Recovery of a run that is over says nothing about the one that has been heard since.
func TestLateRecovery(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	earlier := g.replicas[2].incarnation
	g.start(2)
	g.run(2 * time.Second)
	g.wantStatus(wire.StatusNormal, 2)
	g.start(3)
	r := g.replicas[3]
	var asked, answer, out Effects
	r.Tick(g.now, &asked)
	h := r.header()
	g.replicas[2].Step(g.now, &h, &wire.Recovery{}, &answer)
	r.Step(g.now, &answer.Messages[0].Header, answer.Messages[0].Message, &out)
	g.recoveryOf(2, earlier, 3)
	for range 10 {
		g.now += 100 * time.Millisecond
		r.Tick(g.now, &out)
	}
	if r.Status().GroupLost {
		t.Error("counts a replica that has answered as one without memory")
	}
	g.now += recentlyRecovering
	g.recoveryOf(2, earlier, 3)
	r.judgeGroup(g.now, &out)
	if !r.Status().GroupLost {
		t.Error("does not count a replica that says for long that it has no memory")
	}
}
