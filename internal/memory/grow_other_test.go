//go:build !linux

package memory

func mayPopulate() bool { return false }
