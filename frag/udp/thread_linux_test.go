package udp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSlices: threads ask for as long a time at once as they should, and the thread of a test for what is usual.
func TestSlices(t *testing.T) {
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
	if own, patient := slice(OwnThread), slice(PatientThread); own >= usual || patient <= usual {
		t.Errorf("%v for the own thread, %v for a patient one, %v usually", own, patient, usual)
	}
}

// TestCourtesy: a thread steps back each time, but not for a while after others have kept the CPU for long.
func TestCourtesy(t *testing.T) {
	var c Courtesy
	var now time.Time
	for i, x := range [...]struct {
		at, takes time.Duration
		yields    bool
	}{
		{0, 0, true},
		{0, courtesyMost, true},
		{courtesyMost, courtesyMost + 1, true}, // until 2 * courtesyMost + 1
		{2*courtesyMost + 1, 0, false},
		{2*courtesyMost + courtesyRest*(courtesyMost+1), 0, false},
		{2*courtesyMost + 1 + courtesyRest*(courtesyMost+1), 0, true},
		{time.Minute, time.Minute, true},
		{2*time.Minute + courtesyLong - 1, 0, false},
		{2*time.Minute + courtesyLong, 0, true},
	} {
		now = time.Time{}.Add(x.at)
		yielded := false
		c.stepBack(func() time.Time { return now }, func() { yielded, now = true, now.Add(x.takes) })
		if yielded != x.yields {
			t.Errorf("%d. %v: stepped back: %v", i, x.at, yielded)
		}
	}
	if n := testing.AllocsPerRun(10, c.StepBack); n != 0 {
		t.Errorf("%v allocations to step back", n)
	}
}
