package stack

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"vrnode/internal/tally"
	"vrnode/statexfer"
	"vrnode/wire"
)

// What was read is installed only if it is of the op that its source has said.
func TestStateOfAnotherOp(t *testing.T) {
	written := "\x01\x05" + strings.Repeat("\x00", 8) + "\x00" // op 5, no sessions
	var machine bytes.Buffer
	if _, err := new(tally.Machine).Snapshot().WriteTo(&machine); err != nil {
		t.Fatal(err)
	}
	written += machine.String()
	for _, op := range []wire.OpNumber{5, 6} {
		ready := &statexfer.Ready{State: strings.NewReader(written)}
		ready.Op = op
		j := &restoreJob{host: &Host{states: newTransfer(1, new(tally.Machine), Spools{})}, ready: ready}
		j.Run()
		if right := op == 5; (j.err == nil) != right || (j.restored != nil) != right {
			t.Errorf("op %d: %v, %v", op, j.restored, j.err)
		}
	}
}

// What others are told of a transfer is what its target says.
func TestReportOfATransfer(t *testing.T) {
	for phase := statexfer.PhaseIdle; phase <= statexfer.PhaseFailed; phase++ {
		if told := reportOf(statexfer.Progress{Phase: phase}).Phase.String(); told != phase.String() {
			t.Errorf("a target that is %v is said to be %v", phase, told)
		}
	}
	p := statexfer.Progress{
		Phase: statexfer.PhaseFetching, Op: 40, Total: 100, Have: 60, Moved: 70, Rate: 8, Left: 5 * time.Second, Sources: 2,
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
