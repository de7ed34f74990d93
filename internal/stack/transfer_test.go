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
