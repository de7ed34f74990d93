package vr

import (
	"strings"
	"testing"

	"vrnode/wire"
)

// TestCanForm: the reason that is told is the one that matters most.
func TestCanForm(t *testing.T) {
	for _, test := range []struct {
		statuses string // of replicas 1, 2, 3: recovering, with a state, reading one, or holding one; normal, silent
		why      string
		silent   bool
	}{
		{"rrr", "", false},
		{"rsr", "replica 2 does not answer", true},
		{"nnn", "replica 1 belongs to group 07", false},
		{"snr", "which lives", false},
		{"rnn", "replica 2 belongs to group 07", false},
		{"rrn", "replica 3 still belongs to group 07", false},
		{"nrr", "which has lost its memory; stop it and start it again", false},
		{"rr", "a group of 2", false},
		{"rar", "replica 2 has begun to read a state; stop it and start it again", false},
		{"srx", "replica 3 has begun", false},
		{"nrx", "replica 1 still belongs", false},
		{"rrh", "", false},
	} {
		var o Operator
		for i, status := range test.statuses {
			a := Answer{ID: wire.Peer(i + 1), Known: status != 's'}
			if a.Status = wire.StatusRecovering; status == 'n' {
				a.Status, a.Cluster = wire.StatusNormal, wire.ClusterID{7}
			}
			if status == 'a' {
				a.Applied = 5
			}
			if status == 'x' || status == 'h' {
				a.Transfer.Phase = wire.TransferRestoring
			}
			if status == 'h' {
				a.Held = wire.Digest{1}
			}
			o.answers[i] = a
			o.cfg.Replicas = append(o.cfg.Replicas, a.ID)
		}
		why, silent := o.CanForm()
		if !strings.Contains(why, test.why) || (why == "") != (test.why == "") || silent != test.silent {
			t.Errorf("%s: %q, silent %v", test.statuses, why, silent)
		}
	}
}
