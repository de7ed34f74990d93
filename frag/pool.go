package frag

import "math/bits"

const (
	smallestClass = 7  // 128 bytes
	largestClass  = 21 // 2 MiB
)

// A pool lends buffers of a few sizes and keeps those that come back, up to keptMax bytes.
type pool struct {
	free [largestClass + 1][][]byte
	kept int
}

// classOf returns the class whose buffers hold n bytes: they are 1<<class long.
func classOf(n int) int { return max(bits.Len(uint(n-1)), smallestClass) }

// take returns n bytes, with what they happen to hold, of a buffer of at least n.
func (p *pool) take(n int) []byte {
	class := classOf(n)
	list := p.free[class]
	if len(list) == 0 {
		return make([]byte, n, 1<<class)
	}
	b := list[len(list)-1]
	p.free[class] = list[:len(list)-1]
	p.kept -= cap(b)
	return b[:n]
}

// give returns a buffer that take lent.
func (p *pool) give(b []byte) {
	if p.kept+cap(b) > keptMax {
		return
	}
	p.kept += cap(b)
	class := classOf(cap(b))
	p.free[class] = append(p.free[class], b[:0])
}
