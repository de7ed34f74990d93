//go:build !linux

package memory

// Grow does nothing here.
func Grow(int64) {}
