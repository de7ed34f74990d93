package loop

import (
	"os"
	"syscall"
)

// keepSize has fallocate(2) leave the length of the file alone: FALLOC_FL_KEEP_SIZE.
const keepSize = 1

// reserve asks for room on the disk for some bytes of a file.
func reserve(f *os.File, from, bytes int64) {
	withDescriptor(f, func(fd int) { _ = syscall.Fallocate(fd, keepSize, from, bytes) })
}

// withDescriptor does something with the descriptor of a file, unless that is closed.
func withDescriptor(f *os.File, do func(fd int)) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}
