package loop

import (
	"syscall"
	"time"
)

// rusageThread asks for the resources of the calling thread: RUSAGE_THREAD of getrusage(2).
const rusageThread = 1

// threadWorked returns for how long the calling thread has had a CPU.
func threadWorked() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(rusageThread, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
