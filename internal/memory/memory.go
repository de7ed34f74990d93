// Package memory tells how much memory processes take, and gets it for this one.
package memory

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Peak returns the most bytes of RAM that a process has had, ever or since ForgetPeak, or 0 where the
// system does not tell.
func Peak(pid int) int64 { return read(pid, "VmHWM:") }

// Resident returns the bytes of RAM that a process has now, or 0 where the system does not tell.
func Resident(pid int) int64 { return read(pid, "VmRSS:") }

// ForgetPeak has Peak tell the most from now on.
func ForgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// read returns what a line of /proc tells.
func read(pid int, line string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(l, line); found {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
