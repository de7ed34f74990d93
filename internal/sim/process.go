package sim

import (
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// A process is one run of a program at a site. What it knows is lost when it ends. Its clock shows
// 0 when it begins.
type process interface {
	// step takes one packet that came from the address of a site.
	step(now time.Duration, from int, packet []byte, out *output)
	tick(now time.Duration, out *output)
	deadline() time.Duration
	// submit gives a command to the client in the process; false if there is none or it is full.
	submit(now time.Duration, command []byte) (wire.RequestNumber, bool)
	// replica returns the replica in the process and its state machine, or nil.
	replica() (*vr.Replica, *machine)
}

// output is what a step of a process did. It is valid until reset.
type output struct {
	packets []outgoing
	sent    []wire.Envelope
	events  []vr.Event
	results []vr.Result
}

// An operating process forms a group: it lists its members, and later all of them have joined.
type operating interface {
	formed() (listed []wire.Member, done bool)
}

type outgoing struct {
	to    int // an address
	bytes []byte
}

func (o *output) reset() { *o = output{packets: o.packets[:0]} }
