package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

const (
	// DatagramVersion is the version of everything in this file and in frame.go.
	DatagramVersion = 1
	// DatagramBase is how long a datagram may be before anything is known of the path, in bytes of
	// UDP payload. It crosses every path of the Internet unfragmented.
	DatagramBase = 1200
	// DatagramMax bounds a datagram. It fits a jumbo frame of Ethernet.
	DatagramMax = 8972
	// DatagramHeaderSize is the length of the header, which frames or a handshake follow.
	DatagramHeaderSize = 24
	// SealedHeaderSize is the length of the header of sealed DATA: the same without the checksum,
	// for which there is a tag of TagSize at the end.
	SealedHeaderSize = 16
	TagSize          = 16
	// Overhead is the most that a DATA datagram holds beside its frames: it is that of sealed ones.
	Overhead = SealedHeaderSize + TagSize

	sumAt = 16
)

// What can be wrong with a datagram before its frames are looked at.
var (
	ErrDatagramLength  = errors.New("wire: datagram shorter than its header says, or longer than DatagramMax")
	ErrDatagramVersion = errors.New("wire: datagram of another version")
	ErrDatagramType    = errors.New("wire: unknown datagram type")
	ErrDatagramFlags   = errors.New("wire: reserved flags are set")
	ErrChecksum        = errors.New("wire: the datagram is damaged, or belongs to another session")
)

// A Datagram is the payload of one UDP datagram and where it goes, or came from.
type Datagram struct {
	Addr  netip.AddrPort
	Bytes []byte
	// Joined: the kernel may be given it in one piece with the datagram before it in a list.
	Joined bool
}

// DatagramType is the low half of a datagram's first byte. The high half is the version.
type DatagramType uint8

// The types of datagram.
const (
	// DatagramData carries the frames of a session.
	DatagramData DatagramType = 0
	// DatagramHello asks for a session.
	DatagramHello DatagramType = 1
	// DatagramHelloAck offers one.
	DatagramHelloAck DatagramType = 2
	// DatagramDenial says why a HELLO is not answered with an offer.
	DatagramDenial DatagramType = 3
	// DatagramReset says that a session is not known.
	DatagramReset DatagramType = 4
)

var datagramTypeNames = [...]string{
	DatagramData: "DATA", DatagramHello: "HELLO", DatagramHelloAck: "HELLO_ACK",
	DatagramDenial: "DENIAL", DatagramReset: "RESET",
}

func (t DatagramType) String() string { return name(datagramTypeNames[:], int(t), "datagram") }

// DatagramFlags is the second byte of a datagram. All bits but those below are reserved and zero:
// bits 1 and 2 for segmentation offload and path probes.
type DatagramFlags uint8

const (
	// FlagImmediateAck asks the receiver to acknowledge without delay.
	FlagImmediateAck DatagramFlags = 1 << 0
	// FlagSealed: the datagram is of secure mode.
	FlagSealed DatagramFlags = 1 << 7

	phaseShift = 3
	phaseMask  = 3 << phaseShift
	flagsKnown = FlagImmediateAck | FlagSealed
)

// PhaseFlags returns the flags of DATA that is sealed with the key of a phase, 0 to 3.
func PhaseFlags(phase uint8) DatagramFlags { return FlagSealed | DatagramFlags(phase)<<phaseShift }

// Phase returns the phase of the key with which DATA is sealed.
func (f DatagramFlags) Phase() uint8 { return uint8(f&phaseMask) >> phaseShift }

// IsSealed tells whether the datagram is of secure mode.
func (f DatagramFlags) IsSealed() bool { return f&FlagSealed != 0 }

// A DatagramHeader is what a datagram begins with. The checksum, its last eight bytes, is not in
// the struct: Stamp writes it and Verify checks it.
type DatagramHeader struct {
	Type  DatagramType
	Flags DatagramFlags
	// Length counts the bytes after the header that mean something; padding follows them.
	Length uint16
	// To is the receiver's own index of the session; 0 where there is none yet.
	To SessionIndex
	// Number is different for every datagram of a session and direction, and increases by one.
	Number uint64
}

// A SessionIndex names a session at one of its ends, which chose it at random. It is not 0.
type SessionIndex uint32

// A Binding ties a datagram to one direction of one session: it is hashed with the datagram, so
// that a datagram of another session fails its checksum although no byte of it tells.
type Binding uint64

// Stamp writes the header and the checksum into the datagram b, whose other bytes are in place.
func Stamp(b []byte, h *DatagramHeader, bind Binding) {
	_ = b[DatagramHeaderSize-1]
	PutHeader(b, h)
	binary.LittleEndian.PutUint64(b[sumAt:], uint64(bind))
	binary.LittleEndian.PutUint64(b[sumAt:], xxhash.Sum64(b))
}

// PutHeader writes the header without a checksum, which is all of it in sealed DATA.
func PutHeader(b []byte, h *DatagramHeader) {
	_ = b[SealedHeaderSize-1]
	le := binary.LittleEndian
	b[0] = DatagramVersion<<4 | byte(h.Type)
	b[1] = byte(h.Flags)
	le.PutUint16(b[2:], h.Length)
	le.PutUint32(b[4:], uint32(h.To))
	le.PutUint64(b[8:], h.Number)
}

// Sum returns the checksum of a datagram that has one.
func Sum(b []byte) uint64 { return binary.LittleEndian.Uint64(b[sumAt:]) }

// DecodeDatagram reads the header of b and returns what follows it, without the padding. It does
// not check the checksum: which binding is the right one depends on the header. The payload of
// sealed DATA is nil, because it has to be opened first.
func DecodeDatagram(b []byte, h *DatagramHeader) (payload []byte, err error) {
	if len(b) < DatagramHeaderSize || len(b) > DatagramMax {
		return nil, ErrDatagramLength
	}
	if b[0]>>4 != DatagramVersion {
		return nil, ErrDatagramVersion
	}
	le := binary.LittleEndian
	h.Type = DatagramType(b[0] & 0xf)
	h.Flags = DatagramFlags(b[1])
	h.Length = le.Uint16(b[2:])
	h.To = SessionIndex(le.Uint32(b[4:]))
	h.Number = le.Uint64(b[8:])
	sealed := h.Type == DatagramData && h.Flags.IsSealed()
	known, room := flagsKnown, len(b)-DatagramHeaderSize
	if sealed {
		known, room = flagsKnown|phaseMask, len(b)-Overhead
	}
	switch {
	case h.Type > DatagramReset:
		return nil, ErrDatagramType
	case h.Flags&^known != 0:
		return nil, ErrDatagramFlags
	case int(h.Length) > room:
		return nil, ErrDatagramLength
	case sealed:
		return nil, nil
	}
	return b[DatagramHeaderSize : DatagramHeaderSize+int(h.Length)], nil
}

// OtherVersion returns the type of a datagram of another version, and whether it may be one. In all
// versions a HELLO has its version, type and checksum in the same places, and a DENIAL is the same
// in all of its bytes but the first, so that ends of different versions find out what is wrong.
func OtherVersion(b []byte) (t DatagramType, ok bool) {
	if len(b) < DatagramHeaderSize || b[0]>>4 == DatagramVersion {
		return 0, false
	}
	return DatagramType(b[0] & 0xf), true
}

// Verify tells whether b carries the checksum that bind gives. It leaves b as it was.
func Verify(b []byte, bind Binding) error {
	slot := b[sumAt : sumAt+8]
	sum := binary.LittleEndian.Uint64(slot)
	binary.LittleEndian.PutUint64(slot, uint64(bind))
	ok := xxhash.Sum64(b) == sum
	binary.LittleEndian.PutUint64(slot, sum)
	if !ok {
		return ErrChecksum
	}
	return nil
}

// An End is one end of a session: who, in which run, and the number it drew for this session.
type End struct {
	ID          Peer
	Incarnation Incarnation
	Nonce       uint64
}

// SessionBindings returns the bindings of the two directions of a session. They differ, so that
// a datagram that comes back to its sender is refused.
func SessionBindings(initiator, responder End) (toResponder, toInitiator Binding) {
	var b [1 + 6*8]byte
	b[0] = DatagramVersion
	le := binary.LittleEndian
	for i, v := range [...]uint64{
		uint64(initiator.ID), uint64(initiator.Incarnation), initiator.Nonce,
		uint64(responder.ID), uint64(responder.Incarnation), responder.Nonce,
	} {
		le.PutUint64(b[1+8*i:], v)
	}
	sum := xxhash.Sum64(b[:])
	return Binding(sum), Binding(sum + 0x9E3779B97F4A7C15)
}

// HelloBinding returns the binding of every HELLO.
func HelloBinding() Binding { return binding("HELLO", DatagramVersion, 0) }

// HelloAckBinding returns the binding of the HELLO_ACK that answers a HELLO with this nonce.
func HelloAckBinding(nonce uint64) Binding { return binding("HELLO_ACK", DatagramVersion, nonce) }

// ResetBinding returns the binding of every RESET.
func ResetBinding() Binding { return binding("RESET", DatagramVersion, 0) }

// DenialBinding returns the binding of every DENIAL, of whatever version.
func DenialBinding() Binding { return binding("DENIAL", 0, 0) }

func binding(label string, version byte, nonce uint64) Binding {
	var b [1 + 8 + 16]byte
	b[0] = version
	binary.LittleEndian.PutUint64(b[1:], nonce)
	copy(b[9:], label)
	return Binding(xxhash.Sum64(b[:]))
}
