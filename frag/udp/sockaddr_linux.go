package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
