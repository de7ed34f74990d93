package statexfer

import "sync"

// A locked is a spool that several threads may use at a time, as they may a file.
type locked struct {
	mu sync.Mutex
	Memory
}

func newLocked() *locked { return &locked{} }

func (l *locked) ReadAt(b []byte, at int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Memory.ReadAt(b, at)
}

func (l *locked) WriteAt(b []byte, at int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Memory.WriteAt(b, at)
}
