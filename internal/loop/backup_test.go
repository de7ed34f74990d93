package loop

import (
	"testing"
	"time"
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
