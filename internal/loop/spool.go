package loop

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"vrnode/frag/udp"
	"vrnode/internal/stack"
	"vrnode/wire"
)

// spools are the files in which states are while they are moved.
type spools struct {
	dir  string // "" for the directory of temporary files
	self wire.Peer
	// toDisk has the kernel begin to write bytes of a file to the disk. It may take as long as the disk does.
	// nearlyFull tells whether it will soon do so by itself, because much waits for that.
	toDisk     func(f *os.File, from, bytes int64)
	nearlyFull func() bool

	mu     sync.Mutex
	open   map[*spool]bool
	closed bool
}

// A spool is one file. Its name is gone as soon as it is open, where that is possible, so that nothing
// is left of it whatever happens; but for what a target fetches into a directory of its own, which the
// next run finds.
type spool struct {
	*os.File
	of       *spools
	path     string       // "" if it has no name any more
	reserved atomic.Int64 // bytes from the beginning
	// early tells up to where the file should go to the disk by now. It is asked after each every bytes, last when the
	// file went up to asked, and the kernel was told of what is in front of told. busy: it is being told of more.
	early func(told, end int64) int64
	every int64
	asked atomic.Int64
	told  int64 // of whoever has set busy
	busy  atomic.Bool
}

const (
	// reserveFirst is for how much of a file room on the disk is reserved at first, ahead of what is written.
	// Then it is as much again as there is already, up to reserveMost.
	reserveFirst = 1 << 20
	reserveMost  = 64 << 20
	// earlyStep is how much of a file goes to the disk at a time. It has a processor for itself as long as it takes,
	// since not all kernels interrupt themselves. A target looks after each targetEvery bytes whether that must be.
	earlyStep   = 1 << 20
	targetEvery = 16 << 20
)

// source opens an empty file for a state that is written out. It goes to the disk at once. By itself a kernel
// begins with that when a tenth of the memory waits for it, which with a large state is when a target fetches
// it, and all processors have enough to do.
func (s *spools) source() (stack.Spool, error) {
	return s.temporary(&spool{every: earlyStep, early: func(_, end int64) int64 { return end }})
}

// fetched is a file of a target, which goes to the disk as fast as it grows when the kernel is about to begin.
func (s *spools) fetched() *spool {
	return &spool{every: targetEvery, early: func(told, _ int64) int64 {
		if s.nearlyFull() {
			return told + targetEvery // as much is written, and more if it was not full before
		}
		return told
	}}
}

// tail opens an empty file for what follows a state that is fetched, and is treated likewise.
func (s *spools) tail() (stack.Spool, error) { return s.temporary(s.fetched()) }

func (s *spools) temporary(x *spool) (stack.Spool, error) {
	f, err := os.CreateTemp(s.dir, "vrnode-*.spool")
	if err != nil {
		return nil, err
	}
	path := f.Name()
	if os.Remove(path) == nil {
		path = ""
	}
	return s.opened(x, f, path)
}

// target opens the file of the last run in that group, if there is a directory for it. Replicas of other
// groups may have the same directory. A program outside the group has no last run. What is fetched stays in memory
// while there is room, because writing it to the disk would take from the fetching; but then it goes bit by bit, and
// not as fast as the kernel can.
func (s *spools) target(group wire.ClusterID) (stack.Spool, error) {
	if s.dir == "" || s.self.IsClient() {
		return s.temporary(s.fetched())
	}
	path := filepath.Join(s.dir, fmt.Sprintf("vrnode-%v-%v.spool", group, s.self))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return s.opened(s.fetched(), f, path)
}

func (s *spools) opened(x *spool, f *os.File, path string) (stack.Spool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.File, x.of, x.path = f, s, path
	if s.closed {
		x.abandon()
		return nil, ErrClosed
	}
	if s.open == nil {
		s.open = map[*spool]bool{}
	}
	s.open[x] = true
	if size, err := x.Size(); err == nil { // what the last run has fetched is left to the kernel
		x.asked.Store(size)
		x.told = size
	}
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

// WriteAt is io.WriterAt. It is cheaper where room is reserved, because the kernel then looks for a place on
// the disk for all of it at once, and not for each page. Where none can be reserved, the write itself shows
// whether there is any.
func (x *spool) WriteAt(b []byte, at int64) (int, error) {
	if from, end := x.reserved.Load(), at+int64(len(b)); end > from {
		to := max(end, from+min(max(from, reserveFirst), reserveMost))
		reserve(x.File, from, to-from)
		x.reserved.Store(to)
	}
	n, err := x.File.WriteAt(b, at)
	x.leave(at + int64(n))
	return n, err
}

// leave sees to it that the kernel begins in time to write the file to the disk, which goes up to end now. While it
// is busy with that, it is not told of more. The file may be closed meanwhile, which is not waited for.
func (x *spool) leave(end int64) {
	if end-x.asked.Load() < x.every || !x.busy.CompareAndSwap(false, true) {
		return
	}
	x.asked.Store(end)
	go func() {
		// In no thread of its own, which would get a CPU soon and end after each part: nobody waits for this, nor for
		// the answer whether it must be.
		c := udp.Courtesy{Share: longShare}
		from := x.told
		to := x.early(from, end)
		for ; from < to; from += earlyStep {
			x.of.toDisk(x.File, from, min(earlyStep, to-from))
			c.StepBack()
		}
		x.told = to
		x.busy.Store(false)
	}()
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
