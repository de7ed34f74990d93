package frag

import "math/bits"

const (
	smallestClass = 7
	largestClass  = 21
)

// A pool lends buffers of a few sizes and keeps those that come back, up to keptMax bytes.
type pool struct {
	free [largestClass + 1][][]byte
	kept int
}

// classSize returns the length of the buffers of a class: a power of two, and a sixteenth more for
// the trailer and the bitmaps of a message whose own length is a power of two.
func classSize(class int) int { return 1<<class + 1<<(class-4) }

// classOf returns the class whose buffers hold n bytes.
func classOf(n int) int {
	class := max(bits.Len(uint(n))-1, smallestClass)
	if n > classSize(class) {
		class++
	}
	return class
}

// take returns n bytes, with what they happen to hold, of a buffer of at least n.
func (p *pool) take(n int) []byte {
	class := classOf(n)
	list := p.free[class]
	if len(list) == 0 {
		return make([]byte, n, classSize(class))
	}
	b := list[len(list)-1]
	p.free[class] = list[:len(list)-1]
	p.kept -= cap(b)
	return b[:n]
}

// isClass tells whether buffers of a class have that size.
func isClass(size int) bool {
	return size <= classSize(largestClass) && size == classSize(classOf(size))
}

// give returns a buffer that take lent, or another one in its place, which is kept if it is of use.
func (p *pool) give(b []byte) {
	if p.kept+cap(b) > keptMax || !isClass(cap(b)) {
		return
	}
	p.kept += cap(b)
	class := classOf(cap(b))
	p.free[class] = append(p.free[class], b[:0])
}
