package udp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSlice: a thread of its own asks for less time at once than is usual.
func TestSlice(t *testing.T) {
	slice := func(bind func()) time.Duration {
		got := make(chan time.Duration)
		go func() {
			bind()
			a, err := unix.SchedGetAttr(0, 0)
			if err != nil {
				t.Error(err)
				a = &unix.SchedAttr{}
			}
			got <- time.Duration(a.Runtime)
		}()
		return <-got
	}
	usual := slice(func() {})
	if usual == 0 {
		t.Skip("skipped: needs Linux 6.12")
	}
	if own := slice(OwnThread); own >= usual {
		t.Errorf("%v, %v usually", own, usual)
	}
}

// TestCourtesy: a thread steps back each time, but not while others have had more than their share of its work.
func TestCourtesy(t *testing.T) {
	const share, ms = 4, time.Millisecond
	c := Courtesy{Share: 1. / share}
	now := time.Time{}.Add(time.Hour)
	for i, x := range [...]struct {
		works, takes time.Duration
		yields       bool
	}{
		{0, courtesyMost, true}, // who was never here may use all the credit there can be
		{0, ms, true},
		{share*ms/2 - share, 0, false},
		{share * ms / 2, 0, false},
		{share, 0, true},
		{share * ms, ms, true},                              // not a moment more than it has worked for
		{share*courtesyMost + share*ms, courtesyMost, true}, // what it has worked for before does not all count
		{0, ms, true},
		{share*ms - share, 0, false},
		{share, 0, true},
		{0, time.Minute, true},
		{share*courtesyOwed - share, 0, false},
		{share, 0, true},
	} {
		now = now.Add(x.works)
		yielded := false
		c.stepBack(func() time.Time { return now }, func() { yielded, now = true, now.Add(x.takes) })
		if yielded != x.yields {
			t.Errorf("%d. worked for %v: stepped back: %v", i, x.works, yielded)
		}
	}
	if n := testing.AllocsPerRun(10, c.StepBack); n != 0 {
		t.Errorf("%v allocations to step back", n)
	}
}
