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
	b := bytes.NewBufferString("\x01\x05" + strings.Repeat("\x00", 8) + "\x00")
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

// The need for a state may end in the datagram that completes it. Then the next need is met as well.
func TestNeedEndsAsTheStateIsWhole(t *testing.T) {
	var out Effects
	now, spool := time.Second, new(statexfer.Memory)
	source := statexfer.NewSource(statexfer.SourceConfig{Self: 2, Open: func() (Spool, error) { return spool, nil }})
	base := wire.FetchBase{Base: wire.Base{Op: 5}}
	source.Offer(statexfer.Checkpoint{Op: 5, State: bytes.NewBufferString(stateAfter5(t))})
	source.Prepare(now, &out.states)
	out.states.Jobs[0].Run(func() {})
	out.states.Jobs[0].Done(now, &out.states)
	base.Base.Root, _, _ = source.Root()
	source.Step(now, &wire.Header{From: 1}, &wire.GetManifest{MinOp: 5}, &out.states)
	manifest := *out.states.Messages[0].Message.(*wire.Manifest)
	out.Reset()

	// The spool of an earlier run has the whole state, so that nothing of it has to come.
	h := New(Config{Self: 1, Replicas: []Address{{ID: 1, Addr: address(1)}}, Machine: new(tally.Machine), Spools: Spools{
		Target: func(wire.ClusterID) (s Spool, err error) {
			s, spool = spool, new(statexfer.Memory)
			return s, nil
		},
	}})
	work := func() {
		for len(out.Jobs) > 0 {
			jobs := slices.Clone(out.Jobs)
			out.Reset()
			for _, j := range jobs {
				j.Run(func() {})
				h.Done(now, j, &out)
			}
		}
	}
	from := &wire.Header{From: outsider}
	hear := func(messages ...wire.Message) { // of one datagram
		for _, m := range messages {
			h.hand(now, from, m, &out)
		}
		h.move(now, &out)
		out.publish()
		work()
	}
	hear(&base)
	other := wire.FetchBase{Base: wire.Base{Op: 6}}
	hear(&manifest, &other)
	if h.states.ready != nil {
		t.Errorf("holds op %d, which nobody wants", h.states.ready.Op)
	}
	if phase := h.Progress(now).Phase; phase != wire.TransferFetching {
		t.Errorf("the target is %v although there is a need", phase)
	}
}

// A new group may be formed at any moment of the transfer of a state of the last one. Nothing of it is read any more,
// nor does anything of it stay.
func TestFormedWhileAStateComes(t *testing.T) {
	for stage := range 5 {
		var out Effects
		now, spool := time.Second, new(statexfer.Memory)
		source := statexfer.NewSource(statexfer.SourceConfig{Self: 2, Open: func() (Spool, error) { return spool, nil }})
		source.Offer(statexfer.Checkpoint{Op: 5, State: bytes.NewBufferString(stateAfter5(t))})
		source.Prepare(now, &out.states)
		out.states.Jobs[0].Run(func() {})
		out.states.Jobs[0].Done(now, &out.states)
		source.Step(now, &wire.Header{From: 1}, &wire.GetManifest{MinOp: 5}, &out.states)
		manifest := *out.states.Messages[0].Message.(*wire.Manifest)
		out.Reset()
		h := New(Config{Self: 1, Incarnation: 1, Replicas: []Address{{ID: 1, Addr: address(1)}, {ID: 2, Addr: address(2)}, {ID: 3, Addr: address(3)}},
			Machine: new(tally.Machine), Spools: Spools{
				Target: func(wire.ClusterID) (s Spool, err error) {
					s, spool = spool, new(statexfer.Memory)
					return s, nil
				},
			}})
		hear := func(from *wire.Header, messages ...wire.Message) { // of one datagram
			for _, m := range messages {
				h.hand(now, from, m, &out)
			}
			h.move(now, &out)
			out.publish()
		}
		run := func() (jobs []Job) {
			jobs = slices.Clone(out.Jobs)
			out.Reset()
			for _, j := range jobs {
				j.Run(func() {})
			}
			return jobs
		}
		work := func() {
			for len(out.Jobs) > 0 {
				for _, j := range run() {
					h.Done(now, j, &out)
				}
			}
		}
		members := []wire.Member{{ID: 1, Incarnation: 1}, {ID: 2, Incarnation: 1}, {ID: 3, Incarnation: 1}}
		old := wire.ClusterID{8}
		h2, h3 := &wire.Header{Cluster: old, From: 2, Incarnation: 1, View: 1}, &wire.Header{Cluster: old, From: 3, Incarnation: 1, View: 1}
		hear(h3, &wire.RecoveryResponse{ForIncarnation: 1, Op: 9, Commit: 9, Members: members, CrashVector: members})
		hear(h2, &wire.RecoveryResponse{ForIncarnation: 1, IsPrimary: true, Op: 9, Commit: 9, Members: members, CrashVector: members})
		hear(h2, &wire.Log{First: 5, Last: 4, Commit: 9})
		if _, lacks := h.replica.NeedState(); !lacks {
			t.Fatal("no need")
		}
		form := &wire.Form{Members: members}
		operator := &wire.Header{Cluster: wire.ClusterID{7}, From: outsider}
		born := true
		switch stage {
		case 0: // it checks the spool
			jobs := run()
			hear(operator, form)
			for _, j := range jobs {
				h.Done(now, j, &out)
			}
		case 1: // it waits for a manifest
			work()
			hear(operator, form)
		case 2: // all of it is here, in this very datagram
			work()
			h.hand(now, h3, &manifest, &out)
			h.hand(now, operator, form, &out)
			if out.states.Ready == nil {
				t.Fatal("not whole")
			}
			h.move(now, &out)
			out.publish()
		case 3: // it is being read
			work()
			hear(h3, &manifest)
			jobs := run()
			hear(operator, form)
			born = false
			for _, j := range jobs {
				h.Done(now, j, &out)
			}
		case 4: // Form, and the need for a state of the new group at once
			work()
			hear(operator, form, &wire.Probe{Seq: 1})
		}
		work()
		if is := h.replica.Status().Status == wire.StatusNormal; is != born {
			t.Errorf("stage %d: %+v", stage, h.replica.Status())
		}
		if born && (h.states.ready != nil || h.states.started || h.Progress(now).Phase != wire.TransferIdle || h.states.restored != nil) {
			t.Errorf("stage %d: %+v", stage, h.states)
		}
	}
}
