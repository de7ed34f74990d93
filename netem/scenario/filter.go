package scenario

import (
	"slices"

	"vrnode/wire"
)

// A Filter does what a Drop says: in some directions it lets Skip messages of a kind pass and loses
// the Count after them. Each datagram with such a message counts, so that one that is sent again is
// another one.
type Filter struct {
	kind              wire.Kind
	where             []Direction
	skip, count, lost int
}

// NewFilter returns a Filter that has not seen any datagram.
func NewFilter(kind wire.Kind, where []Direction, skip, count int) *Filter {
	return &Filter{kind: kind, where: slices.Clone(where), skip: skip, count: count}
}

// Loses tells whether a datagram that is sent now is lost.
func (f *Filter) Loses(d Direction, datagram []byte) bool {
	if f.Done() || !slices.Contains(f.where, d) || !holds(datagram, f.kind) {
		return false
	}
	if f.skip > 0 {
		f.skip--
		return false
	}
	f.lost++
	return true
}

// Lost returns how many have been lost.
func (f *Filter) Lost() int { return f.lost }

// Done tells whether there is nothing left to lose.
func (f *Filter) Done() bool { return f.lost == f.count }

// holds tells whether a message of a kind begins in a datagram.
func holds(datagram []byte, kind wire.Kind) bool {
	var header wire.DatagramHeader
	frames, err := wire.DecodeDatagram(datagram, &header)
	if err != nil || header.Type != wire.DatagramData {
		return false
	}
	var f wire.Frame
	for len(frames) > 0 {
		if frames, err = wire.DecodeFrame(frames, &f); err != nil {
			return false
		}
		var message []byte
		switch {
		case f.Type == wire.FrameData && f.Data.Cell == 0:
			message = f.Data.Bytes
		case f.Type == wire.FrameLatest:
			message = f.Latest.Bytes
		}
		if len(message) > 0 && wire.Kind(message[0]) == kind {
			return true
		}
	}
	return false
}
