package wire

import "vrnode/internal/assert"

// A Parcel is the buffer of a Piece, and goes through all layers with it. So the bytes of a chunk stay where
// a job has read them until they are packed into datagrams, and at the other end where the transport has put
// them together until a job has written them to a file, and are not copied from layer to layer. Who wants to
// keep a buffer gives another one for it, or none. The zero value has no buffer; a Parcel has one user at a time.
type Parcel struct {
	buffer []byte // begins with the message; its length matters only on the way out
}

const (
	// pieceHead is what is in front of the parts of a Piece: header, op, chunk and their number.
	pieceHead = headerSize + 8 + 8 + 4
	// PartHead is what is in front of the bytes of a part.
	PartHead = 4 + 4
	// parcelRoom is for a Piece with all of a chunk or as many parts of it as there may be, and
	// what the transport notes behind it: a buffer of that size is one of the transport's own.
	parcelRoom = ChunkMax + ChunkMax/16
)

// Swap gives p another buffer, and returns the one that it had.
func (p *Parcel) Swap(buffer []byte) []byte {
	had := p.buffer
	p.buffer = buffer
	return had
}

// Cap returns the size of the buffer.
func (p *Parcel) Cap() int { return cap(p.buffer) }

// Parts returns an empty list, with room for n bytes in wire form where a Piece has its parts. What was in
// the buffer is lost.
func (p *Parcel) Parts(n int) Parts {
	p.grow(pieceHead + n)
	return Parts{0, p.buffer[:cap(p.buffer)][pieceHead:pieceHead], p}
}

// Part returns n bytes where a Piece has the bytes of its first part, with all room of the buffer behind them.
// Where the buffer is too short, what was in it is lost.
func (p *Parcel) Part(n int) []byte {
	p.grow(pieceHead + PartHead + n)
	return p.buffer[:cap(p.buffer)][pieceHead+PartHead:][:n]
}

func (p *Parcel) grow(n int) {
	if cap(p.buffer) < n {
		p.buffer = make([]byte, 0, max(n, parcelRoom))
	}
}

// Seal encodes m, behind its header, into the buffer of p. Parts that lie where p.Parts has put them stay there.
func (e *Encoder) Seal(p *Parcel, h *Header, m *Piece) { p.buffer = e.Append(p.buffer[:0], h, m) }

// Message returns the message that was sealed.
func (p *Parcel) Message() []byte {
	assert.That(len(p.buffer) > 0, "a parcel is sealed each time before it is sent")
	return p.buffer
}

// appendInPlace appends bytes, which may lie where they are to be already.
func appendInPlace(dst, b []byte) []byte {
	at := len(dst)
	if len(b) > 0 && cap(dst)-at >= len(b) && &dst[:at+1][at] == &b[0] {
		return dst[:at+len(b)]
	}
	return append(dst, b...)
}
