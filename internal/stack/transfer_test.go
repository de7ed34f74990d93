package stack

import (
	"bytes"
	"strings"
	"testing"

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
