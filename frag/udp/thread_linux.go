package udp

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// For how long a thread asks for a CPU at a time, which takes nothing from its share of it. Who asks for less
// than the one that has it need not wait until that has had its time: with 250 ticks in a second, up to 4 ms.
// Kernels before Linux 6.12 take no notice.
const (
	sliceShort = 100 * time.Microsecond // the least that there is
	sliceLong  = 100 * time.Millisecond // the most
)

// OwnThread binds the calling goroutine to its thread, which gets a CPU soon rather than for long.
func OwnThread() { bind(sliceShort) }

// PatientThread binds the calling goroutine to its thread, for what computes for seconds: it gets a CPU for
// as long as others do, but lets them go first. The thread ends with the goroutine.
func PatientThread() { bind(sliceLong) }

// bind ignores errors: without the slice all works, but not as soon.
func bind(slice time.Duration) {
	runtime.LockOSThread()
	if a, err := unix.SchedGetAttr(0, 0); err == nil {
		a.Runtime = uint64(slice)
		_ = unix.SchedSetAttr(0, a, 0)
	}
}
