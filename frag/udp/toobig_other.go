//go:build !linux && !windows

package udp

import "syscall"

// errTooBig is what a datagram fails with that the link does not take.
const errTooBig = syscall.EMSGSIZE
