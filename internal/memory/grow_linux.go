package memory

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// growStep is how much grow gets at a time, so that it also finds what room there is in small parts.
const growStep = 4 << 20

// grow has the heap of this process get at once what it lacks of room for so many bytes. Memory that comes
// a page at a time, when something is written to it for the first time, takes longer than what is
// written: three times as long on some virtual machines. It goes through all that is in the heap.
func grow(bytes int64) {
	var steps [][]byte
	for range bytes / growStep {
		b := make([]byte, growStep)
		_ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) // or it comes page by page
		steps = append(steps, b)
		grown.Add(growStep)
	}
	runtime.KeepAlive(steps)
	runtime.GC() // what was garbage is room
}
