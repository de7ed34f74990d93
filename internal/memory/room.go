package memory

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// roomFirst is for how much of a state there is room at first. Then it is for roomTimes as much as was read.
	roomFirst = 16 << 20
	roomTimes = 8
	// roomLook is after how many bytes it is looked whether there is room.
	roomLook = 1 << 20
	// roomSpare is what may be allocated beyond the room before the collector is needed again.
	roomSpare = 32 << 20
)

// A Room is memory for what a process makes of a state that it reads. The process gets it in large parts, and
// its garbage collector rests meanwhile: a state is read to be kept, and to look through all of it whenever the
// heap has doubled takes both CPUs from those that have work to do. When more is allocated than there is room
// for, some of it is garbage, and the collector works as ever.
//
// A Room is not safe for concurrent use, but there may be several.
type Room struct {
	bytes, read, room int64
	look              int64  // when so much is read, it is time to look what has become of it
	allocated         uint64 // by the process, when nothing was read; without what grow has allocated
	rests             bool
}

// NewRoom is for a state of so many bytes. The collector rests until Close.
func NewRoom(bytes int64) *Room {
	collector.rest()
	return &Room{bytes: bytes, allocated: allocated(), rests: true}
}

// Read tells that so many bytes more of the state are read.
func (r *Room) Read(bytes int64) {
	if r.read += bytes; r.read < r.look {
		return
	}
	r.look = r.read + roomLook
	needed := int64(allocated() - r.allocated)
	if r.read >= r.room {
		r.grow(needed)
	}
	if needed > r.room+roomSpare {
		r.Close()
	}
}

// grow gets room for more. Who has kept little of what was read, because it keeps its state elsewhere, is
// going to need as little of it.
func (r *Room) grow(needed int64) {
	step := min(max(roomFirst, (roomTimes-1)*min(r.read, needed)), r.bytes-r.read)
	before := allocated()
	grow(step)
	r.allocated += allocated() - before
	r.room = r.read + max(step, roomFirst)
}

// Close lets the collector work again. It may be called more than once.
func (r *Room) Close() {
	if r.rests {
		r.rests = false
		collector.work()
	}
}

// collector is how the process does without its garbage collector while there is any room for a state. A limit
// that the user has set for all of the memory holds nevertheless.
var collector resting

type resting struct {
	sync.Mutex
	by      int // rooms
	percent int // as the user has set it
}

func (c *resting) rest() {
	c.Lock()
	defer c.Unlock()
	if c.by++; c.by == 1 {
		c.percent = debug.SetGCPercent(-1)
	}
}

func (c *resting) work() {
	c.Lock()
	defer c.Unlock()
	if c.by--; c.by == 0 {
		debug.SetGCPercent(c.percent)
	}
}

// allocated returns how many bytes of the heap were allocated since the start of the process.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
