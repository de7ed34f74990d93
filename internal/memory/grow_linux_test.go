package memory

import "golang.org/x/sys/unix"

// mayPopulate tells whether the kernel knows how to fill a range of memory at once.
func mayPopulate() bool {
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Munmap(b) }()
	return unix.Madvise(b, unix.MADV_POPULATE_WRITE) == nil
}
