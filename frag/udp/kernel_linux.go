package udp

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kernel is what a Conn asks of the system while it runs. A test puts a worse one in its place.
type kernel struct {
	// recvmmsg and sendmmsg return how many headers they have dealt with.
	recvmmsg, sendmmsg func(fd int, headers []unix.Mmsghdr) (int, unix.Errno)
	now                func() time.Time
}

var realKernel = kernel{recvmmsg: recvmmsg, sendmmsg: sendmmsg, now: time.Now}

// Neither call sleeps, so that the scheduler need not know of them.

func recvmmsg(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

func sendmmsg(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}
