package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A coder walks the fields of a message in their order on the wire. Each message has one walk
// method, and that method is the only description of its layout: encoding, decoding, traces and
// the field tables of PROTOCOL.md are four ways to walk it.
type coder struct {
	mode mode
	// buf is the destination when encoding and what is left to read when decoding.
	buf []byte
	bad bool
	// text collects "name=value" when printing.
	text strings.Builder
	// fields collects the layout when describing.
	fields []Field
}

type mode uint8

const (
	encoding mode = iota
	decoding
	printing
	describing
)

// A Field is one row of a message's layout.
type Field struct {
	Name string // as in traces; the paper's letter where it has one
	Type string // see the table of types in PROTOCOL.md
	Doc  string
}

// take returns the next n bytes, or nil after marking the message bad.
func (c *coder) take(n int) []byte {
	if c.bad || len(c.buf) < n {
		c.bad = true
		return nil
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b
}

// note serves the two modes that are for people.
func (c *coder) note(name, kind, doc string, value any) {
	if c.mode == printing {
		fmt.Fprintf(&c.text, " %s=%v", name, value)
		return
	}
	c.fields = append(c.fields, Field{name, kind, doc})
}

func number[T ~uint64](c *coder, p *T, name, doc string) {
	switch c.mode {
	case encoding:
		c.buf = binary.LittleEndian.AppendUint64(c.buf, uint64(*p))
	case decoding:
		if b := c.take(8); b != nil {
			*p = T(binary.LittleEndian.Uint64(b))
		}
	default:
		c.note(name, "u64", doc, *p)
	}
}

// octet walks a one-byte enumeration whose valid values are lowest … highest.
func octet[T ~uint8](c *coder, p *T, lowest, highest T, name, doc string) {
	switch c.mode {
	case encoding:
		c.buf = append(c.buf, byte(*p))
	case decoding:
		if b := c.take(1); b != nil {
			*p = T(b[0])
			c.bad = *p < lowest || *p > highest
		}
	default:
		c.note(name, "u8", doc, *p)
	}
}

func (c *coder) flag(p *bool, name, doc string) {
	var b uint8
	if *p {
		b = 1
	}
	if c.mode == printing || c.mode == describing {
		c.note(name, "flag", doc, b)
		return
	}
	octet(c, &b, 0, 1, name, doc)
	*p = b == 1
}

func (c *coder) cluster(p *ClusterID, name, doc string) {
	if !c.raw(p[:]) {
		c.note(name, "cluster", doc, *p)
	}
}

func (c *coder) cookie(p *Cookie, name, doc string) {
	if !c.raw(p[:]) {
		c.note(name, "cookie", doc, *p)
	}
}

func (c *coder) digest(p *Digest, name, doc string) {
	if !c.raw(p[:]) {
		c.note(name, "digest", doc, *p)
	}
}

// raw encodes or decodes bytes as they are. It tells whether the mode is one of these.
func (c *coder) raw(p []byte) bool {
	switch c.mode {
	case encoding:
		c.buf = append(c.buf, p...)
	case decoding:
		copy(p, c.take(len(p)))
	default:
		return false
	}
	return true
}

// members walks a list of at most MembersMax replicas, each with an incarnation. It serves
// configurations and crash vectors.
func (c *coder) members(p *[]Member, name, doc string) {
	switch c.mode {
	case encoding:
		c.buf = append(c.buf, byte(len(*p)))
		for _, m := range *p {
			c.buf = binary.LittleEndian.AppendUint64(c.buf, uint64(m.ID))
			c.buf = binary.LittleEndian.AppendUint64(c.buf, uint64(m.Incarnation))
		}
	case decoding:
		*p = (*p)[:0]
		n := c.count(MembersMax)
		for b := c.take(16 * n); len(b) > 0; b = b[16:] {
			*p = append(*p, Member{Peer(binary.LittleEndian.Uint64(b)), Incarnation(binary.LittleEndian.Uint64(b[8:]))})
		}
	default:
		var s strings.Builder
		for i, m := range *p {
			if i > 0 {
				s.WriteByte(' ')
			}
			fmt.Fprintf(&s, "%v:%d", m.ID, m.Incarnation)
		}
		c.note(name, "members", doc, "["+s.String()+"]")
	}
}

func (c *coder) reports(p *[]PeerReport, name, doc string) {
	switch c.mode {
	case encoding:
		c.buf = append(c.buf, byte(len(*p)))
		for _, r := range *p {
			for _, v := range [...]uint64{uint64(r.ID), uint64(r.Op), r.HeardMicros, r.RTTMicros, r.Sent, r.Lost, r.Again} {
				c.buf = binary.LittleEndian.AppendUint64(c.buf, v)
			}
		}
	case decoding:
		*p = (*p)[:0]
		n := c.count(MembersMax)
		for b := c.take(56 * n); len(b) > 0; b = b[56:] {
			u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
			*p = append(*p, PeerReport{Peer(u64(0)), OpNumber(u64(1)), u64(2), u64(3), u64(4), u64(5), u64(6)})
		}
	default:
		c.note(name, "reports", doc, len(*p))
	}
}

func (c *coder) count(highest int) int {
	b := c.take(1)
	if b == nil || int(b[0]) > highest {
		c.bad = true
		return 0
	}
	return int(b[0])
}

// run walks a counted run of variable items: a four-byte count and the items. length measures
// count items at the front of a buffer, or says -1.
func (c *coder) run(count *int, raw *[]byte, length func([]byte, int) int) {
	if c.mode == encoding {
		c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(*count))
		c.buf = appendInPlace(c.buf, *raw)
		return
	}
	*count, *raw = 0, nil
	b := c.take(4)
	if b == nil {
		return
	}
	n := binary.LittleEndian.Uint32(b)
	if n > MessageMax { // more than fit, and perhaps than an int holds
		c.bad = true
		return
	}
	size := length(c.buf, int(n))
	if size < 0 {
		c.bad = true
		return
	}
	*count, *raw = int(n), c.take(size)
}

// A listOf describes lists of items of one size that are counted by a u32.
type listOf[T any] struct {
	name    string
	highest int // number of items
	size    int // of an item, in bytes
	append  func([]byte, *T) []byte
	read    func([]byte) T
}

func list[T any](c *coder, p *[]T, l *listOf[T], name, doc string) {
	switch c.mode {
	case encoding:
		c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(len(*p)))
		for i := range *p {
			c.buf = l.append(c.buf, &(*p)[i])
		}
	case decoding:
		*p = (*p)[:0]
		b := c.take(4)
		if b == nil {
			return
		}
		n := binary.LittleEndian.Uint32(b)
		if n > uint32(l.highest) {
			c.bad = true
			return
		}
		for b = c.take(l.size * int(n)); len(b) > 0; b = b[l.size:] {
			*p = append(*p, l.read(b))
		}
	default:
		c.note(name, l.name, doc, len(*p))
	}
}

func (c *coder) parts(p *Parts, name, doc string) {
	if c.mode == encoding || c.mode == decoding {
		c.run(&p.count, &p.raw, partsLen)
		if c.mode == decoding {
			p.parcel = nil
		}
		return
	}
	c.note(name, "parts", doc, p.count)
}

func (c *coder) entries(p *Entries, name, doc string) {
	if c.mode == encoding || c.mode == decoding {
		c.run(&p.count, &p.raw, entriesLen)
		return
	}
	var s strings.Builder
	var e Entry
	for rest := *p; rest.Next(&e); {
		fmt.Fprintf(&s, "%s%v", separator(&s), &e)
	}
	c.note(name, "entries", doc, "["+s.String()+"]")
}

func (c *coder) commands(p *Commands, name, doc string) {
	if c.mode == encoding || c.mode == decoding {
		c.run(&p.count, &p.raw, commandsLen)
		return
	}
	var s strings.Builder
	for rest := *p; ; {
		command, ok := rest.Next()
		if !ok {
			break
		}
		fmt.Fprintf(&s, "%s%q", separator(&s), command)
	}
	c.note(name, "commands", doc, "["+s.String()+"]")
}

func (c *coder) results(p *Results, name, doc string) {
	if c.mode == encoding || c.mode == decoding {
		c.run(&p.count, &p.raw, resultsLen)
		return
	}
	var s strings.Builder
	for rest := *p; ; {
		outcome, body, ok := rest.Next()
		if !ok {
			break
		}
		if outcome == OutcomeDone {
			fmt.Fprintf(&s, "%s%q", separator(&s), body)
		} else {
			fmt.Fprintf(&s, "%s%v", separator(&s), outcome)
		}
	}
	c.note(name, "results", doc, "["+s.String()+"]")
}

func separator(s *strings.Builder) string {
	if s.Len() == 0 {
		return ""
	}
	return " "
}

// String writes the entry as in traces: the view it was first proposed in, and what it does.
func (e *Entry) String() string {
	if e.Kind == EntryRegister {
		return fmt.Sprintf("%d:register(%v)", e.View, e.Client)
	}
	return fmt.Sprintf("%d:%q", e.View, e.Body)
}
