package statexfer

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"vrnode/wire"
)

// An archive is what a spool holds.
type archive struct {
	spool Spool
	// slots are what is in each slot; a Length of 0 means nothing.
	slots []wire.Chunk
	// index tells the slot of a chunk.
	index map[wire.Digest]uint32
	// chunks and total are of the state that was written out: its chunks in order, and its bytes.
	chunks []wire.Chunk
	total  uint64
	// places are its blocks sorted by hash, if it is to be compared with another.
	places []place
	// old are the slots that places are in.
	old []bool
	// cuts are the blocks of the chunk in each slot, nil where they are not known.
	cuts [][]wire.Block
}

// cut notes the blocks of the chunk in a slot.
func (a *archive) cut(slot uint32, blocks []wire.Block) {
	for int(slot) >= len(a.cuts) {
		a.cuts = append(a.cuts, nil)
	}
	a.cuts[slot] = blocks
}

// A place is where a block is: slot, offset in the chunk and length in one number.
type place struct {
	hash uint64
	at   uint64
}

const (
	placeBits = 20 // of offset and length
	placeMask = 1<<placeBits - 1
)

func placeOf(hash uint64, slot uint32, offset, length int) place {
	return place{hash, uint64(slot)<<(2*placeBits) | uint64(offset)<<placeBits | uint64(length)}
}

func (p place) slot() uint32 { return uint32(p.at >> (2 * placeBits)) }
func (p place) offset() int  { return int(p.at >> placeBits & placeMask) }
func (p place) length() int  { return int(p.at & placeMask) }

var errTooLong = errors.New("statexfer: the state is longer than StateMax")

// scan finds out what is in the spool of an earlier run.
func scan(s Spool, stepBack func()) (*archive, error) {
	size, err := s.Size()
	if err != nil {
		return nil, err
	}
	a := &archive{spool: s, index: map[wire.Digest]uint32{}}
	buffer := make([]byte, ChunkMax)
	for slot := uint32(0); slot < slotsMax && slotAt(slot) < size; slot++ {
		c, ok := checkSlot(s, slot, buffer)
		if _, twice := a.index[c.Digest]; !ok || twice {
			c = wire.Chunk{}
		} else {
			a.index[c.Digest] = slot
		}
		a.slots = append(a.slots, c)
		stepBack()
	}
	return a, nil
}

// write adds a state to the archive, in slots that are free. A chunk that is there already is not
// written again.
func (a *archive) write(state io.WriterTo, stepBack func()) error {
	free := uint32(0)
	cutter := NewCutter(func(b []byte, blocks []wire.Block) error {
		if a.total += uint64(len(b)); a.total > StateMax {
			return errTooLong
		}
		c := chunkOf(b)
		slot, there := a.index[c.Digest]
		if !there {
			for int(free) < len(a.slots) && a.slots[free].Length > 0 {
				free++
			}
			if int(free) == len(a.slots) {
				a.slots = append(a.slots, wire.Chunk{})
			}
			if err := writeSlot(a.spool, free, c, b); err != nil {
				return err
			}
			slot = free
			a.slots[slot], a.index[c.Digest] = c, slot
		}
		a.chunks = append(a.chunks, c)
		a.cut(slot, slices.Clone(blocks))
		stepBack()
		return nil
	})
	if _, err := state.WriteTo(cutter); err != nil {
		return err
	}
	return cutter.Close()
}

// blocksOf returns the blocks of a chunk of the state that was written out.
func (a *archive) blocksOf(chunk int) []wire.Block {
	return a.cuts[a.index[a.chunks[chunk].Digest]]
}

// compare makes the state that was written out the one with which others are compared.
func (a *archive) compare(stepBack func()) {
	pieces := make([]cutSlot, len(a.chunks))
	for i, c := range a.chunks {
		slot := a.index[c.Digest]
		pieces[i] = cutSlot{slot, a.cuts[slot]}
	}
	a.places = placesOf(pieces, stepBack)
	a.keep(pieces)
}

// A cutSlot is a slot and the blocks of the chunk in it.
type cutSlot struct {
	slot   uint32
	blocks []wire.Block
}

// sortedOnce is for how many places or comparisons of them it takes about 0.1 ms.
const sortedOnce = 1 << 12

// placesOf makes the places of all blocks, and calls stepBack now and then.
func placesOf(state []cutSlot, stepBack func()) []place {
	n := 0
	for _, c := range state {
		n += len(c.blocks)
	}
	done := 0
	step := func() {
		if done++; done%sortedOnce == 0 {
			stepBack()
		}
	}
	places := make([]place, 0, n)
	for _, c := range state {
		offset := 0
		for _, b := range c.blocks {
			places = append(places, placeOf(b.Hash, c.slot, offset, int(b.Length)))
			offset += int(b.Length)
			step()
		}
	}
	slices.SortFunc(places, func(x, y place) int {
		step()
		return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.at, y.at))
	})
	return places
}

// keep makes the slots of a state, and no others, those that stay what they are.
func (a *archive) keep(state []cutSlot) {
	a.old = make([]bool, len(a.slots))
	for _, c := range state {
		a.old[c.slot] = true
	}
}

// isOld tells whether a slot must stay what it is, because places are in it.
func (a *archive) isOld(slot uint32) bool { return int(slot) < len(a.old) && a.old[slot] }

// find returns where a block may be. Only the digest of the chunk tells whether it is the same.
func (a *archive) find(b wire.Block) (place, bool) {
	at, found := slices.BinarySearchFunc(a.places, b.Hash, func(p place, hash uint64) int { return cmp.Compare(p.hash, hash) })
	if !found || a.places[at].length() != int(b.Length) {
		return place{}, false
	}
	return a.places[at], true
}
