package scenario

import (
	"fmt"
	"math/rand/v2"
	"time"

	"vrnode/netem/link"
)

// A Scenario is one experiment. Parse makes it; it is not changed afterwards.
type Scenario struct {
	File       string
	Name       string
	Hypothesis string
	// Seed is what every random choice derives from.
	Seed     uint64
	Replicas int
	// State is how many bytes the service holds at time 0, beside the number that clients add to; 0:
	// none. The logs are as short as they can be then, and have forgotten what made that: who has no
	// memory needs the state of the others.
	State    int64
	Workload Workload
	Profile  string
	// Base is what every link does: the profile, and what the matrix sets.
	Base link.Settings
	// Rules change some links from the beginning, one after the other.
	Rules  []Rule
	Steps  []Step
	Expect []Expectation
	// Matrix are the axes along which the scenario varies, in the order of the file.
	Matrix []Axis
}

// Workload is what the clients do from the start of the run, time 0 of the steps: each adds to an
// accumulator or reads it, one operation after the other.
type Workload struct {
	Clients int
	// Rate is how many operations per second all clients together begin; 0: each begins the next
	// when it has the answer to the one before.
	Rate int
	// Reads is the share of operations that read.
	Reads    float64
	Duration time.Duration
}

// A Rule gives some links another impairment.
type Rule struct {
	Where      Where
	Impairment Impairment
	Line       int
}

// Bounds. A file that asks for more is refused.
const (
	// FileMax bounds a file, in bytes, and nameMax the name in it.
	FileMax = 1 << 20
	nameMax = 64
	// ReplicasMax is the most that a group has.
	ReplicasMax = 9
	ClientsMax  = 64
	RateMax     = 1_000_000
	// DurationMax bounds a run, and everything in it that takes time.
	DurationMax = 10 * time.Minute
	RulesMax    = 64
	// LogMemory is the least that a log may have, which remembers less than StateMin. StateMax is what
	// small machines have room for.
	LogMemory = 4 << 20
	StateMin  = LogMemory
	StateMax  = 64 << 20
	StepsMax  = 256
	// CellsMax bounds the cells of a matrix.
	CellsMax = 1000
)

// A Site is one end of links: replica n is site n, and the clients follow.
type Site int

// A Direction is one way of the link between two sites.
type Direction struct{ From, To Site }

// Dice returns a source of choices for one purpose, the same in every run.
func (s *Scenario) Dice(purpose string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(purpose) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s.Seed, h))
}

// Serve returns the flags of vrnode serve that the replicas of the scenario need, beside those that say
// who they are.
func (s *Scenario) Serve() []string {
	if s.State == 0 {
		return nil
	}
	return []string{"--machine", "kv", "--log-memory", fmt.Sprintf("%dMiB", LogMemory>>20)}
}

// Sites returns the number of sites.
func (s *Scenario) Sites() int { return s.Replicas + s.Workload.Clients }

// Links returns what the link of every direction does at the beginning, when g says who has which
// role. Clients have no links to one another: of those the result says nothing.
func (s *Scenario) Links(g *Group, dice *rand.Rand) map[Direction]link.Settings {
	links := make(map[Direction]link.Settings)
	for _, d := range g.between(Target{Role: All}.Sites(g, dice), Target{Role: All}.Sites(g, dice)) {
		links[d] = s.Base
	}
	for _, r := range s.Rules {
		for _, d := range r.Where.Directions(g, dice) {
			settings := links[d]
			r.Impairment.Apply(&settings)
			links[d] = settings
		}
	}
	return links
}

// Everywhere returns what all links do at the beginning, if none does something else.
func (s *Scenario) Everywhere() (link.Settings, error) {
	out := s.Base
	for _, r := range s.Rules {
		if r.Where.From.Role != All || r.Where.To.Role != All {
			return out, fmt.Errorf("%s:%d: only some links do this: %v", s.File, r.Line, r.Where)
		}
		r.Impairment.Apply(&out)
	}
	return out, nil
}
