package main

import (
	"encoding/json"
	"strings"
	"testing"

	"vrnode/vr"
	"vrnode/wire"
)

// What a replica says of its transfer is in the table and in the JSON; nothing is, if there is none.
func TestStatusOfATransfer(t *testing.T) {
	for _, c := range []struct {
		report        wire.TransferReport
		words, fields string
	}{
		{wire.TransferReport{Phase: wire.TransferIdle}, "", ""},
		{wire.TransferReport{Phase: wire.TransferChecking, LeftMillis: ^uint64(0)},
			"replica 3 lacks more than the others' logs have, and fetches their state: checking\n", `"phase":"checking","op":0,"percent":0,`},
		{wire.TransferReport{Phase: wire.TransferFetching, Op: 40, Total: 4 << 20, Have: 3<<20 + 100, Moved: 5, Rate: 2 << 20, LeftMillis: 1900, Sources: 2},
			"fetching, op 40, 75 % of 4.0 MiB, 2.0 MiB/s from 2 replicas, 2s left\n",
			`"transfer":{"phase":"fetching","op":40,"percent":75,"total_bytes":4194304,"have_bytes":3145828,"moved_bytes":5,"bytes_per_second":2097152,"left_ms":1900,"sources":2}`},
		{wire.TransferReport{Phase: wire.TransferRestoring, Op: 40, Total: 4 << 20, Have: 4 << 20, LeftMillis: ^uint64(0)},
			"restoring, op 40, 100 % of 4.0 MiB\n", `"bytes_per_second":0,"sources":0}`},
	} {
		a := vr.Answer{Known: true, ID: 3}
		a.Status, a.LogBase, a.Checkpoint, a.Transfer = wire.StatusRecovering, 35, 40, c.report
		s := &statusReport{Replicas: []replicaStatus{newReplicaStatus(&a, "host:1")}}
		var table strings.Builder
		s.printTable(&table)
		if words := table.String(); !strings.Contains(words, c.words) || strings.Contains(words, "fetches") != (c.words != "") {
			t.Errorf("%+v:\n%s", c.report, words)
		}
		text, err := json.Marshal(s)
		if err != nil || !strings.Contains(string(text), `"log_base":35,"checkpoint":40`) ||
			!strings.Contains(string(text), c.fields) || strings.Contains(string(text), "transfer") != (c.fields != "") {
			t.Errorf("%+v: %s %v", c.report, text, err)
		}
	}
}
