package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Role is what a target has to be.
type Role string

// The roles. They are resolved when a step is taken.
const (
	Primary     Role = "primary"
	NextPrimary Role = "next-primary" // who becomes primary if the present one fails
	OldPrimary  Role = "old-primary"  // who was primary before the present one
	AnyBackup   Role = "any-backup"   // one that runs, by the dice
	Backups     Role = "backups"
	Minority    Role = "minority" // as many backups as the group can miss
	Majority    Role = "majority" // the others, among them the primary
	Replicas    Role = "replicas"
	Clients     Role = "clients"
	All         Role = "all"
	Numbered    Role = "replica" // replica:N
)

var roles = []Role{Primary, NextPrimary, OldPrimary, AnyBackup, Backups, Minority, Majority, Replicas, Clients, All}

// A Target is whom a step or a rule is about. The zero value is nobody.
type Target struct {
	Role   Role
	Number int // of Numbered
}

func (t Target) String() string {
	if t.Role == Numbered {
		return fmt.Sprintf("%s:%d", t.Role, t.Number)
	}
	return string(t.Role)
}

// A Group is what must be known of a group to say who has which role.
type Group struct {
	Replicas, Clients int
	// Primary, NextPrimary and OldPrimary are 0 while there is none.
	Primary, NextPrimary, OldPrimary Site
	// Down holds the replicas that do not run or are paused.
	Down []Site
}

// Sites returns who is meant, in the order of their numbers. It is empty if nobody has the role.
func (t Target) Sites(g *Group, dice *rand.Rand) []Site {
	switch t.Role {
	case Primary:
		return one(g.Primary)
	case NextPrimary:
		return one(g.NextPrimary)
	case OldPrimary:
		return one(g.OldPrimary)
	case Numbered:
		return one(Site(t.Number))
	case Replicas:
		return g.sites(1, g.Replicas)
	case Clients:
		return g.sites(g.Replicas+1, g.Replicas+g.Clients)
	case All:
		return g.sites(1, g.Replicas+g.Clients)
	case Backups:
		return g.backups()
	case AnyBackup:
		running := slices.DeleteFunc(g.backups(), func(s Site) bool { return slices.Contains(g.Down, s) })
		if len(running) == 0 {
			return nil
		}
		return one(running[dice.IntN(len(running))])
	case Minority:
		return g.minority()
	case Majority:
		few := g.minority()
		return slices.DeleteFunc(g.sites(1, g.Replicas), func(s Site) bool { return slices.Contains(few, s) })
	}
	return nil
}

func one(s Site) []Site {
	if s == 0 {
		return nil
	}
	return []Site{s}
}

func (g *Group) sites(first, last int) []Site {
	var out []Site
	for s := first; s <= last; s++ {
		out = append(out, Site(s))
	}
	return out
}

func (g *Group) backups() []Site {
	return slices.DeleteFunc(g.sites(1, g.Replicas), func(s Site) bool { return s == g.Primary })
}

// minority returns the backups with the highest numbers.
func (g *Group) minority() []Site {
	backups, missed := g.backups(), (g.Replicas-1)/2
	return backups[max(len(backups)-missed, 0):]
}

// between returns the directions from one of from to one of to. Clients do not talk to clients.
func (g *Group) between(from, to []Site) []Direction {
	var out []Direction
	for _, a := range from {
		for _, b := range to {
			if a != b && (int(a) <= g.Replicas || int(b) <= g.Replicas) {
				out = append(out, Direction{a, b})
			}
		}
	}
	return out
}

// Where is a set of directions: those from From to To, and back if Both.
type Where struct {
	From, To Target
	Both     bool
}

// Directions returns the directions that are meant, each once, from lower to higher sites.
func (w Where) Directions(g *Group, dice *rand.Rand) []Direction {
	from := w.From.Sites(g, dice)
	to := w.To.Sites(g, dice)
	out := g.between(from, to)
	if w.Both {
		out = append(out, g.between(to, from)...)
	}
	return sorted(out)
}

func sorted(d []Direction) []Direction {
	slices.SortFunc(d, func(a, b Direction) int {
		if a.From != b.From {
			return int(a.From - b.From)
		}
		return int(a.To - b.To)
	})
	return slices.Compact(d)
}

func (w Where) String() string {
	if w.Both && w.To.Role == All {
		return fmt.Sprintf("to and from %v", w.From)
	}
	return fmt.Sprintf("from %v to %v", w.From, w.To)
}
