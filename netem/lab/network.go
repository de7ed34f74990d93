package lab

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// A network knows what each direction is asked to do: the settings of the beginning, changed by
// the faults that are on, one after the other.
type network struct {
	backend Backend
	began   time.Time

	mu      sync.Mutex
	initial map[scenario.Direction]link.Settings
	faults  []*linkFault
	spans   map[scenario.Direction][]span
}

// A span is a time in which a direction was asked for the same settings.
type span struct {
	begin    time.Duration
	settings link.Settings
}

// A linkFault changes the settings of some directions while it is on.
type linkFault struct {
	where  []scenario.Direction
	change func(*link.Settings)
}

// newNetwork gives every direction its first settings.
func newNetwork(b Backend, s *scenario.Scenario, g scenario.Group, began time.Time) (*network, error) {
	n := &network{
		backend: b, began: began,
		initial: s.Links(&g, s.Dice("links")),
		spans:   make(map[scenario.Direction][]span),
	}
	return n, n.apply()
}

// add turns a fault on, and remove off. Removing it again does nothing.
func (n *network) add(f *linkFault) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, f)
	return n.apply()
}

func (n *network) remove(f *linkFault) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = slices.DeleteFunc(n.faults, func(g *linkFault) bool { return g == f })
	return n.apply()
}

// apply asks the backend for what has changed.
func (n *network) apply() error {
	var errs []error
	for _, d := range n.directions() {
		want := n.initial[d]
		for _, f := range n.faults {
			if slices.Contains(f.where, d) {
				f.change(&want)
			}
		}
		spans := n.spans[d]
		if len(spans) > 0 && spans[len(spans)-1].settings == want {
			continue
		}
		errs = append(errs, n.backend.Set(d, want))
		n.spans[d] = append(spans, span{time.Since(n.began), want})
	}
	return errors.Join(errs...)
}

func (n *network) directions() []scenario.Direction {
	return slices.SortedFunc(maps.Keys(n.initial), func(a, b scenario.Direction) int {
		if a.From != b.From {
			return int(a.From - b.From)
		}
		return int(a.To - b.To)
	})
}

// links compares what was asked for with what was achieved.
func (n *network) links(end time.Duration) []result.Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []result.Link
	for _, d := range n.directions() {
		spans, counters := n.spans[d], n.backend.Measure(d)
		for i, s := range spans {
			var c link.Counters // those of the time before the first span come first
			if i+1 < len(counters) {
				c = counters[i+1]
			}
			until := end
			if i+1 < len(spans) {
				until = spans[i+1].begin
			}
			out = append(out, compare(d, s, until, &c, n.backend.Slack()))
		}
	}
	return out
}

// compare writes down one span.
func compare(d scenario.Direction, s span, end time.Duration, c *link.Counters, slack time.Duration) result.Link {
	asked := s.settings
	share := func(requested float64, n, of uint64) result.Figure {
		return result.Figure{Requested: requested, Achieved: float64(n) / max(float64(of), 1)}
	}
	l := result.Link{
		Direction: result.Direction{From: int(d.From), To: int(d.To)},
		Begin:     s.begin, End: end, Requested: scenario.Describe(asked),
		Loss:      share(asked.Loss.Chance(), c.Lost[link.LostRandom], c.Offered),
		Duplicate: share(asked.Duplicate, c.Duplicated, c.Offered),
		Corrupt:   share(asked.Corrupt, c.Corrupted, c.Delivered),
		Reorder:   share(asked.Reorder, c.Ahead, c.Delivered),
		Delay:     result.Figure{Requested: asked.Delay.Mean.Seconds() * (1 - asked.Reorder), Achieved: c.Delays.Mean().Seconds()},
		P50:       c.Delays.Quantile(0.5), P99: c.Delays.Quantile(0.99),
		Offered: c.Offered, Bytes: c.Bytes, Delivered: c.Delivered, Overtook: c.Overtook,
	}
	for reason, n := range c.Lost {
		if n > 0 {
			if l.Lost == nil {
				l.Lost = make(map[string]uint64)
			}
			l.Lost[link.Reason(reason).String()] = n
		}
	}
	for _, off := range asked.Deviations(c, slack) {
		l.Deviations = append(l.Deviations, off.String())
	}
	return l
}
