// Package memory tells how much memory other processes take.
package memory

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Peak returns the most bytes of RAM that a process has ever had, or 0 where the system does not tell.
func Peak(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
