package flood

import (
	"vrnode/wire"
)

// An Outsider is a client that nobody has invited. In plain mode it gets a session, in which it begins
// messages and ends none.
type Outsider struct {
	// Total is the length of its messages.
	Total uint32

	hello   wire.Hello
	attempt uint64
	cookie  wire.Cookie
	quote   uint64

	open   bool
	to     wire.SessionIndex
	bind   wire.Binding
	number uint64
	next   uint64 // fragment
	buffer []byte
}

// NewOutsider returns a client that wants a session with a replica. Its seed is not 0.
func NewOutsider(target wire.Peer, seed uint64) *Outsider {
	return &Outsider{
		Total: wire.MessageMax,
		hello: wire.Hello{
			Session: wire.SessionIndex(1 + seed&0x7fffffff),
			Sender:  wire.End{ID: wire.ClientPeer(seed*0x9e3779b97f4a7c15, 0), Nonce: seed},
			Target:  target,
		},
		buffer: make([]byte, 0, wire.HelloSize),
	}
}

// IsOpen tells whether the outsider has a session, and so a proven address.
func (o *Outsider) IsOpen() bool { return o.open }

// Next returns what to send next: a HELLO, or the first cell of another message. It is valid until
// the next call.
func (o *Outsider) Next() []byte {
	if !o.open {
		o.attempt++
		d := stampHello(o.buffer, o.attempt, o.cookie, &o.hello)
		o.quote = wire.Sum(d)
		return d
	}
	var cell [wire.CellSize]byte
	d := wire.AppendData(o.buffer[:wire.DatagramHeaderSize], &wire.Data{
		Lane: uint8(o.next % wire.LanesMax), ID: 1 + o.next/wire.LanesMax, Total: o.Total, Bytes: cell[:],
	})
	o.next++
	o.number++
	wire.Stamp(d, &wire.DatagramHeader{Length: uint16(len(d) - wire.DatagramHeaderSize), To: o.to, Number: o.number}, o.bind)
	return d
}

// Take looks at what the replica has sent to the outsider: an offer or a cookie. All else it ignores,
// what is acknowledged too.
func (o *Outsider) Take(d []byte) {
	var h wire.DatagramHeader
	payload, err := wire.DecodeDatagram(d, &h)
	if err != nil || o.open {
		return
	}
	switch h.Type {
	case wire.DatagramHelloAck:
		var offer wire.Hello
		if wire.Verify(d, wire.HelloAckBinding(o.hello.Sender.Nonce)) == nil && wire.DecodeHello(payload, &offer) == nil {
			o.open, o.to = true, offer.Session
			o.bind, _ = wire.SessionBindings(o.hello.Sender, offer.Sender)
		}
	case wire.DatagramDenial:
		var denial wire.Denial
		if wire.DecodeDenial(d, &denial) == nil && denial.Quote == o.quote && denial.Why == wire.DeniedCookie {
			o.cookie = denial.Cookie
		}
	}
}
