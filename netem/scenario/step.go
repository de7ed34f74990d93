package scenario

import (
	"fmt"
	"math/rand/v2"
	"time"

	"vrnode/wire"
)

// A Step is one thing that happens during the run. Steps are taken in order, each when it is due
// and the one before it has been taken.
type Step struct {
	When   When
	Action Action
	// For is how long it lasts. 0: until a Heal, or the end.
	For  time.Duration
	Line int
}

// When is At after the start, or Plus after the first Event since the step before was taken.
type When struct {
	At    time.Duration
	After Event
	Plus  time.Duration
}

func (w When) String() string {
	switch {
	case w.After == "":
		return "at " + w.At.String()
	case w.Plus == 0:
		return "after " + string(w.After)
	}
	return fmt.Sprintf("%v after %s", w.Plus, w.After)
}

// Event is what a step or an expectation waits for.
type Event string

// The events. The first four are what replicas report, the others what steps do: Restarted is the
// end of a crash, Healed that of anything else, by its For or by a Heal.
const (
	ViewChangeStarted Event = "view-change-started"
	ViewStarted       Event = "view-started"
	Recovered         Event = "recovered"
	NeedsState        Event = "needs-state"
	Crashed           Event = "crash"
	Restarted         Event = "restart"
	Healed            Event = "heal"
)

var events = []Event{ViewChangeStarted, ViewStarted, Recovered, NeedsState, Crashed, Restarted, Healed}

// An Action is what a step does: *Crash, *Pause, *Partition, *Change, *Drop,
// *Rekey, *Rebind or *Heal.
type Action interface{ String() string }

// Crash ends processes at once, and with them their memory.
type Crash struct {
	Target Target
	// RestartAfter is how long they are gone; 0: until a Heal, or the end.
	RestartAfter time.Duration
}

// Pause stops processes. They keep their memory, and their clocks go on.
type Pause struct{ Target Target }

// Rekey gives replicas the next keys: the first time a new key beside the one that the group began
// with, the second time the new one alone. A scenario with such a step is one of a group with keys,
// in which the clients have both from the beginning.
type Rekey struct{ Target Target }

// Rebind gives sites other ports, as a NAT in front of each does that has forgotten its table: what
// they send comes from a port that nobody has seen, and what is sent to the port of before is lost.
// The configured port of a replica stays open beside it, by a standing rule of the NAT, without
// which nobody could have found the replica. In the end all is as it was, and the other port is gone.
type Rebind struct{ Target Target }

// Change gives links another impairment on top of the present one.
type Change struct {
	Where      Where
	Impairment Impairment
}

// Drop loses messages of a kind: it lets Skip of them pass and loses the Count after them. If a
// datagram holds other messages, they are lost with it.
type Drop struct {
	Message     wire.Kind
	Where       Where
	Skip, Count int
}

// Heal undoes what all steps before have done: links and processes are as at the beginning, and
// those who are down start.
type Heal struct{}

func (c *Crash) String() string {
	if c.RestartAfter > 0 {
		return fmt.Sprintf("crash %v, restart after %v", c.Target, c.RestartAfter)
	}
	return fmt.Sprintf("crash %v", c.Target)
}

func (p *Pause) String() string  { return fmt.Sprintf("pause %v", p.Target) }
func (k *Rekey) String() string  { return fmt.Sprintf("next keys for %v", k.Target) }
func (b *Rebind) String() string { return fmt.Sprintf("other ports for %v", b.Target) }
func (c *Change) String() string { return fmt.Sprintf("links %v: %v", c.Where, &c.Impairment) }
func (*Heal) String() string     { return "heal all" }

func (d *Drop) String() string {
	return fmt.Sprintf("lose %d %v %v after %d of them", d.Count, d.Message, d.Where, d.Skip)
}

// Shape is the form of a partition.
type Shape string

// The shapes of partitions. They cut links between replicas; clients still reach every replica,
// except where a one-way partition names them.
const (
	// Full: Target on one side, the other replicas on the other.
	Full Shape = "full"
	// OneWay: nothing gets from Where.From to Where.To.
	OneWay Shape = "one-way"
	// Bridge: Target, one replica, reaches all; the others are two halves that do not reach each
	// other.
	Bridge Shape = "bridge"
	// Ring: each replica reaches the two next to it only.
	Ring Shape = "ring"
)

var shapes = []Shape{Full, OneWay, Bridge, Ring}

// Partition cuts links.
type Partition struct {
	Shape  Shape
	Target Target // of Full and Bridge
	Where  Where  // of OneWay
}

func (p *Partition) String() string {
	switch p.Shape {
	case OneWay:
		return fmt.Sprintf("one-way partition %v", p.Where)
	case Ring:
		return "ring partition"
	}
	return fmt.Sprintf("%s partition, %v", p.Shape, p.Target)
}

// Cuts returns the directions that nothing gets through.
func (p *Partition) Cuts(g *Group, dice *rand.Rand) []Direction {
	replicas := g.sites(1, g.Replicas)
	side := make(map[Site]int) // sites on different sides do not reach each other
	switch p.Shape {
	case OneWay:
		return p.Where.Directions(g, dice)
	case Full:
		for _, s := range p.Target.Sites(g, dice) {
			side[s] = 1
		}
	case Bridge:
		const middle = 2
		half := 0
		for _, s := range p.Target.Sites(g, dice) {
			side[s] = middle
		}
		for _, s := range replicas {
			if side[s] != middle {
				side[s], half = half, 1-half
			}
		}
		return cuts(g, replicas, func(a, b Site) bool {
			return side[a] != side[b] && side[a] != middle && side[b] != middle
		})
	case Ring:
		return cuts(g, replicas, func(a, b Site) bool {
			apart := max(a-b, b-a)
			return apart > 1 && int(apart) < g.Replicas-1
		})
	}
	return cuts(g, replicas, func(a, b Site) bool { return side[a] != side[b] })
}

func cuts(g *Group, replicas []Site, cut func(a, b Site) bool) []Direction {
	var out []Direction
	for _, d := range g.between(replicas, replicas) {
		if cut(d.From, d.To) {
			out = append(out, d)
		}
	}
	return out
}
