package wire

import (
	"errors"
	"fmt"
)

const (
	headerSize = 1 + 16 + 8 + 8 + 8 + 8
	// MessageMax bounds an encoded message, in bytes. The largest is a StartView with a full
	// window of uncommitted entries.
	MessageMax = 1<<20 + 128<<10
)

// What can be wrong with the bytes of a message. All of them are errors.Is-comparable.
var (
	ErrShort  = errors.New("wire: message shorter than its header")
	ErrLong   = errors.New("wire: message longer than MessageMax")
	ErrKind   = errors.New("wire: unknown message kind")
	ErrFields = errors.New("wire: fields are cut off, out of range or followed by more bytes")
)

func (h *Header) walk(c *coder) {
	c.cluster(&h.Cluster, "cluster", "the group, zero if the sender knows none")
	number(c, &h.Epoch, "e", "epoch-number")
	number(c, &h.View, "v", "view-number")
	number(c, &h.From, "i", "the sender: a replica's number or a client-id")
	number(c, &h.Incarnation, "inc", "the sender's incarnation, 0 for a client")
}

// An Encoder encodes messages. The zero value is ready. It is not safe for concurrent use.
type Encoder struct{ c coder }

// Append appends the encoding of m behind its header to dst, without allocating if dst has room.
func (e *Encoder) Append(dst []byte, h *Header, m Message) []byte {
	e.c.mode, e.c.buf = encoding, append(dst, byte(m.Kind()))
	h.walk(&e.c)
	m.walk(&e.c)
	dst, e.c.buf = e.c.buf, nil
	return dst
}

// A Decoder decodes messages without allocating: it owns one struct of each kind. The zero value
// is ready. It is not safe for concurrent use.
type Decoder struct {
	c                  coder
	header             Header
	register           Register
	registered         Registered
	request            Request
	reply              Reply
	refused            Refused
	prepare            Prepare
	prepareOK          PrepareOK
	commit             Commit
	commitAck          CommitAck
	startViewChange    StartViewChange
	joinView           JoinView
	doViewChange       DoViewChange
	startView          StartView
	getView            GetView
	viewChangeProgress ViewChangeProgress
	getLog             GetLog
	log                Log
	form               Form
	recovery           Recovery
	recoveryResponse   RecoveryResponse
	recoveringToo      RecoveringToo
	staleIncarnation   StaleIncarnation
	probe              Probe
	probeReply         ProbeReply
	getManifest        GetManifest
	manifest           Manifest
	getBlocks          GetBlocks
	blocks             Blocks
	getPiece           GetPiece
	piece              Piece
	transferRefused    TransferRefused
	takeCheckpoint     TakeCheckpoint
	fetchBase          FetchBase
}

// Decode decodes one whole message. What it returns, and every slice in it, is valid until the
// next call and shares memory with b. The error is one of ErrShort, ErrLong, ErrKind, ErrFields.
func (d *Decoder) Decode(b []byte) (*Header, Message, error) {
	if len(b) < headerSize {
		return nil, nil, ErrShort
	}
	if len(b) > MessageMax {
		return nil, nil, ErrLong
	}
	m := d.message(Kind(b[0]))
	if m == nil {
		return nil, nil, ErrKind
	}
	d.c.mode, d.c.buf, d.c.bad = decoding, b[1:], false
	d.header.walk(&d.c)
	m.walk(&d.c)
	bad := d.c.bad || len(d.c.buf) > 0
	d.c.buf = nil
	if bad {
		return nil, nil, ErrFields
	}
	return &d.header, m, nil
}

// message returns the decoder's own struct of a kind, or nil if there is no such kind.
func (d *Decoder) message(k Kind) Message {
	switch k {
	case KindRegister:
		return &d.register
	case KindRegistered:
		return &d.registered
	case KindRequest:
		return &d.request
	case KindReply:
		return &d.reply
	case KindRefused:
		return &d.refused
	case KindPrepare:
		return &d.prepare
	case KindPrepareOK:
		return &d.prepareOK
	case KindCommit:
		return &d.commit
	case KindCommitAck:
		return &d.commitAck
	case KindStartViewChange:
		return &d.startViewChange
	case KindJoinView:
		return &d.joinView
	case KindDoViewChange:
		return &d.doViewChange
	case KindStartView:
		return &d.startView
	case KindGetView:
		return &d.getView
	case KindViewChangeProgress:
		return &d.viewChangeProgress
	case KindGetLog:
		return &d.getLog
	case KindLog:
		return &d.log
	case KindForm:
		return &d.form
	case KindRecovery:
		return &d.recovery
	case KindRecoveryResponse:
		return &d.recoveryResponse
	case KindRecoveringToo:
		return &d.recoveringToo
	case KindStaleIncarnation:
		return &d.staleIncarnation
	case KindProbe:
		return &d.probe
	case KindProbeReply:
		return &d.probeReply
	case KindGetManifest:
		return &d.getManifest
	case KindManifest:
		return &d.manifest
	case KindGetBlocks:
		return &d.getBlocks
	case KindBlocks:
		return &d.blocks
	case KindGetPiece:
		return &d.getPiece
	case KindPiece:
		return &d.piece
	case KindTransferRefused:
		return &d.transferRefused
	case KindTakeCheckpoint:
		return &d.takeCheckpoint
	case KindFetchBase:
		return &d.fetchBase
	}
	return nil
}

// Describe returns the fields of a kind of message behind its header, in their order on the wire;
// kind 0 stands for the header itself. It is what PROTOCOL.md is generated from.
func Describe(k Kind) []Field {
	c := coder{mode: describing}
	if k == 0 {
		new(Header).walk(&c)
	} else if m := new(Decoder).message(k); m != nil {
		m.walk(&c)
	}
	return c.fields
}

// String writes the message as in traces: "2->1 PrepareOK v=3 n=17".
func (e Envelope) String() string {
	c := coder{mode: printing}
	e.Message.walk(&c)
	return fmt.Sprintf("%v->%v %v v=%d%s", e.From, e.To, e.Message.Kind(), e.View, c.text.String())
}
