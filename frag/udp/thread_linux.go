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

// OwnThread binds the calling goroutine to its thread, which gets a CPU soon rather than for long. The thread ends
// with the goroutine.
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

// A Courtesy has a thread that computes for long step back now and then. By itself it would have a CPU until the
// next tick, even if somebody is woken who needs it for some microseconds only, but has had more than its share
// before. The zero value is ready. It belongs to one goroutine at a time.
type Courtesy struct{ rests time.Time }

const (
	// courtesyMost is for how long it is worth stepping back. Those who take longer compute for long as well, and
	// who steps back for them at each step gets nowhere. So that is then not done for courtesyRest times as long,
	// at most courtesyLong: the process may have been stopped.
	courtesyMost = 2 * time.Millisecond
	courtesyRest = 2
	courtesyLong = 100 * time.Millisecond
)

// StepBack lets those go first who wait for the CPU that the calling goroutine has. It should be called after each
// 0.1 ms or so of work, by one that has called OwnThread: it gives up what is left of the slice, which should be
// little.
func (c *Courtesy) StepBack() { c.stepBack(time.Now, yield) }

func (c *Courtesy) stepBack(now func() time.Time, yield func()) {
	began := now()
	if began.Before(c.rests) {
		return
	}
	yield()
	ended := now()
	if took := ended.Sub(began); took > courtesyMost {
		c.rests = ended.Add(min(courtesyRest*took, courtesyLong))
	}
}

// yield lets goroutines of this process run meanwhile as well, which a raw system call would not.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
