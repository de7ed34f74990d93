//go:build amd64 || arm64 || riscv64 || 386 || s390x || loong64

package loop

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// writeOut has sync_file_range(2) begin to write, and not wait for the end: SYNC_FILE_RANGE_WRITE.
const writeOut = 2

// toDisk has the kernel begin to write bytes of a file to the disk. Where it can not, it does so later.
func toDisk(f *os.File, from, bytes int64) {
	withDescriptor(f, func(fd int) { _ = syscall.SyncFileRange(fd, from, bytes, writeOut) })
}

// nearlyFull tells whether nearly as much of all files waits for the disk as has the kernel begin by itself.
func nearlyFull() bool {
	vmstat, _ := os.ReadFile("/proc/vmstat")
	return waits(string(vmstat))
}

// waits tells that of the text of /proc/vmstat, in which there is a line for each figure.
func waits(vmstat string) bool {
	figure := func(name string) int64 {
		_, rest, _ := strings.Cut(vmstat, "\n"+name+" ")
		line, _, _ := strings.Cut(rest, "\n")
		n, _ := strconv.ParseInt(line, 10, 64)
		return n
	}
	return figure("nr_dirty") > figure("nr_dirty_background_threshold")/4*3
}
