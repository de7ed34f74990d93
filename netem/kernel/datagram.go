package kernel

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net"

	"vrnode/netem/tc"
)

// A probe is a UDP datagram without a checksum, so that a flipped bit is seen and not dropped. It
// holds its name twice and zeros after that, as many as make it as long as it has to be. Whichever
// bit of the frame is flipped, one of the names is whole, and what else the frame should be is known.

// A name says which probe it is.
type name struct {
	lane   uint16
	number uint32
}

const (
	// nameMagic begins a name. Nothing that vrnode sends has it where a probe does.
	nameMagic = 0x76726c62
	nameSize  = 4 + 2 + 4 + 4 // with a checksum
	// Where things are in a frame.
	etherSize, ipSize, udpSize = 14, 20, 8
	payloadAt                  = etherSize + ipSize + udpSize
	// probeMin is the length of the shortest probe as an IP packet, frameMax that of the longest.
	probeMin = ipSize + udpSize + 2*nameSize
	frameMax = 1500
)

// appendName appends a name with its checksum.
func appendName(b []byte, n name) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, nameMagic)
	b = binary.BigEndian.AppendUint16(b, n.lane)
	b = binary.BigEndian.AppendUint32(b, n.number)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[at:]))
}

// appendProbe appends the payload of a probe that is so long as an IP packet.
func appendProbe(b []byte, n name, ipLength int) []byte {
	b = appendName(appendName(b, n), n)
	return append(b, make([]byte, max(ipLength-probeMin, 0))...)
}

// parseName reads a name if it is whole.
func parseName(b []byte) (n name, ok bool) {
	if len(b) < nameSize || binary.BigEndian.Uint32(b) != nameMagic ||
		crc32.ChecksumIEEE(b[:nameSize-4]) != binary.BigEndian.Uint32(b[nameSize-4:]) {
		return name{}, false
	}
	return name{binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint32(b[6:])}, true
}

// parsePayload reads the name of a probe, of which one bit may be wrong.
func parsePayload(b []byte) (n name, ok bool) {
	if n, ok = parseName(b); !ok && len(b) > nameSize {
		n, ok = parseName(b[nameSize:])
	}
	return n, ok
}

// intact tells whether a frame is as it was sent, from one hardware address to another.
func intact(frame []byte, n name, from, to net.HardwareAddr) bool {
	if len(frame) < payloadAt {
		return false
	}
	ether, ip, udp, payload := frame[:etherSize], frame[etherSize:][:ipSize], frame[payloadAt-udpSize:payloadAt], frame[payloadAt:]
	var want [udpSize]byte
	binary.BigEndian.PutUint16(want[0:], tc.ProbePort)
	binary.BigEndian.PutUint16(want[2:], tc.ProbePort)
	binary.BigEndian.PutUint16(want[4:], uint16(udpSize+len(payload)))
	return bytes.Equal(ether[:6], to) && bytes.Equal(ether[6:12], from) && ether[12] == 8 && ether[13] == 0 &&
		checksum(ip) == 0xffff && bytes.Equal(udp, want[:]) &&
		bytes.Equal(payload, appendProbe(nil, n, ipSize+udpSize+len(payload)))
}

// checksum adds as IP does. Over a header that is right it is all ones.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
