package loop

import (
	"os"
	"syscall"
)

// keepSize has fallocate(2) leave the length of the file alone: FALLOC_FL_KEEP_SIZE.
const keepSize = 1

// reserve asks for room on the disk for some bytes of a file.
func reserve(f *os.File, from, bytes int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = syscall.Fallocate(int(fd), keepSize, from, bytes) })
}
