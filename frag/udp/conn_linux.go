package udp

import (
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vrnode/wire"
)

const (
	receiveSysctl = "net.core.rmem_max"
	sendSysctl    = "net.core.wmem_max"
)

// A Conn is a UDP socket. It stays away from the runtime's poller; see sleeper.
type Conn struct {
	fd      int
	family  uint16
	local   netip.AddrPort
	buffers Buffers
	stats   Stats
	kernel  kernel

	in        *inVector
	incoming  incoming
	dropped   uint32 // what the kernel's counter of drops said last
	datagrams [BatchMax]wire.Datagram

	out *outVector
	// joins: the kernel knows how to send runs.
	joins   bool
	apart   apart
	tooBig  []TooBig
	backlog backlog
	blocked unix.Errno // why the backlog did not go out

	sleeper sleeper
	// quiet: the last Wait saw that nothing has arrived, so that the next ReadBatch need not ask.
	quiet bool
	// spin is for how long Wait asks before it sleeps, at least; see Spin and bulk.
	spin time.Duration
	bulk bulk
}

// Listen opens a socket at addr; port 0 lets the kernel choose. The IPv6 wildcard address serves
// IPv4 too.
func Listen(addr netip.AddrPort) (*Conn, error) {
	c := &Conn{fd: -1, kernel: realKernel, in: newInVector(), out: newOutVector(), tooBig: make([]TooBig, 0, BatchMax)}
	c.sleeper.poll[pollWake].Fd, c.sleeper.poll[pollAlarm].Fd = -1, -1
	if err := c.listen(addr); err != nil {
		c.Close()
		return nil, fmt.Errorf("udp: listen at %v: %w", addr, err)
	}
	return c, nil
}

func (c *Conn) listen(addr netip.AddrPort) (err error) {
	if !addr.Addr().IsValid() {
		return unix.EADDRNOTAVAIL
	}
	c.family = unix.AF_INET6
	if addr.Addr().Is4() {
		c.family = unix.AF_INET
	}
	c.fd, err = unix.Socket(int(c.family), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := c.sleeper.open(c.fd); err != nil {
		return err
	}
	if err := c.setOptions(); err != nil {
		return err
	}
	var name unix.RawSockaddrInet6
	size, ok := putSockaddr(&name, c.family, addr)
	if !ok {
		return unix.EADDRNOTAVAIL
	}
	if _, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(c.fd), uintptr(unsafe.Pointer(&name)), uintptr(size)); e != 0 {
		return e
	}
	size = unix.SizeofSockaddrInet6
	if _, _, e := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(c.fd), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size))); e != 0 {
		return e
	}
	c.local = sockaddr(&name)
	return nil
}

// setOptions sets what the socket needs. IP_RECVERR is left off on purpose: with it, one peer's
// "port unreachable" fails the next send to any other.
func (c *Conn) setOptions() error {
	if c.family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
		// Path MTU is found by package frag, not by the kernel: no datagram is cut into IP
		// fragments. The same below, for IPv4.
		_ = unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		_ = unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1)
	}
	_ = unix.SetsockoptInt(c.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	// Old kernels neither join what arrives nor know how to send runs.
	_ = unix.SetsockoptInt(c.fd, unix.SOL_UDP, unix.UDP_GRO, 1)
	_, err := unix.GetsockoptInt(c.fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	c.joins = err == nil
	c.buffers.Receive = c.setBuffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	c.buffers.Send = c.setBuffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	return nil
}

// setBuffer asks for BufferWanted, past the system's limit if we may, and returns what it got.
func (c *Conn) setBuffer(force, option int) int {
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, force, BufferWanted) != nil {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, option, BufferWanted)
	}
	// The kernel doubles what was asked for, to make room for its own bookkeeping.
	got, _ := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, option)
	return got / 2
}

// LocalAddr returns the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Buffers returns the sizes of the socket's buffers.
func (c *Conn) Buffers() Buffers { return c.buffers }

// Stats returns the counters.
func (c *Conn) Stats() Stats { return c.stats }

// fatal returns an error if e says that the socket itself is broken. All else a network may do.
func fatal(e unix.Errno) error {
	switch e {
	case unix.EBADF:
		return net.ErrClosed
	case unix.ENOTSOCK, unix.EFAULT:
		return fmt.Errorf("udp: %w", e)
	}
	return nil
}

// Spin has Wait ask the kernel for datagrams again and again for so long before it sleeps, which
// saves the time to wake up, about as long as all else on the way of a small message. It takes a whole
// CPU while there is something to do, which it should not take from who is to answer. After bulk Wait
// does so in any case, for less time; see bulk.
func (c *Conn) Spin(d time.Duration) { c.spin = d }

// fullPause is how long a backlog waits that the kernel refused for another reason than a full
// send buffer, whose end ppoll would tell.
const fullPause = time.Millisecond

// Wait sleeps until datagrams have arrived, a backlog may go out, Wake was called since the last
// Wait, or the timeout has passed. It may return early.
func (c *Conn) Wait(timeout time.Duration) {
	if c.incoming.at < c.incoming.count {
		timeout = 0 // ReadBatch has more
	}
	events := int16(unix.POLLIN)
	switch {
	case !c.backlog.any():
	case c.blocked == unix.EAGAIN:
		events |= unix.POLLOUT
	default:
		timeout = min(timeout, fullPause)
	}
	if spin := min(timeout, max(c.spin, c.bulk.spin())); spin > 0 && !c.backlog.any() {
		awaited := c.isAwaited(spin)
		c.bulk.spun(spin, awaited)
		if awaited {
			return
		}
		timeout -= spin
	}
	c.quiet = c.sleeper.sleep(events, timeout)
}

// isAwaited spins until something happens that Wait waits for, and tells whether it has in time.
func (c *Conn) isAwaited(limit time.Duration) bool {
	for begin := time.Now(); ; {
		if err := c.receive(); err != nil || c.incoming.count > 0 {
			return true // ReadBatch returns them, or meets the error again
		}
		if c.sleeper.isWoken() {
			return true
		}
		if time.Since(begin) >= limit {
			return false
		}
	}
}

// Wake ends the owner's present or next Wait. It may be called by any goroutine, even after Close.
func (c *Conn) Wake() { c.sleeper.wake() }

// Close closes the socket. Only the owner may call it.
func (c *Conn) Close() error {
	c.sleeper.close()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}
