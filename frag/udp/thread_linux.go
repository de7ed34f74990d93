package udp

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// slice is for how long a thread that should get a CPU soon asks for one at a time, which takes nothing from its
// share of it. Who asks for less than the one that has it need not wait until that has had its time: with 250 ticks
// in a second, up to 4 ms. The kernel takes no less than this. Kernels before Linux 6.12 take no notice.
const slice = 100 * time.Microsecond

// OwnThread binds the calling goroutine to its thread, which gets a CPU soon rather than for long. The thread ends
// with the goroutine. Errors are ignored: without the slice all works, but not as soon.
func OwnThread() {
	runtime.LockOSThread()
	if a, err := unix.SchedGetAttr(0, 0); err == nil {
		a.Runtime = uint64(slice)
		_ = unix.SchedSetAttr(0, a, 0)
	}
}

// A Courtesy has a thread that computes for long step back now and then. By itself it would have a CPU until the
// next tick, even if somebody is woken who needs it for some microseconds only, but has had more than its share
// before. Where all compute for long, who steps back at each step would get nowhere, so there is a bound. A Courtesy
// belongs to one goroutine at a time.
type Courtesy struct {
	// Share is for how long others may go first at most, as a multiple of the time otherwise. It is above 0.
	Share float64

	since  time.Time     // when the thread has got the CPU, or was here
	credit time.Duration // for how long others may go first
}

const (
	courtesyMost = 2 * time.Millisecond   // of credit: what was long ago does not count
	courtesyOwed = 100 * time.Millisecond // of credit below 0: if it took longer, the process was rather stopped
)

// StepBack lets those go first who wait for the CPU that the calling goroutine has, unless they have had their share
// already. It should be called after each 0.1 ms or so of work, by one that has called OwnThread: it gives up what
// is left of the slice, which should be little.
func (c *Courtesy) StepBack() { c.stepBack(time.Now, yield) }

func (c *Courtesy) stepBack(now func() time.Time, yield func()) {
	began := now()
	earned := c.Share * float64(began.Sub(c.since))
	c.since, c.credit = began, c.credit+time.Duration(min(earned, float64(courtesyMost-c.credit)))
	if c.credit < 0 {
		return
	}
	yield()
	c.since = now()
	c.credit = max(c.credit-c.since.Sub(began), -courtesyOwed)
}

// yield lets goroutines of this process run meanwhile as well, which a raw system call would not.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
