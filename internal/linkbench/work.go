//go:build linux

package main

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A work is how long the machine's CPUs have existed, have been busy, and have been busy for our
// processes that have ended. Only differences mean something.
type work struct{ all, busy, ours time.Duration }

// tick is the unit of /proc/stat for programs, on all systems that matter.
const tick = 10 * time.Millisecond

func lookAtWork() work {
	stat, _ := os.ReadFile("/proc/stat")
	w := readWork(stat)
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &used) == nil {
		w.ours = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return w
}

// readWork reads the first line of /proc/stat: user, nice, system, idle, iowait, and more that is
// busy; what is behind steal is counted in user already.
func readWork(stat []byte) (w work) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	for i, field := range bytes.Fields(line) {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil || i > 8 {
			continue
		}
		w.all += time.Duration(n) * tick
		if i != 4 && i != 5 {
			w.busy += time.Duration(n) * tick
		}
	}
	return w
}

// othersSince returns the share of the CPUs that others have used.
func (w work) othersSince(before work) float64 {
	all := w.all - before.all
	if all <= 0 {
		return 0
	}
	return max(0, float64(w.busy-before.busy-(w.ours-before.ours))/float64(all))
}
