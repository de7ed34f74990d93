package wire

import (
	"encoding/binary"
	"errors"
)

// ErrHandshake: the payload of a HELLO, HELLO_ACK or RESET has the wrong length or an impossible
// field.
var ErrHandshake = errors.New("wire: malformed handshake")

const (
	// HelloSize is the length of a HELLO: it is padded to this, so that the answer is never longer
	// than the question and the path is known to carry datagrams of DatagramMax.
	HelloSize = DatagramMax
	// ResetSize is the length of a RESET. A datagram that is shorter is not answered with one.
	ResetSize = DatagramHeaderSize + resetLength

	helloLength = 4 + 5*8
	resetLength = 8 + 4 + 8
)

// A Hello is the payload of a HELLO and of a HELLO_ACK.
type Hello struct {
	// Session is the index by which the receiver of this must address the sender.
	Session SessionIndex
	// Sender is the sender's end of the session to be.
	Sender End
	// Target is whom the sender means to talk to: an address may have changed hands.
	Target Peer
	// Echo is the initiator's nonce in a HELLO_ACK, and 0 in a HELLO.
	Echo uint64
}

func (h *Hello) walk(c *coder) {
	word(c, &h.Session, "session", "index by which to address the sender from now on, not 0")
	number(c, &h.Sender.ID, "sender", "the sender: a replica's number or a client-id")
	number(c, &h.Sender.Incarnation, "inc", "the sender's incarnation")
	number(c, &h.Sender.Nonce, "nonce", "drawn by the sender for this session, not 0")
	number(c, &h.Target, "target", "the replica or client that the sender means")
	number(c, &h.Echo, "echo", "HELLO_ACK: the nonce of the HELLO; HELLO: 0")
}

// A Reset is the payload of a RESET: it quotes the datagram that could not be delivered.
type Reset struct {
	Sender Peer
	// To and Number are those of the datagram that is answered. Whoever is not on the path can
	// not know them.
	To     SessionIndex
	Number uint64
}

func (r *Reset) walk(c *coder) {
	number(c, &r.Sender, "sender", "who does not know the session")
	word(c, &r.To, "to", "session index of the datagram that is answered")
	number(c, &r.Number, "number", "number of the datagram that is answered")
}

// AppendHello appends the payload of a HELLO or HELLO_ACK.
func AppendHello(dst []byte, h *Hello) []byte {
	c := coder{mode: encoding, buf: dst}
	h.walk(&c)
	return c.buf
}

// DecodeHello decodes the payload of a HELLO or HELLO_ACK.
func DecodeHello(payload []byte, h *Hello) error {
	c := coder{mode: decoding, buf: payload}
	h.walk(&c)
	if c.bad || len(c.buf) > 0 || h.Session == 0 || h.Sender.Nonce == 0 {
		return ErrHandshake
	}
	return nil
}

// AppendReset appends the payload of a RESET.
func AppendReset(dst []byte, r *Reset) []byte {
	c := coder{mode: encoding, buf: dst}
	r.walk(&c)
	return c.buf
}

// DecodeReset decodes the payload of a RESET.
func DecodeReset(payload []byte, r *Reset) error {
	c := coder{mode: decoding, buf: payload}
	r.walk(&c)
	if c.bad || len(c.buf) > 0 {
		return ErrHandshake
	}
	return nil
}

// word walks a four-byte number.
func word[T ~uint32](c *coder, p *T, name, doc string) {
	switch c.mode {
	case encoding:
		c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(*p))
	case decoding:
		if b := c.take(4); b != nil {
			*p = T(binary.LittleEndian.Uint32(b))
		}
	default:
		c.note(name, "u32", doc, *p)
	}
}
