package memory

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// growStep is how much grow gets at a time, so that it also finds what room there is in small parts.
	growStep = 4 << 20
	// growPart is after how much of it grow steps back: it takes 0.1 ms, or some times as long.
	growPart = 256 << 10
)

// grow has the heap of this process get at once what it lacks of room for so many bytes. Memory that comes
// a page at a time, when something is written to it for the first time, takes longer than what is
// written: three times as long on some virtual machines. It goes through all that is in the heap. It calls
// stepBack after each part, for others who need the CPU.
func grow(bytes int64, stepBack func()) {
	var steps [][]byte
	for range bytes / growStep {
		b := make([]byte, growStep)
		for part := range slices.Chunk(b, growPart) {
			_ = unix.Madvise(part, unix.MADV_POPULATE_WRITE) // or it comes page by page
			stepBack()
		}
		steps = append(steps, b)
		grown.Add(growStep)
	}
	runtime.KeepAlive(steps)
	runtime.GC() // what was garbage is room
}
