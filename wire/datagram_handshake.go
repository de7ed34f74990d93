package wire

import (
	"encoding/binary"
	"errors"
)

// ErrHandshake: the payload of a HELLO, HELLO_ACK, DENIAL or RESET has the wrong length or an
// impossible field.
var ErrHandshake = errors.New("wire: malformed handshake")

const (
	// HelloSize is the length of a HELLO: it is padded to this, so that the answer is never longer
	// than the question and the path is known to carry datagrams of DatagramBase.
	HelloSize = DatagramBase
	// ResetSize is the length of a RESET, SealedResetSize that of one with a MAC. A datagram that is
	// shorter is not answered with one.
	ResetSize       = DatagramHeaderSize + resetLength
	SealedResetSize = ResetSize + MACSize
	// MACSize is the length of the proof in a RESET of secure mode.
	MACSize = 16
	// DenialSize is the length of a DENIAL.
	DenialSize = DatagramHeaderSize + denialLength

	greetingLength = 16 + 8
	helloLength    = 4 + 5*8
	denialLength   = 8 + 1 + 16
	resetLength    = 8 + 4 + 8
)

// A Cookie shows that who sends it gets what is sent to its address. The zero Cookie shows nothing.
type Cookie [16]byte

// A Greeting is what the payload of a HELLO begins with. In secure mode a message of package noise
// follows, that holds a Hello, else a Hello.
type Greeting struct {
	Cookie Cookie
	// Key is the id of the key that the message is made with, 0 in plain mode.
	Key uint64
}

func (g *Greeting) walk(c *coder) {
	c.cookie(&g.Cookie, "cookie", "as in the DENIAL that asked for it, else zeros")
	number(c, &g.Key, "key", "secure mode: the id of the key; plain mode: 0")
}

// AppendGreeting appends a Greeting.
func AppendGreeting(dst []byte, g *Greeting) []byte {
	c := coder{mode: encoding, buf: dst}
	g.walk(&c)
	return c.buf
}

// DecodeGreeting decodes what the payload of a HELLO begins with, and returns the rest.
func DecodeGreeting(payload []byte, g *Greeting) ([]byte, error) {
	c := coder{mode: decoding, buf: payload}
	g.walk(&c)
	if c.bad {
		return nil, ErrHandshake
	}
	return c.buf, nil
}

// Denied says why a HELLO is not answered with an offer.
type Denied uint8

// What can be wrong with a HELLO. All but the first are for people: nobody vouches for them.
const (
	// DeniedCookie: nothing; many ask for sessions, and only a HELLO with the cookie is answered.
	DeniedCookie Denied = iota + 1
	// DeniedVersion: it is of another version.
	DeniedVersion
	// DeniedPlain: it is of plain mode, and who denies is secure.
	DeniedPlain
	// DeniedSealed: it is of secure mode, and who denies has no key.
	DeniedSealed
	// DeniedKey: its key is none of those of who denies.
	DeniedKey
	// DeniedTarget: it is for somebody else.
	DeniedTarget
	// DeniedStranger: it is from a replica that is not configured.
	DeniedStranger

	deniedMax = DeniedStranger
)

var deniedNames = [...]string{
	DeniedCookie:   "asks for a cookie",
	DeniedVersion:  "speaks another version of the protocol",
	DeniedPlain:    "wants a key, and this end has none",
	DeniedSealed:   "has no key, and this end has one",
	DeniedKey:      "uses another key",
	DeniedTarget:   "is not at its address: another replica answers there",
	DeniedStranger: "does not know this replica: the peers that it was given are others",
}

// String completes a sentence about who denied.
func (d Denied) String() string { return name(deniedNames[:], int(d), "denied") }

// A Denial is the payload of a DENIAL.
type Denial struct {
	// Quote is the checksum of the HELLO. Whoever is not on the path can not know it.
	Quote  uint64
	Why    Denied
	Cookie Cookie
}

func (d *Denial) walk(c *coder) {
	number(c, &d.Quote, "quote", "`sum` of the HELLO that is answered")
	c.cookie(&d.Cookie, "cookie", "`reason` 1: what to repeat the HELLO with; else zeros")
	octet(c, &d.Why, DeniedCookie, deniedMax, "reason", "1 cookie, 2 version, 3 plain, 4 sealed, 5 key, 6 target, 7 stranger")
}

// AppendDenial appends the payload of a DENIAL.
func AppendDenial(dst []byte, d *Denial) []byte {
	c := coder{mode: encoding, buf: dst}
	d.walk(&c)
	return c.buf
}

// DecodeDenial decodes a whole DENIAL, of whatever version, after Verify.
func DecodeDenial(b []byte, d *Denial) error {
	if len(b) != DenialSize {
		return ErrHandshake
	}
	c := coder{mode: decoding, buf: b[DatagramHeaderSize:]}
	d.walk(&c)
	if c.bad {
		return ErrHandshake
	}
	return nil
}

// A Hello says who asks for or offers a session. It is all of the payload of a HELLO_ACK, and the
// end of that of a HELLO; in secure mode it is in a message of package noise.
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

// A Reset is the payload of a RESET: it quotes the datagram that could not be delivered. In secure
// mode a MAC of the payload follows.
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

// AppendHello appends a Hello.
func AppendHello(dst []byte, h *Hello) []byte {
	c := coder{mode: encoding, buf: dst}
	h.walk(&c)
	return c.buf
}

// DecodeHello decodes a Hello.
func DecodeHello(payload []byte, h *Hello) error {
	c := coder{mode: decoding, buf: payload}
	h.walk(&c)
	if c.bad || len(c.buf) > 0 || h.Session == 0 || h.Sender.Nonce == 0 {
		return ErrHandshake
	}
	return nil
}

// AppendReset appends the payload of a RESET without a MAC.
func AppendReset(dst []byte, r *Reset) []byte {
	c := coder{mode: encoding, buf: dst}
	r.walk(&c)
	return c.buf
}

// DecodeReset decodes the payload of a RESET without its MAC.
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
