//go:build linux

package main

import (
	"context"
	"strings"
	"testing"
)

// TestReport: what is beyond a goal is missed, so is what is no number, and only wishes are without
// consequences.
func TestReport(t *testing.T) {
	zero := 0.0
	for _, c := range []struct {
		add    func(*report)
		missed bool
		says   string
	}{
		{func(r *report) { r.add("lost", "time", 12.34, "s") }, false, "12.3 s"},
		{func(r *report) { r.goal("lost", "memory", 96, "MiB", 96) }, false, "reached"},
		{func(r *report) { r.goal("lost", "memory", 97, "MiB", 96) }, true, "MISSED"},
		{func(r *report) { r.goal("lost", "moved", zero/zero, "", 1.3) }, true, "MISSED"},
		{func(r *report) { r.atLeast("stopped", "commits", 9, 10) }, true, "at least 10"},
		{func(r *report) { r.wish("lost", "p99", 3, "ms", 2) }, false, "missed, for lack of speed"},
		{func(r *report) { r.aimAtLeast("lost", "rate", 1, 2) }, false, "missed, for lack of speed"},
		{func(r *report) { r.aimAtLeast("lost", "rate", 3, 2) }, false, "reached"},
		{func(r *report) { r.Size = large; r.aimAtLeast("lost", "rate", 1, 2) }, true, "at least 2"},
		{func(r *report) { r.aim("lost", "p99", 3, "ms", 2) }, false, "missed, for lack of speed"},
		{func(r *report) { r.Size = large; r.aim("lost", "p99", 3, "ms", 2) }, true, "at most 2"},
	} {
		r := new(report)
		c.add(r)
		var out strings.Builder
		if err := r.print(&out); err != nil {
			t.Fatal(err)
		}
		if r.missed() != c.missed || !strings.Contains(out.String(), c.says) {
			t.Errorf("missed %v:\n%s", r.missed(), out.String())
		}
	}
}

// TestJournal: a line is found whether it came before somebody waits for it or after, but not before
// the mark.
func TestJournal(t *testing.T) {
	const first, second = `{"level":"INFO","msg":"fetching a state","replica":2,"percent":50,"moved":7}`,
		`{"level":"INFO","msg":"the view has started","replica":1,"view":3}`
	j := newJournal(false)
	j.read(strings.NewReader("replica 2 listens\n" + first + "\n"))
	mark := j.mark()
	go j.read(strings.NewReader(first + "\n" + second + "\n"))
	if l, err := j.await(t.Context(), mark, "it has half", fetched(2, 50)); err != nil || l.Moved != 7 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := j.await(t.Context(), mark, "there is a view", says(1, textView)); err != nil {
		t.Error(err)
	}
	if j.view() != 3 || j.last(0, fetched(2, 1)).Percent != 50 || j.mark() != 3 {
		t.Errorf("%+v", j.lines)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.await(over, mark, "it has all", fetched(2, 100)); err == nil || !strings.Contains(err.Error(), "until it has all") {
		t.Error(err)
	}
}

func TestSize(t *testing.T) {
	var s size
	if err := s.Set("2GiB"); err != nil || s != 2<<30 || s.String() != "2048MiB" {
		t.Error(s, err)
	}
	for _, wrong := range []string{"", "2", "MiB", "-1MiB", "0GiB", "2GB", "9999999999GiB"} {
		if s.Set(wrong) == nil {
			t.Errorf("%q is a size", wrong)
		}
	}
}
