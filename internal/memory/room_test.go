package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// percent returns how the collector is set.
func percent() int {
	p := debug.SetGCPercent(-1)
	debug.SetGCPercent(p)
	return p
}

// cycles returns how often the collector has run by itself.
func cycles() uint32 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.NumGC - s.NumForcedGC
}

// readState reads a state of so many bytes, of which whoever makes something allocates so many for each MiB.
func readState(r *Room, bytes, each int) (made [][]byte) {
	for range bytes >> 20 {
		for range each >> 12 {
			made = append(made, make([]byte, 1<<12))
		}
		r.Read(1 << 20)
	}
	return made
}

// TestRoom: while what is read is kept, the collector does not run, and then it is set as it was.
func TestRoom(t *testing.T) {
	before, set := cycles(), percent()
	const size = 256 << 20
	r := NewRoom(size)
	made := readState(r, size, 1<<20)
	if n := cycles() - before; n > 0 {
		t.Errorf("the collector ran %d times", n)
	}
	runtime.KeepAlive(made)
	r.Close()
	r.Close()
	if got := percent(); got != set {
		t.Errorf("the collector is set to %d, not %d", got, set)
	}
}

// TestRoomForGarbage: who allocates more than what is read is collected after.
func TestRoomForGarbage(t *testing.T) {
	set := percent()
	const size = 128 << 20
	r := NewRoom(size)
	defer r.Close()
	var most uint64
	for range size >> 20 {
		readState(r, 1<<20, 8<<20)
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		most = max(most, s.HeapAlloc)
	}
	if got := percent(); got != set {
		t.Errorf("the collector is set to %d, not %d", got, set)
	}
	if most > size+2*roomSpare {
		t.Errorf("%d bytes of garbage for a state of %d", most, size)
	}
}

// TestRooms: the collector rests until there is no room any more.
func TestRooms(t *testing.T) {
	set := percent()
	a, b := NewRoom(1<<20), NewRoom(1<<20)
	a.Close()
	if got := percent(); got != -1 {
		t.Errorf("the collector is set to %d", got)
	}
	b.Close()
	if got := percent(); got != set {
		t.Errorf("the collector is set to %d, not %d", got, set)
	}
}

// TestRoomElsewhere: who keeps nothing of what it reads gets no more room than at first.
func TestRoomElsewhere(t *testing.T) {
	if !mayPopulate() {
		t.Skip("needs MADV_POPULATE_WRITE, which Linux has since 5.14")
	}
	self := os.Getpid()
	if err := ForgetPeak(self); err != nil {
		t.Fatal(err)
	}
	before := Peak(self)
	const size = 4 << 30
	r := NewRoom(size)
	readState(r, size, 0)
	r.Close()
	if grown := Peak(self) - before; grown > 4*roomFirst {
		t.Errorf("%d bytes came for what is kept elsewhere", grown)
	}
}
