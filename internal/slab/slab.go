// Package slab lends values that one call makes and the next may use again.
package slab

// An Of lends values of one kind, so that a hot path does not allocate. A lent value still holds the
// slices of its former life, for their memory. The zero value is ready to use.
type Of[T any] struct {
	items []*T
	used  int
}

// Take lends a value until Reset.
func (s *Of[T]) Take() *T {
	if s.used == len(s.items) {
		s.items = append(s.items, new(T))
	}
	s.used++
	return s.items[s.used-1]
}

// Lent returns how many values are lent.
func (s *Of[T]) Lent() int { return s.used }

// All returns the values that are lent.
func (s *Of[T]) All() []*T { return s.items[:s.used] }

// Reset takes back all that was lent.
func (s *Of[T]) Reset() { s.used = 0 }

// ResetTo takes back all that was lent, and the memory that all but n values hold.
func (s *Of[T]) ResetTo(n int) {
	for ; s.used > n; s.used-- {
		*s.items[s.used-1] = *new(T) // somebody may still point to it
	}
	s.used = 0
}
