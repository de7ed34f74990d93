package udp

import "golang.org/x/sys/windows"

// errTooBig is what a datagram fails with that the link does not take.
const errTooBig = windows.WSAEMSGSIZE
