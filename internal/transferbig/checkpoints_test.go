//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDivide: a commit has a checkpoint meanwhile if they have a moment in common.
func TestDivide(t *testing.T) {
	epoch := time.Unix(1, 0)
	at := func(from, to int) span {
		return span{began: epoch.Add(time.Duration(from)), took: time.Duration(to - from)}
	}
	pauses := []span{at(40, 50), at(10, 30), at(12, 14), at(28, 32)}
	var with []string
	commits := []span{at(0, 9), at(0, 10), at(15, 16), at(29, 33), at(31, 32), at(33, 39), at(33, 60), at(45, 46), at(51, 52), at(70, 80)}
	in, out := divide(commits, pauses)
	for _, s := range in {
		with = append(with, fmt.Sprintf("%d-%d", s.began.Sub(epoch), s.end().Sub(epoch)))
	}
	if got := strings.Join(with, " "); got != "0-10 15-16 29-33 31-32 33-60 45-46" {
		t.Errorf("with a checkpoint meanwhile: %s", got)
	}
	if len(in)+len(out) != len(commits) {
		t.Errorf("%d and %d of %d", len(in), len(out), len(commits))
	}
}

// TestCheckpoints: what replicas log of their checkpoints is found after a mark, however long they took.
func TestCheckpoints(t *testing.T) {
	const short, long = `{"level":"DEBUG","msg":"took a checkpoint","replica":2,"op":7,"began":"2026-01-02T03:04:05.000000006Z","pause":8000,"worked":7000}`,
		`{"level":"WARN","msg":"took a checkpoint, and nobody was heard meanwhile","replica":2,"op":9,"began":"2026-01-02T03:04:06Z","pause":60000000}`
	j := newJournal(false)
	j.read(strings.NewReader(short + "\n"))
	mark := j.mark()
	j.read(strings.NewReader(`{"level":"DEBUG","msg":"ignored a message","replica":2}` + "\n" + short + "\n" + long + "\n"))
	got := j.checkpoints(mark)[2]
	if j.mark() != 3 || len(got) != 2 || got[0].took != 8*time.Microsecond || got[0].worked != 7*time.Microsecond || got[0].began.Nanosecond() != 6 || got[1].took != 60*time.Millisecond {
		t.Errorf("%v in %d lines", got, j.mark())
	}
}
