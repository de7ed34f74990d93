package flood

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"vrnode/wire"
)

// A Kind is a way to attack.
type Kind uint8

// The kinds.
const (
	// Junk is random bytes.
	Junk Kind = iota
	// Shaped is a right header and a checksum that is right wherever no session is needed for that.
	Shaped
	// Hello is the HELLO of a client that does not exist, from an address that is made up.
	Hello
	// SealedHello is the same in secure mode, with a key that nobody has.
	SealedHello
	// Replayed is a datagram that the outsider has seen.
	Replayed
	// Changed is one that it has seen, and changed.
	Changed

	kinds
)

// seenMax bounds the datagrams that an Attacker remembers to have seen.
const seenMax = 1024

// An Attacker makes datagrams for one replica. It knows no key.
type Attacker struct {
	rng    *rand.Rand
	target wire.Peer
	seen   [][]byte
	buffer []byte
}

// NewAttacker returns an Attacker of a replica.
func NewAttacker(target wire.Peer, seed uint64) *Attacker {
	return &Attacker{rng: rand.New(rand.NewPCG(seed, 5)), target: target, buffer: make([]byte, wire.HelloSize)}
}

// See shows the attacker a datagram to the replica, which it may play again. It forgets others.
func (a *Attacker) See(d []byte) {
	if len(a.seen) < seenMax {
		a.seen = append(a.seen, bytes.Clone(d))
		return
	}
	a.seen[a.rng.IntN(seenMax)] = bytes.Clone(d)
}

// Next returns a datagram, which is valid until the next call.
func (a *Attacker) Next() []byte { return a.Make(Kind(a.rng.IntN(int(kinds)))) }

// Make returns a datagram of a kind, which is valid until the next call.
func (a *Attacker) Make(k Kind) []byte {
	if len(a.seen) == 0 && k >= Replayed {
		k = Junk
	}
	switch k {
	case Shaped:
		return a.shaped()
	case Hello:
		return stampHello(a.buffer, 0, wire.Cookie{}, &wire.Hello{
			Session: 1 + wire.SessionIndex(a.rng.Uint32()>>1),
			Sender:  wire.End{ID: wire.ClientPeer(a.rng.Uint64(), 0), Nonce: 1 + a.rng.Uint64()>>1}, Target: a.target,
		})
	case SealedHello:
		return a.sealedHello()
	case Replayed, Changed:
		b := append(a.buffer[:0], a.seen[a.rng.IntN(len(a.seen))]...)
		if k == Changed {
			b[a.rng.IntN(len(b))] ^= 1 << a.rng.IntN(8)
		}
		return b
	}
	b := a.buffer[:a.rng.IntN(len(a.buffer))]
	a.fill(b)
	return b
}

// shaped returns a datagram of any type, with random contents.
func (a *Attacker) shaped() []byte {
	b := a.buffer[:wire.DatagramHeaderSize+a.rng.IntN(len(a.buffer)-wire.DatagramHeaderSize+1)]
	a.fill(b)
	h := wire.DatagramHeader{
		Type:   wire.DatagramType(a.rng.IntN(int(wire.DatagramReset) + 1)),
		Length: uint16(len(b) - wire.DatagramHeaderSize), Number: a.rng.Uint64(),
	}
	binding := [...]wire.Binding{
		wire.DatagramData: 0, wire.DatagramHello: wire.HelloBinding(), wire.DatagramHelloAck: wire.HelloAckBinding(0),
		wire.DatagramDenial: wire.DenialBinding(), wire.DatagramReset: wire.ResetBinding(),
	}[h.Type]
	if h.Type == wire.DatagramData || h.Type == wire.DatagramHelloAck {
		h.To = wire.SessionIndex(a.rng.Uint32())
	}
	if a.rng.IntN(2) == 0 {
		h.Flags = wire.FlagSealed
		h.Length -= min(h.Length, wire.TagSize)
	}
	wire.Stamp(b, &h, binding)
	return b
}

func (a *Attacker) sealedHello() []byte {
	const message = 92 // of package noise, with a Hello in it
	b := wire.AppendGreeting(a.buffer[:wire.DatagramHeaderSize], &wire.Greeting{Key: a.rng.Uint64()})
	begin, end := len(b), len(b)+message
	b = b[:wire.HelloSize]
	a.fill(b[begin:end])
	clear(b[end:])
	n := end - wire.DatagramHeaderSize
	wire.Stamp(b, &wire.DatagramHeader{Type: wire.DatagramHello, Flags: wire.FlagSealed, Length: uint16(n)}, wire.HelloBinding())
	return b
}

func (a *Attacker) fill(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, a.rng.Uint64())
	}
	for i := range b {
		b[i] = byte(a.rng.Uint32())
	}
}

// stampHello makes a HELLO of plain mode in b, which has room for it.
func stampHello(b []byte, attempt uint64, cookie wire.Cookie, h *wire.Hello) []byte {
	d := wire.AppendHello(wire.AppendGreeting(b[:wire.DatagramHeaderSize], &wire.Greeting{Cookie: cookie}), h)
	n := len(d) - wire.DatagramHeaderSize
	d = d[:wire.HelloSize]
	clear(d[wire.DatagramHeaderSize+n:])
	wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramHello, Length: uint16(n), Number: attempt}, wire.HelloBinding())
	return d
}
