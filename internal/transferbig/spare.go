//go:build linux

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// spareTimes is how many times the state a run holds ready in memory: for the spool of the source, and for
// that of the target. What the target reads has room where the killed process was.
const spareTimes = 2

// holdSpare takes so much memory, and returns what gives it back. A virtual machine has memory that its host gives
// only when it is first written to, page by page, at a rate that may be below that of a transfer. A host that holds a
// state of that size for long has memory for another, and the transport with which a transfer is compared
// needs none.
func holdSpare(bytes int64) (giveBack func(), err error) {
	fmt.Fprintf(os.Stderr, "getting %d MiB of memory\n", bytes>>20)
	b, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("getting %d MiB of memory: %w", bytes>>20, err)
	}
	return func() { _ = unix.Munmap(b) }, nil
}
