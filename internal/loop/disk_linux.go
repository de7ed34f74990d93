//go:build amd64 || arm64 || riscv64 || 386 || s390x || loong64

package loop

import (
	"os"
	"syscall"
)

// writeOut has sync_file_range(2) begin to write, and not wait for the end: SYNC_FILE_RANGE_WRITE.
const writeOut = 2

// toDisk has the kernel begin to write bytes of a file to the disk. Where it can not, it does so later.
func toDisk(f *os.File, from, bytes int64) {
	withDescriptor(f, func(fd int) { _ = syscall.SyncFileRange(fd, from, bytes, writeOut) })
}
