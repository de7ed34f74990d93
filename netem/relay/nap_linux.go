package relay

import (
	"syscall"
	"time"
)

// nap sleeps in the kernel, which is far more exact than the timers of the runtime.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal ends it early, which does no harm
}
