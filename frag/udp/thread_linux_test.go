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
