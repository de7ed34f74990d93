package stack

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"vrnode/internal/tally"
	"vrnode/statexfer"
	"vrnode/wire"
)

// stateAfter5 is a state after op 5, without sessions, as a checkpoint writes it.
func stateAfter5(t *testing.T) string {
	b := bytes.NewBufferString("\x02\x05" + strings.Repeat("\x00", 8) + "\x00\x00")
	if _, err := new(tally.Machine).Snapshot().WriteTo(b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was read is installed only if it is of the op that its source has said.
func TestStateOfAnotherOp(t *testing.T) {
	written := stateAfter5(t)
	for _, op := range []wire.OpNumber{5, 6} {
		ready := &statexfer.Ready{State: strings.NewReader(written)}
		ready.Op = op
		h := &Host{self: 1}
		h.states = h.newTransfer(new(tally.Machine), Spools{})
		j := &restoreJob{host: h, ready: ready}
		j.Run(func() {})
		if right := op == 5; (j.err == nil) != right || (j.restored != nil) != right {
			t.Errorf("op %d: %v, %v", op, j.restored, j.err)
		}
	}
}

// What others are told of a transfer is what its target says.
func TestReportOfATransfer(t *testing.T) {
	p := statexfer.Progress{
		Phase: wire.TransferFetching, Op: 40, Total: 100, Have: 60, Moved: 70, Rate: 8, Left: 5 * time.Second, Sources: 2,
	}
	want := wire.TransferReport{Phase: wire.TransferFetching, Op: 40, Total: 100, Have: 60, Moved: 70, Rate: 8, LeftMillis: 5000, Sources: 2}
	if told := reportOf(p); told != want {
		t.Errorf("%+v, want %+v", told, want)
	}
	p.Left, want.LeftMillis = statexfer.Never, ^uint64(0)
	if told := reportOf(p); told != want {
		t.Errorf("%+v, want %+v", told, want)
	}
}

// A staged is a host of replica 1 whose spool has, from an earlier run, all of the state after op 5, so that nothing
// of it has to come.
type staged struct {
	*Host
	now      time.Duration
	out      Effects
	root     wire.Digest // of the state
	manifest *wire.Manifest
}

// newStaged returns such a host of a group of replicas 1 to n.
func newStaged(t *testing.T, n wire.Peer) *staged {
	x, spool := &staged{now: time.Second}, new(statexfer.Memory)
	source := statexfer.NewSource(statexfer.SourceConfig{Self: 2, Open: func() (Spool, error) { return spool, nil }})
	source.Offer(statexfer.Checkpoint{Op: 5, State: bytes.NewBufferString(stateAfter5(t))})
	source.Prepare(x.now, &x.out.states)
	x.out.states.Jobs[0].Run(func() {})
	x.out.states.Jobs[0].Done(x.now, &x.out.states)
	x.root, _, _ = source.Root()
	source.Step(x.now, &wire.Header{From: 1}, &wire.GetManifest{MinOp: 5}, &x.out.states)
	manifest := *x.out.states.Messages[0].Message.(*wire.Manifest)
	x.manifest = &manifest
	x.out.Reset()

	cfg := Config{Self: 1, Incarnation: 1, Machine: new(tally.Machine), Spools: Spools{
		Target: func(wire.ClusterID) (s Spool, err error) {
			s, spool = spool, new(statexfer.Memory)
			return s, nil
		},
		Tail: inMemory,
	}}
	for id := wire.Peer(1); id <= n; id++ {
		cfg.Replicas = append(cfg.Replicas, Address{ID: id, Addr: address(id)})
	}
	x.Host = New(cfg)
	return x
}

// The group of a staged host, of which it is without memory.
var (
	stagedMembers = []wire.Member{{ID: 1, Incarnation: 1}, {ID: 2, Incarnation: 1}, {ID: 3, Incarnation: 1}}
	stagedPrimary = &wire.Header{Cluster: wire.ClusterID{8}, From: 2, Incarnation: 1, View: 1}
	stagedBackup  = &wire.Header{Cluster: wire.ClusterID{8}, From: 3, Incarnation: 1, View: 1}
)

// newLacking returns a staged host that needs a state, because the log of the others begins with op 5.
func newLacking(t *testing.T) *staged {
	x := newStaged(t, 3)
	answer := wire.RecoveryResponse{ForIncarnation: 1, Op: 9, Commit: 9, Members: stagedMembers, CrashVector: stagedMembers}
	x.hear(stagedBackup, &answer)
	answer.IsPrimary = true
	x.hear(stagedPrimary, &answer)
	x.hear(stagedPrimary, &wire.Log{First: 5, Last: 4, Commit: 9})
	if _, lacks := x.replica.NeedState(); !lacks {
		t.Fatal("no need")
	}
	return x
}

// hear gives the host the messages of one datagram.
func (x *staged) hear(from *wire.Header, messages ...wire.Message) {
	for _, m := range messages {
		x.hand(x.now, from, m, &x.out)
	}
	x.moveOn()
}

// moveOn does what comes after the messages of a datagram.
func (x *staged) moveOn() {
	x.move(x.now, &x.out)
	x.out.publish()
}

// run runs the jobs there are, and done tells the host that they have.
func (x *staged) run() []Job {
	jobs := slices.Clone(x.out.Jobs)
	x.out.Reset()
	for _, j := range jobs {
		j.Run(func() {})
	}
	return jobs
}

func (x *staged) done(jobs []Job) {
	for _, j := range jobs {
		x.Done(x.now, j, &x.out)
	}
}

// work does all jobs, and those that they give rise to.
func (x *staged) work() {
	for len(x.out.Jobs) > 0 {
		x.done(x.run())
	}
}

// The need for a state may end in the datagram that completes it. Then the next need is met as well.
func TestNeedEndsAsTheStateIsWhole(t *testing.T) {
	x := newStaged(t, 1)
	from := &wire.Header{From: outsider}
	x.hear(from, &wire.FetchBase{Base: wire.Base{Op: 5, Root: x.root}})
	x.work()
	x.hear(from, x.manifest, &wire.FetchBase{Base: wire.Base{Op: 6}})
	x.work()
	if x.states.ready != nil {
		t.Errorf("holds op %d, which nobody wants", x.states.ready.Op)
	}
	if phase := x.Progress(x.now).Phase; phase != wire.TransferFetching {
		t.Errorf("the target is %v although there is a need", phase)
	}
}

// A new group may be formed at any moment of the transfer of a state of the last one. Nothing of it is read any more,
// nor does anything of it stay. Only whose machine reads it already is not formed.
func TestFormedWhileAStateComes(t *testing.T) {
	form, operator := &wire.Form{Members: stagedMembers}, &wire.Header{Cluster: wire.ClusterID{7}, From: outsider}
	for _, c := range []struct {
		when string
		form func(*staged)
		born bool
	}{
		{"it checks the spool", func(x *staged) {
			jobs := x.run()
			x.hear(operator, form)
			x.done(jobs)
		}, true},
		{"a tail comes", func(x *staged) {
			x.bringTail(t)
			x.hear(operator, form)
		}, true},
		{"it waits for a manifest", func(x *staged) {
			x.work()
			x.hear(operator, form)
		}, true},
		{"all of it is here, in this very datagram", func(x *staged) {
			x.work()
			x.hand(x.now, stagedBackup, x.manifest, &x.out)
			x.hand(x.now, operator, form, &x.out)
			if x.out.states.Ready == nil {
				t.Fatal("not whole")
			}
			x.moveOn()
		}, true},
		{"it is being read", func(x *staged) {
			x.work()
			x.hear(stagedBackup, x.manifest)
			jobs := x.run()
			x.hear(operator, form)
			x.done(jobs)
		}, false},
		{"there is a question in the same datagram", func(x *staged) {
			x.work()
			x.hear(operator, form, &wire.Probe{Seq: 1})
		}, true},
	} {
		x := newLacking(t)
		c.form(x)
		x.work()
		if is := x.replica.Status().Status == wire.StatusNormal; is != c.born {
			t.Errorf("%s: %+v", c.when, x.replica.Status())
		}
		if c.born && (x.states.tail != nil || x.states.ready != nil || x.states.started || x.Progress(x.now).Phase != wire.TransferIdle || x.states.restored != nil) {
			t.Errorf("%s: %+v", c.when, x.states)
		}
	}
}
