package linktest

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"vrnode/frag"
	"vrnode/wire"
)

// Messages, which go in the lanes of package frag. All integers are little-endian.
//
//	request   u8 1, u8 lane, u64 number, u32 size, then any bytes: answer with this number, in a
//	          message of this size and in this lane
//	answer    u8 2, u64 number, then any bytes
//	ask       u8 3, u64 number: tell how you reach me
//	report    u8 4, u64 number, ten u64; see Path and encodeReport
//
// The end that answers keeps nothing about them. It ignores what is malformed, longer or in another
// lane than there may be, and what package frag has no room for.
const (
	kindRequest = 1
	kindAnswer  = 2
	kindAsk     = 3
	kindReport  = 4

	requestMin = 1 + 1 + 8 + 4
	answerMin  = 1 + 8
	reportSize = answerMin + 10*8
)

// SizeMin and SizeMax bound the messages that are measured, in bytes.
const (
	SizeMin = requestMin
	SizeMax = frag.MessageMax
)

// listenerID is the listening end. No replica is likely to have this number, and one with another
// does not answer who asks for this one: so a group is never mistaken for a listener.
const listenerID = wire.ReplicaMax

// filler returns bytes to fill messages with, which do not shrink if the transport compresses.
func filler() []byte {
	b := make([]byte, SizeMax)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], random.Uint64())
	}
	return b
}

// putRequest writes a request to the front of b, the rest of which fills it.
func putRequest(b []byte, lane frag.Lane, number uint64, answer int) {
	b[0], b[1] = kindRequest, byte(lane)
	binary.LittleEndian.PutUint64(b[2:], number)
	binary.LittleEndian.PutUint32(b[10:], uint32(answer))
}

// readRequest reads a request, and tells whether it is one that can be answered.
func readRequest(b []byte) (lane frag.Lane, number uint64, answer int, ok bool) {
	if len(b) < requestMin || b[0] != kindRequest || b[1] >= frag.LanesMax {
		return 0, 0, 0, false
	}
	size := binary.LittleEndian.Uint32(b[10:])
	return frag.Lane(b[1]), binary.LittleEndian.Uint64(b[2:]), int(size), size >= answerMin && size <= SizeMax
}

// putNumber writes the front that the other messages have in common.
func putNumber(b []byte, kind byte, number uint64) {
	b[0] = kind
	binary.LittleEndian.PutUint64(b[1:], number)
}

// readNumber reads it, and tells whether b is a message of this kind.
func readNumber(b []byte, kind byte) (uint64, bool) {
	if len(b) < answerMin || b[0] != kind {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[1:]), true
}

// encodeReport writes how an end reaches the other.
func encodeReport(number uint64, p *Path) []byte {
	b := make([]byte, answerMin, reportSize)
	putNumber(b, kindReport, number)
	for _, v := range [...]uint64{
		p.Sent, p.Lost, p.Again, uint64(p.srtt), uint64(p.variation), uint64(p.least),
		uint64(p.WindowBytes), uint64(p.DatagramBytes), p.overflowed, p.Partings,
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// readReport reads a report behind its number.
func readReport(b []byte) (Path, bool) {
	if len(b) != reportSize {
		return Path{}, false
	}
	u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(b[answerMin+8*i:]) }
	return Path{
		Sent: u64(0), Lost: u64(1), Again: u64(2),
		srtt: time.Duration(u64(3)), variation: time.Duration(u64(4)), least: time.Duration(u64(5)),
		WindowBytes: int(u64(6)), DatagramBytes: int(u64(7)), overflowed: u64(8), Partings: u64(9),
	}, true
}
