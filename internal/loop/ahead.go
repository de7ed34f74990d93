package loop

import (
	"io"

	"vrnode/internal/memory"
	"vrnode/wire"
)

const (
	// aheadBuffers bounds what is read ahead of a state, in buffers of aheadBytes.
	aheadBuffers = 4
	aheadBytes   = wire.ChunkMax
)

// An ahead reads a state in a goroutine of its own, so that getting it from the file and checking it
// goes on while somebody makes something of what was read before.
type ahead struct {
	full, free chan []byte
	lent, rest []byte
	err        error // of from; the goroutine has written it when full is closed
	room       *memory.Room
	stepBack   func()
}

// readAhead begins to read what has so many bytes, for which the process gets room as they are read. Who reads
// them steps back after each buffer.
func readAhead(from io.Reader, bytes uint64, stepBack func()) io.ReadCloser {
	a := &ahead{
		full: make(chan []byte, aheadBuffers), free: make(chan []byte, aheadBuffers),
		room: memory.NewRoom(int64(bytes), stepBack), stepBack: stepBack,
	}
	for range aheadBuffers {
		a.free <- make([]byte, aheadBytes)
	}
	go func() {
		yield := ownThread(longShare)
		defer close(a.full)
		for b := range a.free {
			n, err := from.Read(b)
			a.full <- b[:n]
			yield()
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
		a.stepBack()
	}
	n := copy(b, a.rest)
	a.room.Read(int64(n))
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine. Who has not read all has no use for the rest.
func (a *ahead) Close() error {
	close(a.free)
	for range a.full {
	}
	a.room.Close()
	return nil
}
