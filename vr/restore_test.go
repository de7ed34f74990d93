package vr

import (
	"bytes"
	"runtime"
	"testing"
	"time"
	"weak"

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
		if why := g.tell(5, h, &wire.Log{LastNormal: 5, First: base + 1, Commit: 9, Last: base}); why != CannotGive {
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
	tell(2, &wire.Log{First: 2, Commit: 1, Last: 1}, CannotGive)
	if _, lacks := r.NeedState(); !lacks {
		t.Fatal("lacks nothing")
	}
	tell(1, &wire.Prepare{First: 1, Commit: 1, Entries: entries}, 0)
	if need, lacks := r.NeedState(); lacks {
		t.Errorf("has all there is, and needs %+v", need)
	}
}

// A backup whose state is being replaced takes ops, and says that it lives. It acknowledges nothing: what
// is below the base of its log it has not any more.
func TestNothingIsAcknowledgedWithoutAState(t *testing.T) {
	g := smallLogs(t, 3, 8<<10)
	for range 20 {
		g.submit(7)
		g.run(3 * time.Millisecond)
	}
	g.run(20 * time.Millisecond)
	r := g.replicas[3]
	old := weak.Make(r.Checkpoint())
	r.lacks = 1 // as if a heartbeat of long ago had told that there is something
	op := r.applied + 1
	if !r.BeginRestore(op) {
		t.Fatal("the state is of no use")
	}
	if runtime.GC(); old.Value() != nil || r.Checkpoint() != nil {
		t.Error("holds the state that it is about to replace")
	}
	if s := r.Status(); s.Checkpoint == 0 || s.Checkpoint < s.LogBase {
		t.Errorf("has forgotten where its checkpoint was: %+v", s)
	}
	var out Effects
	tell := func(m wire.Message) (answers []wire.Message) {
		h := g.from(1)
		out.Reset()
		r.Step(g.now, &h, m, &out)
		for _, e := range out.Messages {
			answers = append(answers, e.Message)
		}
		return answers
	}
	entry := wire.Entry{Kind: wire.EntryRegister, Client: wire.ClientPeer(7<<16, 0)}
	chain, head := r.log.chain(r.log.head), r.log.head
	next, _ := chain.Next(&entry, nil)
	prepare := &wire.Prepare{First: head + 1, PrevChain: chain, Commit: head, Entries: wire.Entries{}.Append(&entry)}
	if answers := tell(prepare); len(answers) > 0 || r.log.head != head+1 {
		t.Errorf("answers %v, has %d ops", answers, r.log.head)
	}
	if answers := tell(&wire.Commit{Seq: 1 << 20, Commit: head + 1, CommitChain: next}); len(answers) != 1 || answers[0].(*wire.CommitAck).Op != 0 {
		t.Errorf("answers %v", answers)
	}
	out.Reset()
	r.Install(g.now, &Restored{op: op, chain: next, sessions: newSessions()}, &out)
	if len(out.Messages) != 1 || out.Messages[0].Message.(*wire.PrepareOK).Op != head+1 {
		t.Errorf("sends %v", out.Messages)
	}
}

// A primary whose state is being replaced counts no more on itself than on others: what it has taken is
// committed when a quorum of the rest has it, or when it has the new state.
func TestPrimaryWithoutAStateDoesNotCount(t *testing.T) {
	g := smallLogs(t, 3, 8<<10)
	g.submit(3)
	g.run(20 * time.Millisecond)
	r := g.replicas[3]
	r.lacks = 1 // as if a heartbeat of long ago had told that there is something
	op := r.applied + 1
	if !r.BeginRestore(op) {
		t.Fatal("the state is of no use")
	}
	g.submit(1)
	g.run(20 * time.Millisecond)
	var out Effects
	g.replicas[1].takeCheckpoint(&out)
	r.startViewChange(g.now, 2, &out)
	g.take(&out)
	g.run(20 * time.Millisecond)
	if !r.isPrimary() || r.commit != op || r.applied >= op {
		t.Fatalf("primary %v, committed %d, executed %d", r.isPrimary(), r.commit, r.applied)
	}
	kept := g.replicas[2]
	g.replicas[2] = nil
	g.submit(1)
	g.run(20 * time.Millisecond)
	if r.log.head != op+1 || g.replicas[1].log.head != op+1 || r.commit != op {
		t.Errorf("committed %d with one that has no state, of %d", r.commit, r.log.head)
	}
	g.replicas[2] = kept
	g.run(time.Second)
	if r.commit != op+1 {
		t.Errorf("committed %d with all others", r.commit)
	}
	g.replicas[2] = nil
	g.submit(1)
	g.run(20 * time.Millisecond)
	if r.log.head != op+2 || r.commit != op+1 {
		t.Errorf("committed %d with one that has no state, of %d", r.commit, r.log.head)
	}
	var b bytes.Buffer
	if _, err := g.replicas[1].Checkpoint().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	state, err := ReadCheckpoint(&b, g.machines[3])
	if err != nil || state.op != op {
		t.Fatal(state, err)
	}
	out.Reset()
	r.Install(g.now, state, &out)
	g.take(&out)
	g.run(20 * time.Millisecond)
	if r.applied != op+2 {
		t.Errorf("executed %d of %d with its state", r.applied, op+2)
	}
}
