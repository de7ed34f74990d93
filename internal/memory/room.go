package memory

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

const (
	// roomFirst is the room that there is at first. Then there is room for roomTimes as much as was needed before,
	// if that is worth it.
	roomFirst = 16 << 20
	roomTimes = 4
	// roomLook is after how many bytes of a state it is looked whether there is room.
	roomLook = 1 << 20
	// restPercent is what the collector is set to meanwhile (GOGC): it may run when there is five times as much as
	// it has left. That is more than there is room for, and a bound for what nobody looks at.
	restPercent = 100 * roomTimes
)

// A Room is memory for what a process makes of a state that it reads. The process gets it in large parts, and
// its garbage collector runs with each of them and hardly ever between: a state is read to be kept, and to look
// through all of it whenever the heap has doubled takes both CPUs from those that have work to do.
//
// When it turns out that most of what was allocated is garbage, that is over, and the collector works as ever.
// So it does from the beginning in a process for whose memory its user has set a limit (GOMEMLIMIT): of that the
// collector takes care, who should not be disturbed by room that nobody needs yet. A Room is not safe for
// concurrent use, but there may be several.
type Room struct {
	bytes, read int64
	look        int64  // when so much is read, it is time to look
	first, from uint64 // what was allocated before the first part of the room came, and before this one
	live        uint64 // bytes in use when the first part came
	part        uint64 // this part of the room
	open        bool
	stepBack    func()
}

// NewRoom is for a state of so many bytes. It is over when all of them are read, and nothing for a small one. While
// the process gets memory, stepBack is called after each 0.1 ms or so, for others who need the CPU.
func NewRoom(bytes int64, stepBack func()) *Room {
	r := &Room{bytes: bytes, stepBack: stepBack, open: bytes >= roomFirst && debug.SetMemoryLimit(-1) == math.MaxInt64}
	if r.open {
		collector.rest()
		r.grow(roomFirst)
		r.first, r.live = r.from, gauge("/gc/heap/live:bytes")
	}
	return r
}

// Read tells that so many bytes more of the state are read.
func (r *Room) Read(bytes int64) {
	r.read += bytes
	switch {
	case !r.open || r.read < r.look:
		return
	case r.read >= r.bytes:
		r.Close()
	case allocated()-r.from >= r.part:
		r.more()
	}
	r.look = r.read + roomLook
}

// more makes room for the rest, but not for much more than was needed up to now, which may not be kept.
func (r *Room) more() {
	needed := allocated() - r.first
	rest := float64(needed) * float64(r.bytes-r.read) / float64(r.read)
	if rest < roomFirst {
		r.Close()
		return
	}
	r.grow(uint64(min(float64(needed)*(roomTimes-1), rest)))
	if gauge("/gc/heap/live:bytes") < r.live+needed/2 {
		r.Close()
	}
}

func (r *Room) grow(part uint64) {
	collector.once(func() { grow(int64(part), r.stepBack) })
	r.part, r.from = part, allocated()
}

// Close has the collector work as ever. It may be called more than once.
func (r *Room) Close() {
	if r.open {
		r.open = false
		collector.work()
	}
}

// collector is how the garbage collector of the process is set while there is any Room. What the program sets
// meanwhile is over when the last one is closed.
var collector resting

type resting struct {
	sync.Mutex
	by      int // rooms
	percent int // as it was set before the first of them
}

func (c *resting) rest() {
	c.Lock()
	defer c.Unlock()
	if c.by++; c.by > 1 {
		return
	}
	c.percent = debug.SetGCPercent(restPercent)
	if c.percent < 0 || c.percent > restPercent {
		debug.SetGCPercent(c.percent) // it rests already
	}
}

// once does what ends with a run of the collector, and has it not run before.
func (c *resting) once(do func()) {
	c.Lock()
	defer c.Unlock()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	do()
}

func (c *resting) work() {
	c.Lock()
	defer c.Unlock()
	if c.by--; c.by == 0 {
		debug.SetGCPercent(c.percent)
	}
}

// grown is what grow has allocated, which nobody needed.
var grown atomic.Uint64

// allocated returns how many bytes of the heap were allocated since the start of the process, but for those.
func allocated() uint64 { return gauge("/gc/heap/allocs:bytes") - grown.Load() }

func gauge(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
