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

// addRun puts n numbers from first on in the set and returns how many were not there.
func (m bitmap) addRun(first, n int) (added int) {
	for at, end := first, first+n; at < end; at = (at>>3 + 1) << 3 {
		mask := maskOf(at, end)
		added += bits.OnesCount8(mask &^ m[at>>3])
		m[at>>3] |= mask
	}
	return added
}

// removeRun takes n numbers from first on out of the set and returns how many were there.
func (m bitmap) removeRun(first, n int) (removed int) {
	for at, end := first, first+n; at < end; at = (at>>3 + 1) << 3 {
		mask := maskOf(at, end)
		removed += bits.OnesCount8(mask & m[at>>3])
		m[at>>3] &^= mask
	}
	return removed
}

// maskOf returns the bits of the numbers from at to before end that share a byte with at.
func maskOf(at, end int) byte {
	return 0xff << (at & 7) & (0xff >> max((at>>3+1)<<3-end, 0))
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
