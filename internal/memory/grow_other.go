//go:build !linux

package memory

// grow does nothing here.
func grow(int64) {}
