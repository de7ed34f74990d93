package frag

import "math/bits"

// A bitmap is a set of small numbers, in memory that comes with a message's buffer.
type bitmap []byte

func bitmapSize(n int) int { return (n + 7) / 8 }

func (m bitmap) has(i int) bool { return m[i>>3]&(1<<(i&7)) != 0 }

// add puts i in the set and tells whether it was not there.
func (m bitmap) add(i int) bool {
	fresh := !m.has(i)
	m[i>>3] |= 1 << (i & 7)
	return fresh
}

// remove takes i out of the set and tells whether it was there.
func (m bitmap) remove(i int) bool {
	had := m.has(i)
	m[i>>3] &^= 1 << (i & 7)
	return had
}

// next returns the least number in the set that is not below i, or -1.
func (m bitmap) next(i int) int {
	for at := i >> 3; at < len(m); at++ {
		b := m[at]
		if at == i>>3 {
			b &= 0xff << (i & 7)
		}
		if b != 0 {
			return at<<3 + bits.TrailingZeros8(b)
		}
	}
	return -1
}
