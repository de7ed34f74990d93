package memory

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// percent returns how the collector is set.
func percent() int { return int(gauge("/gc/gogc:percent")) }

// cycles returns how often the collector has run.
func cycles() uint64 { return gauge("/gc/cycles/total:gc-cycles") }

// makeOf reads a state of so many MiB. Of each it allocates so many bytes, and keeps one of so many.
func makeOf(r *Room, mibs, each, keep int) (made [][]byte) {
	for range mibs {
		for i := range each >> 12 {
			if b := make([]byte, 1<<12); i%keep == 0 {
				made = append(made, b)
			}
		}
		r.Read(1 << 20)
	}
	return made
}

// grownBy returns how much more memory the heap has had meanwhile.
func grownBy(do func()) int64 {
	debug.FreeOSMemory()
	before := heap()
	do()
	return heap() - before
}

func heap() int64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapSys - s.HeapReleased)
}

// TestRoom: while what is read is kept, the collector runs only when there is four times as much to keep, which
// takes no more memory than that. Then it is set as it was.
func TestRoom(t *testing.T) {
	const mibs = 600
	set, before := percent(), uint64(0)
	var first, made [][]byte
	var r *Room
	took := grownBy(func() {
		r = NewRoom(mibs<<20, func() {})
		first = makeOf(r, 32, 1<<20, 1) // it may run more often when there is hardly anything
		before = cycles()
		made = makeOf(r, mibs-64, 1<<20, 1)
	})
	if n := cycles() - before; n > 3 { // for 256 and 600 MiB, and once by itself
		t.Errorf("the collector ran %d times", n)
	}
	if took > (mibs+64)<<20 {
		t.Errorf("%d bytes of memory", took)
	}
	if got := percent(); got != restPercent {
		t.Errorf("before the end the collector is set to %d", got)
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(made)
	makeOf(r, 34, 1<<20, 1)
	if got := percent(); got != set {
		t.Errorf("when all is read the collector is set to %d, not %d", got, set)
	}
	r.Close()
	if got := percent(); got != set {
		t.Errorf("in the end the collector is set to %d, not %d", got, set)
	}
}

// TestRoomEnds: for a little more than there is room for the collector does not run at once, and when all is read
// it works as ever.
func TestRoomEnds(t *testing.T) {
	set := percent()
	r := NewRoom(24<<20, func() {})
	before := cycles()
	made := makeOf(r, 20, 1<<20, 1)
	if n, got := cycles()-before, percent(); n > 1 || got != set {
		t.Errorf("the collector ran %d times, is set to %d", n, got)
	}
	r.Close()
	runtime.KeepAlive(made)
	r = NewRoom(24<<20, func() {})
	makeOf(r, 24, 0, 1)
	if got := percent(); got != set {
		t.Errorf("when all is read the collector is set to %d", got)
	}
}

// TestRoomForGarbage: for who keeps little of what it allocates there is little room, and the collector works
// as ever.
func TestRoomForGarbage(t *testing.T) {
	set, before := percent(), grown.Load()
	const mibs = 2048
	r := NewRoom(mibs<<20, func() {})
	defer r.Close()
	for range mibs {
		makeOf(r, 1, 1<<20, 1<<20)
	}
	if got := percent(); got != set {
		t.Errorf("the collector is set to %d, not %d", got, set)
	}
	// How much the heap has grown is also a matter of how soon the collector gets a CPU.
	if took := grown.Load() - before; took > 128<<20 {
		t.Errorf("%d bytes came for garbage", took)
	}
}

// TestRoomElsewhere: who keeps its state elsewhere gets no more room than at first, and the collector does not
// run for it.
func TestRoomElsewhere(t *testing.T) {
	const mibs = 4096
	before := uint64(0)
	took := grownBy(func() {
		r := NewRoom(mibs<<20, func() {})
		before = cycles()
		makeOf(r, mibs, 0, 1)
	})
	if n := cycles() - before; n > 0 {
		t.Errorf("the collector ran %d times", n)
	}
	if took > 3*roomFirst {
		t.Errorf("%d bytes came for what is kept elsewhere", took)
	}
}

// TestRoomUnwatched: garbage that nobody looks at is bounded as well.
func TestRoomUnwatched(t *testing.T) {
	r := NewRoom(1<<30, func() {})
	defer r.Close()
	took := grownBy(func() {
		for range 1 << 10 {
			_ = append([]byte(nil), make([]byte, 1<<20)...)
		}
	})
	if took > 512<<20 {
		t.Errorf("%d bytes", took)
	}
}

// TestRooms: the collector rests until there is no room any more, and what the one has got the other does not
// think is needed.
func TestRooms(t *testing.T) {
	set := percent()
	a := NewRoom(1<<30, func() {})
	needed := allocated() - a.first
	b := NewRoom(1<<30, func() {})
	if more := allocated() - a.first - needed; more > roomFirst/2 {
		t.Errorf("%d bytes are needed, the other one thinks", more)
	}
	a.Close()
	a.Close()
	if got := percent(); got != restPercent {
		t.Errorf("the collector is set to %d", got)
	}
	b.Close()
	if got := percent(); got != set {
		t.Errorf("the collector is set to %d, not %d", got, set)
	}
}

// TestRoomWithLimits: who has set a limit, or that the collector rests, knows better.
func TestRoomWithLimits(t *testing.T) {
	const limit = 1 << 30
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	set := percent()
	before := cycles()
	r := NewRoom(4<<30, func() {})
	if n := cycles() - before; n > 0 || percent() != set || debug.SetMemoryLimit(-1) != limit {
		t.Errorf("the collector ran %d times, is set to %d", n, percent())
	}
	r.Read(4 << 30)
	r.Close()
	debug.SetMemoryLimit(1<<63 - 1)
	for _, lazy := range []int{-1, restPercent + 1} {
		func() {
			defer debug.SetGCPercent(debug.SetGCPercent(lazy))
			r := NewRoom(roomFirst, func() {})
			if got := percent(); got != lazy {
				t.Errorf("the collector was set to %d and is to %d", lazy, got)
			}
			r.Close()
			if got := percent(); got != lazy {
				t.Errorf("the collector was set to %d and is to %d in the end", lazy, got)
			}
		}()
	}
}
