package loop

import (
	"io"

	"vrnode/frag/udp"
	"vrnode/internal/memory"
	"vrnode/wire"
)

const (
	// aheadBuffers bounds what is read ahead of a state, in buffers of aheadBytes.
	aheadBuffers = 4
	aheadBytes   = wire.ChunkMax
	// growFirst is for how much of a state there is room at first. Then it is as much again as was read,
	// each time: what the runtime has not seen in use it gives back to the system.
	growFirst = 16 << 20
)

// An ahead reads a state in a goroutine of its own, so that getting it from the file and checking it
// goes on while somebody makes something of what was read before.
type ahead struct {
	full, free chan []byte
	lent, rest []byte
	err        error // of from; the goroutine has written it when full is closed
	// read bytes of so many were read, and the process has room for what is made of some.
	read, room, bytes int64
}

// readAhead begins to read what has so many bytes, for which the process gets room as they come.
func readAhead(from io.Reader, bytes uint64) io.ReadCloser {
	a := &ahead{bytes: int64(bytes), full: make(chan []byte, aheadBuffers), free: make(chan []byte, aheadBuffers)}
	for range aheadBuffers {
		a.free <- make([]byte, aheadBytes)
	}
	go func() {
		udp.PatientThread()
		defer close(a.full)
		for b := range a.free {
			n, err := from.Read(b)
			a.full <- b[:n]
			if err != nil {
				a.err = err
				return
			}
		}
	}()
	return a
}

// Read waits for what comes next.
func (a *ahead) Read(b []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.lent != nil {
			a.free <- a.lent[:aheadBytes]
			a.lent = nil
		}
		next, more := <-a.full
		if !more {
			return 0, a.err
		}
		a.lent, a.rest = next, next
	}
	if a.read >= a.room {
		step := min(max(a.read, growFirst), a.bytes-a.read)
		memory.Grow(step)
		a.room = a.read + max(step, growFirst)
	}
	n := copy(b, a.rest)
	a.read += int64(n)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine. Who has not read all has no use for the rest.
func (a *ahead) Close() error {
	close(a.free)
	for range a.full {
	}
	return nil
}
