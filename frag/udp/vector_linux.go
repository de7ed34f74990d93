package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"vrnode/wire"
)

// controlSize is room for the one control message that we ask for, the drop counter.
const controlSize = 32

// A vector is the kernel's view of a batch: a header for each datagram, and what it points to.
// It is allocated once and lives on the heap, where its parts keep their addresses.
type vector struct {
	headers  [BatchMax]unix.Mmsghdr
	iovecs   [BatchMax]unix.Iovec
	names    [BatchMax]unix.RawSockaddrInet6
	controls [BatchMax][controlSize]byte
	buffers  []byte
}

func newVector() *vector {
	v := new(vector)
	for i := range v.headers {
		h := &v.headers[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&v.names[i]))
		h.Iov = &v.iovecs[i]
		h.SetIovlen(1)
	}
	return v
}

// receive gives each header a buffer of its own. Memory that no datagram ever reaches is never
// touched and costs nothing.
func (v *vector) receive() {
	v.buffers = make([]byte, BatchMax*bufferSize)
	for i := range v.headers {
		v.iovecs[i].Base = &v.buffer(i)[0]
		v.iovecs[i].SetLen(bufferSize)
		v.headers[i].Hdr.Control = &v.controls[i][0]
	}
	v.rearm(BatchMax)
}

func (v *vector) buffer(i int) []byte { return v.buffers[i*bufferSize:][:bufferSize:bufferSize] }

// rearm restores what recvmmsg overwrote in the first n headers.
func (v *vector) rearm(n int) {
	for i := range n {
		h := &v.headers[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
		h.Flags = 0
	}
}

// stage points the headers to the first datagrams of batch, as far as a socket of the family can
// send them, and returns their number.
func (v *vector) stage(family uint16, batch []wire.Datagram) int {
	n := min(len(batch), BatchMax)
	for i := range n {
		size, ok := putSockaddr(&v.names[i], family, batch[i].Addr)
		if !ok {
			return i
		}
		v.headers[i].Hdr.Namelen = size
		v.iovecs[i].Base = unsafe.SliceData(batch[i].Bytes)
		v.iovecs[i].SetLen(len(batch[i].Bytes))
	}
	return n
}

// putSockaddr writes addr in the form that a socket of the family takes and returns its size.
// An IPv6 zone is an interface's number, or its name, which has to be looked up each time.
func putSockaddr(name *unix.RawSockaddrInet6, family uint16, addr netip.AddrPort) (uint32, bool) {
	ip := addr.Addr()
	if family == unix.AF_INET {
		if ip = ip.Unmap(); !ip.Is4() {
			return 0, false
		}
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*name4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: bigEndian(addr.Port()), Addr: ip.As4()}
		return unix.SizeofSockaddrInet4, true
	}
	if !ip.IsValid() {
		return 0, false
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: bigEndian(addr.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		scope, ok := scopeOf(zone)
		if !ok {
			return 0, false
		}
		name.Scope_id = scope
	}
	return unix.SizeofSockaddrInet6, true
}

func scopeOf(zone string) (uint32, bool) {
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(number), true
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, false
	}
	return uint32(i.Index), true
}

// sockaddr is the reverse of putSockaddr; an IPv4 address is one whatever the socket.
func sockaddr(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(name4.Addr), bigEndian(name4.Port))
	}
	ip := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 {
		ip = ip.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	return netip.AddrPortFrom(ip, bigEndian(name.Port))
}

// bigEndian converts a port between the machine's order and the network's.
func bigEndian(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}
