package scenario

import (
	"math/rand/v2"
	"slices"

	"vrnode/netem/link"
)

// A Network says what the link of every direction does while steps come and go. Faults may
// overlap: each is on top of those that began before it, and when one ends, the others stay.
type Network struct {
	links  map[Direction]link.Settings // at the beginning
	order  []Direction
	faults []fault
	next   FaultID
}

// FaultID names a fault of a Network. 0 is none.
type FaultID int

type fault struct {
	id         FaultID
	directions []Direction
	impairment Impairment
}

// A Changed link is one direction and what it does from now on.
type Changed struct {
	Direction
	Settings link.Settings
}

// NewNetwork returns the network of a scenario at the beginning, when g says who has which role.
func (s *Scenario) NewNetwork(g *Group, dice *rand.Rand) *Network {
	n := &Network{links: s.Links(g, dice), next: 1}
	for d := range n.links {
		n.order = append(n.order, d)
	}
	n.order = sorted(n.order)
	return n
}

// All returns every direction and what it does, in order.
func (n *Network) All() []Changed { return n.settings(n.order) }

// Begin takes the action of a step, if it is one about links: a *Change or a *Partition. It
// returns the fault, to be ended some time, and the links that it changes.
func (n *Network) Begin(a Action, g *Group, dice *rand.Rand) (FaultID, []Changed) {
	f := fault{id: n.next}
	switch a := a.(type) {
	case *Change:
		f.directions, f.impairment = a.Where.Directions(g, dice), a.Impairment
	case *Partition:
		down := true
		f.directions, f.impairment = a.Cuts(g, dice), Impairment{Down: &down}
	default:
		return 0, nil
	}
	n.next++
	n.faults = append(n.faults, f)
	return f.id, n.settings(f.directions)
}

// End ends a fault and returns the links that it had changed, or nothing if it has ended before.
func (n *Network) End(id FaultID) []Changed {
	i := slices.IndexFunc(n.faults, func(f fault) bool { return f.id == id })
	if i < 0 {
		return nil
	}
	directions := n.faults[i].directions
	n.faults = slices.Delete(n.faults, i, i+1)
	return n.settings(directions)
}

// Heal ends all faults and returns the links that they had changed.
func (n *Network) Heal() []Changed {
	var directions []Direction
	for _, f := range n.faults {
		directions = append(directions, f.directions...)
	}
	n.faults = nil
	return n.settings(sorted(directions))
}

func (n *Network) settings(directions []Direction) []Changed {
	out := make([]Changed, len(directions))
	for i, d := range directions {
		s := n.links[d]
		for _, f := range n.faults {
			if slices.Contains(f.directions, d) {
				f.impairment.Apply(&s)
			}
		}
		out[i] = Changed{d, s}
	}
	return out
}
