package wire

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrFrame: a frame of unknown type, cut off, or with an impossible field.
var ErrFrame = errors.New("wire: malformed frame")

// FrameType is the first byte of a frame.
type FrameType uint8

// The types of frame.
const (
	// FramePing asks for an acknowledgement.
	FramePing FrameType = 1
	// FrameAck acknowledges datagrams.
	FrameAck FrameType = 2
	// FrameData carries a message or a run of its cells.
	FrameData FrameType = 3
	// FrameLatest carries the message of a slot, in which a newer one replaces an older one.
	FrameLatest FrameType = 4
	// FrameChallenge asks for a FrameResponse with the same token.
	FrameChallenge FrameType = 5
	// FrameResponse shows that a FrameChallenge has arrived.
	FrameResponse FrameType = 6
)

var frameTypeNames = [...]string{FramePing: "PING", FrameAck: "ACK", FrameData: "DATA", FrameLatest: "LATEST",
	FrameChallenge: "PATH_CHALLENGE", FrameResponse: "PATH_RESPONSE"}

func (t FrameType) String() string { return name(frameTypeNames[:], int(t), "frame") }

const (
	// CellSize is the unit in which messages are cut: a fragment is a run of cells.
	CellSize = 64
	// LanesMax is the number of lanes.
	LanesMax = 4
	// SlotsMax is the number of slots.
	SlotsMax = 32
	// AckRangesMax bounds the ranges of one ACK frame.
	AckRangesMax = 64

	// DataHeaderSize and LatestHeaderSize are what a DATA and a LATEST frame add to their bytes.
	DataHeaderSize   = 20
	LatestHeaderSize = 12
	// PathFrameSize is the length of a PATH_CHALLENGE and of a PATH_RESPONSE.
	PathFrameSize = 12
	// SingleMax bounds a message that one DATA frame carries whole, and LatestMax one in a slot:
	// both cross every path.
	SingleMax = DatagramBase - Overhead - DataHeaderSize
	LatestMax = DatagramBase - Overhead - LatestHeaderSize

	ackHeaderSize = 16
	ackRangeSize  = 4
	ackDelayUnit  = 2 * time.Microsecond
	bareBit       = 1 << 5
	compressedBit = 1 << 4
	// compressedLanes are those of what replicas say to each other in bulk.
	compressedLanes = 1<<1 | 1<<3
)

// A Frame is one decoded frame; of the structs only that of its type means anything. It shares
// memory with the datagram.
type Frame struct {
	Type   FrameType
	Ack    Ack
	Data   Data
	Latest Latest
	// Token is that of a PATH_CHALLENGE or PATH_RESPONSE. It is not 0.
	Token uint64
}

// Data is a fragment of a message, or the whole of one.
type Data struct {
	Lane uint8
	// Bare: the message carries no trailer.
	Bare bool
	// Compressed: what is cut into cells, and in front of the trailer, is a block of S2 that the
	// message has to be made of. Lanes 1 and 3 only.
	Compressed bool
	// ID numbers the messages of a session, direction and lane: 1, 2, 3 …
	ID uint64
	// Cell is the position of Bytes in the message, in cells.
	Cell uint32
	// Total is the length of the message, or of its block, with the trailer if it has one.
	Total uint32
	// Bytes is a multiple of CellSize unless it is the end of the message.
	Bytes []byte
}

// Latest is a message in a slot.
type Latest struct {
	Key uint8
	// Seq increases with every message that is put in the slot.
	Seq   uint64
	Bytes []byte
}

// A Range is a run of datagram numbers, both ends included.
type Range struct{ Low, High uint64 }

// Ack says which datagrams arrived. Next returns the ranges, the highest first.
type Ack struct {
	// Delay is how long the acknowledgement of the highest number was held back.
	Delay time.Duration
	// Largest is the highest number that is acknowledged.
	Largest uint64

	first uint32
	high  uint64
	rest  []byte
}

// MayCompress tells whether messages of a lane may be compressed.
func MayCompress(lane uint8) bool { return compressedLanes>>lane&1 != 0 }

// AppendPing appends a PING frame.
func AppendPing(dst []byte) []byte { return append(dst, byte(FramePing)) }

// AckSize returns the length of an ACK frame with this many ranges.
func AckSize(ranges int) int { return ackHeaderSize + ackRangeSize*(ranges-1) }

// AppendAck appends an ACK frame. The ranges are disjoint, neither adjacent nor empty, the highest
// first, from 1 to AckRangesMax. Those too far apart for the layout are left out, with all below.
func AppendAck(dst []byte, delay time.Duration, ranges []Range) []byte {
	le := binary.LittleEndian
	at := len(dst)
	dst = append(dst, byte(FrameAck), 0)
	dst = le.AppendUint16(dst, uint16(min(max(delay, 0)/ackDelayUnit, 1<<16-1)))
	dst = le.AppendUint64(dst, ranges[0].High)
	dst = le.AppendUint32(dst, uint32(min(ranges[0].High-ranges[0].Low+1, 1<<32-1)))
	for i := 1; i < len(ranges); i++ {
		gap, length := ranges[i-1].Low-ranges[i].High-1, ranges[i].High-ranges[i].Low+1
		if gap > 1<<16-1 || length > 1<<16-1 {
			break
		}
		dst = le.AppendUint16(dst, uint16(gap))
		dst = le.AppendUint16(dst, uint16(length))
		dst[at+1]++
	}
	return dst
}

// AppendData appends a DATA frame.
func AppendData(dst []byte, d *Data) []byte {
	le := binary.LittleEndian
	flags := d.Lane
	if d.Bare {
		flags |= bareBit
	}
	if d.Compressed {
		flags |= compressedBit
	}
	dst = append(dst, byte(FrameData), flags)
	dst = le.AppendUint16(dst, uint16(len(d.Bytes)))
	dst = le.AppendUint64(dst, d.ID)
	dst = le.AppendUint32(dst, d.Cell)
	dst = le.AppendUint32(dst, d.Total)
	return append(dst, d.Bytes...)
}

// AppendLatest appends a LATEST frame.
func AppendLatest(dst []byte, l *Latest) []byte {
	le := binary.LittleEndian
	dst = append(dst, byte(FrameLatest), l.Key)
	dst = le.AppendUint16(dst, uint16(len(l.Bytes)))
	dst = le.AppendUint64(dst, l.Seq)
	return append(dst, l.Bytes...)
}

// AppendChallenge appends a PATH_CHALLENGE frame.
func AppendChallenge(dst []byte, token uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, byte(FrameChallenge), 0, 0, 0), token)
}

// AppendResponse appends a PATH_RESPONSE frame.
func AppendResponse(dst []byte, token uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, byte(FrameResponse), 0, 0, 0), token)
}

// DecodeFrame decodes the first frame of b, which is not empty, and returns what follows it.
func DecodeFrame(b []byte, f *Frame) (rest []byte, err error) {
	f.Type = FrameType(b[0])
	switch f.Type {
	case FramePing:
		return b[1:], nil
	case FrameAck:
		return f.Ack.decode(b)
	case FrameData:
		return f.Data.decode(b)
	case FrameLatest:
		return f.Latest.decode(b)
	case FrameChallenge, FrameResponse:
		return f.decodeToken(b)
	}
	return nil, ErrFrame
}

func (f *Frame) decodeToken(b []byte) ([]byte, error) {
	if len(b) < PathFrameSize || b[1]|b[2]|b[3] != 0 {
		return nil, ErrFrame
	}
	if f.Token = binary.LittleEndian.Uint64(b[4:]); f.Token == 0 {
		return nil, ErrFrame
	}
	return b[PathFrameSize:], nil
}

func (d *Data) decode(b []byte) ([]byte, error) {
	if len(b) < DataHeaderSize {
		return nil, ErrFrame
	}
	le := binary.LittleEndian
	end := DataHeaderSize + int(le.Uint16(b[2:]))
	if end == DataHeaderSize || end > len(b) || b[1]&^(bareBit|compressedBit|LanesMax-1) != 0 {
		return nil, ErrFrame
	}
	d.Lane, d.Bare, d.Compressed = b[1]&(LanesMax-1), b[1]&bareBit != 0, b[1]&compressedBit != 0
	d.ID = le.Uint64(b[4:])
	d.Cell = le.Uint32(b[12:])
	d.Total = le.Uint32(b[16:])
	d.Bytes = b[DataHeaderSize:end:end]
	if !d.wellFormed() {
		return nil, ErrFrame
	}
	return b[end:], nil
}

// IsWhole tells that Bytes is a whole message.
func (d *Data) IsWhole() bool { return d.Bare && len(d.Bytes) == int(d.Total) }

func (d *Data) wellFormed() bool {
	stop := uint64(d.Cell)*CellSize + uint64(len(d.Bytes))
	switch {
	case d.ID == 0 || d.Total > MessageMax+TrailerSize || stop > uint64(d.Total):
		return false
	case d.Compressed && !MayCompress(d.Lane):
		return false
	case d.Bare && d.Total > MessageMax || !d.Bare && d.Total <= TrailerSize:
		return false
	}
	return stop == uint64(d.Total) || len(d.Bytes)%CellSize == 0
}

func (l *Latest) decode(b []byte) ([]byte, error) {
	if len(b) < LatestHeaderSize {
		return nil, ErrFrame
	}
	le := binary.LittleEndian
	end := LatestHeaderSize + int(le.Uint16(b[2:]))
	l.Key, l.Seq = b[1], le.Uint64(b[4:])
	if end > len(b) || l.Key >= SlotsMax || l.Seq == 0 {
		return nil, ErrFrame
	}
	l.Bytes = b[LatestHeaderSize:end:end]
	return b[end:], nil
}

func (a *Ack) decode(b []byte) ([]byte, error) {
	if len(b) < ackHeaderSize {
		return nil, ErrFrame
	}
	le := binary.LittleEndian
	end := ackHeaderSize + ackRangeSize*int(b[1])
	if b[1] >= AckRangesMax || end > len(b) {
		return nil, ErrFrame
	}
	a.Delay = time.Duration(le.Uint16(b[2:])) * ackDelayUnit
	a.Largest = le.Uint64(b[4:])
	a.first = le.Uint32(b[12:])
	a.high = a.Largest
	a.rest = b[ackHeaderSize:end:end]
	if !a.wellFormed() {
		return nil, ErrFrame
	}
	return b[end:], nil
}

// wellFormed tells whether no range is empty, touches the one above or goes below zero.
func (a *Ack) wellFormed() bool {
	if a.first == 0 || uint64(a.first)-1 > a.Largest {
		return false
	}
	left := a.Largest - uint64(a.first) + 1
	for b := a.rest; len(b) > 0; b = b[ackRangeSize:] {
		gap := uint64(binary.LittleEndian.Uint16(b))
		length := uint64(binary.LittleEndian.Uint16(b[2:]))
		if gap == 0 || length == 0 || gap+length > left {
			return false
		}
		left -= gap + length
	}
	return true
}

// Next moves the highest range that is left into r and tells whether there was one.
func (a *Ack) Next(r *Range) bool {
	if a.first > 0 {
		*r = Range{a.high - uint64(a.first) + 1, a.high}
		a.first = 0
	} else if len(a.rest) > 0 {
		r.High = a.high - uint64(binary.LittleEndian.Uint16(a.rest)) - 1
		r.Low = r.High - uint64(binary.LittleEndian.Uint16(a.rest[2:])) + 1
		a.rest = a.rest[ackRangeSize:]
	} else {
		return false
	}
	a.high = r.Low
	return true
}
