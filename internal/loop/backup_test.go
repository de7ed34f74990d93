package loop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vrnode/internal/stack"
	"vrnode/statexfer"
	"vrnode/wire"
)

// Nobody has been patient before there was anything to wait for: then a backup would begin with the primary.
func TestWatch(t *testing.T) {
	w := newWatch(time.Hour)
	if w.wavers() || w.stalls(0) {
		t.Error("out of patience at the beginning")
	}
	w.since = w.since.Add(-31 * time.Minute)
	if !w.wavers() || w.stalls(0) {
		t.Error("half of the patience is over")
	}
	w.since = w.since.Add(-30 * time.Minute)
	if !w.stalls(0) || w.stalls(1) || w.wavers() {
		t.Error("all of the patience is over, until something changes")
	}
}

// A backup that was given up, or could not be written, is nothing to the next one.
func TestBackupAfterAnother(t *testing.T) {
	group := formed(t, nil)
	if _, err := group.Submit(t.Context(), []byte("1")); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{Peers: map[uint64]string{1: group.conn.LocalAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	transfer := Transfer{Patience: time.Hour, Progress: func(uint64, uint64) { cancel(enough) }}
	unwanted := func(wire.ClusterID, *statexfer.Ready) error { return errors.New("there was no time for it") }
	if err := l.Backup(ctx, transfer, unwanted); err == nil {
		t.Fatal("it was not given up")
	}
	var p statexfer.Progress
	l.Do(func(host *stack.Host, now time.Duration) {
		p = host.Progress(now)
		l.spoilt = errors.New("of the last backup")
	})
	if p.Phase != wire.TransferIdle {
		t.Errorf("it is still %v", p.Phase)
	}
	kept := false
	if err := l.Backup(t.Context(), Transfer{Patience: time.Hour}, func(wire.ClusterID, *statexfer.Ready) error {
		kept = true
		return nil
	}); err != nil || !kept {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// A client that has begun to restore a state does not take another one for it.
func TestGiveOnce(t *testing.T) {
	l, err := Open(Config{Peers: map[uint64]string{1: "127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	state := statexfer.Checkpoint{Op: 7, Chain: 1, State: strings.NewReader("")}
	_, first := l.give(t.Context(), state)
	state.Chain = 2
	if _, err := l.give(t.Context(), state); errors.Is(first, errGiven) || !errors.Is(err, errGiven) {
		t.Errorf("%v, then %v", first, err)
	}
}
