package loop

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"vrnode/internal/stack"
	"vrnode/wire"
)

// spools are the files in which states are while they are moved.
type spools struct {
	dir  string // "" for the directory of temporary files
	self wire.Peer

	mu     sync.Mutex
	open   map[*spool]bool
	closed bool
}

// A spool is one file. Its name is gone as soon as it is open, where that is possible, so that nothing
// is left of it whatever happens; but for what a target fetches into a directory of its own, which the
// next run finds.
type spool struct {
	*os.File
	of   *spools
	path string // "" if it has no name any more
}

// source opens an empty file.
func (s *spools) source() (stack.Spool, error) {
	f, err := os.CreateTemp(s.dir, "vrnode-*.spool")
	if err != nil {
		return nil, err
	}
	path := f.Name()
	if os.Remove(path) == nil {
		path = ""
	}
	return s.opened(f, path)
}

// target opens the file of the last run in that group, if there is a directory for it. Replicas of other
// groups may have the same directory. A program outside the group has no last run.
func (s *spools) target(group wire.ClusterID) (stack.Spool, error) {
	if s.dir == "" || s.self.IsClient() {
		return s.source()
	}
	path := filepath.Join(s.dir, fmt.Sprintf("vrnode-%v-%v.spool", group, s.self))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return s.opened(f, path)
}

func (s *spools) opened(f *os.File, path string) (stack.Spool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &spool{f, s, path}
	if s.closed {
		x.abandon()
		return nil, ErrClosed
	}
	if s.open == nil {
		s.open = map[*spool]bool{}
	}
	s.open[x] = true
	return x, nil
}

// close ends the use of all files, also by a job that runs.
func (s *spools) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for x := range s.open {
		x.abandon()
	}
	clear(s.open)
}

// abandon closes the file, and leaves what is in it to the next run if that will look for it.
func (x *spool) abandon() {
	_ = x.File.Close()
	if x.path != "" && x.of.dir == "" {
		_ = os.Remove(x.path)
	}
}

// Size returns how long the file is.
func (x *spool) Size() (int64, error) {
	info, err := x.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close removes the file.
func (x *spool) Close() error {
	x.of.mu.Lock()
	delete(x.of.open, x)
	x.of.mu.Unlock()
	err := x.File.Close()
	if x.path != "" {
		if removed := os.Remove(x.path); err == nil {
			err = removed
		}
	}
	return err
}
