package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// A network asks a backend for what a scenario wants of its links, and remembers what it asked for.
type network struct {
	backend Backend
	began   time.Time // time 0 of the run; zero until then

	mu    sync.Mutex
	plan  *scenario.Network
	spans map[scenario.Direction][]span
}

// A span is a time in which a direction was asked for the same settings.
type span struct {
	begin    time.Duration
	settings link.Settings
}

// newNetwork gives every direction its first settings.
func newNetwork(b Backend, s *scenario.Scenario, g scenario.Group) (*network, error) {
	n := &network{
		backend: b,
		plan:    s.NewNetwork(&g, s.Dice("links")),
		spans:   make(map[scenario.Direction][]span),
	}
	return n, n.apply(n.plan.All())
}

// begin takes a step that is about links. It returns the fault and the directions that it changes;
// without any there is no fault.
func (n *network) begin(a scenario.Action, g scenario.Group, dice *rand.Rand) (scenario.FaultID, []result.Direction, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, changed := n.plan.Begin(a, &g, dice)
	if len(changed) == 0 {
		n.plan.End(id)
		return 0, nil, nil
	}
	var where []result.Direction
	for _, c := range changed {
		where = append(where, result.Direction{From: int(c.From), To: int(c.To)})
	}
	return id, where, n.apply(changed)
}

// end ends a fault.
func (n *network) end(id scenario.FaultID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.apply(n.plan.End(id))
}

// apply asks the backend for what is not so already.
func (n *network) apply(changed []scenario.Changed) error {
	var errs []error
	for _, c := range changed {
		spans := n.spans[c.Direction]
		if len(spans) > 0 && spans[len(spans)-1].settings == c.Settings {
			continue
		}
		errs = append(errs, n.backend.Set(c.Direction, c.Settings))
		at := time.Duration(0)
		if !n.began.IsZero() {
			at = time.Since(n.began)
		}
		n.spans[c.Direction] = append(spans, span{at, c.Settings})
	}
	return errors.Join(errs...)
}

// links compares what was asked for with what was achieved.
func (n *network) links(end time.Duration) []result.Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []result.Link
	for _, c := range n.plan.All() {
		d := c.Direction
		spans := n.spans[d]
		counters, late := n.backend.Measure(d)
		for i, s := range spans {
			// What was done before the first span comes first.
			var c link.Counters
			if i+1 < len(counters) {
				c = counters[i+1]
			}
			var h *link.Histogram
			if i+1 < len(late) {
				h = &late[i+1]
			}
			until := end
			if i+1 < len(spans) {
				until = spans[i+1].begin
			}
			out = append(out, compare(d, s, until, &c, h, n.backend.Slack()))
		}
	}
	return out
}

// compare writes down one span.
func compare(d scenario.Direction, s span, end time.Duration, c *link.Counters, late *link.Histogram, slack time.Duration) result.Link {
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
	l.Deviations = deviations(&asked, c, late, slack)
	return l
}

// deviations tells what is not as it was asked for. What a machine was late by is no delay of the
// link.
func deviations(asked *link.Settings, c *link.Counters, late *link.Histogram, slack time.Duration) []string {
	judged := *c
	if late != nil {
		judged.Delays.Sum -= late.Sum
		slack = 0
	}
	var out []string
	for _, off := range asked.Deviations(&judged, slack) {
		out = append(out, off.String())
	}
	return out
}

// mostly is the share of datagrams that may not be later than the slack. The others are the victims
// of pauses of the machine, from which nothing follows for the network.
const mostly = 0.9

// tooSlow tells whether the machine was, "" if it was not.
func (n *network) tooSlow() string {
	var all link.Counters // only Delays is of interest
	for _, c := range n.plan.All() {
		_, late := n.backend.Measure(c.Direction)
		for i := range late {
			all.Add(&link.Counters{Delays: late[i]})
		}
	}
	if most := all.Delays.Quantile(mostly); most > n.backend.Slack() {
		return fmt.Sprintf("the machine is too slow: one datagram in ten was more than %v late", most)
	}
	return ""
}
