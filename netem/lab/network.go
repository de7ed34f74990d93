package lab

import (
	"fmt"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// A network asks links for what a scenario wants of them, and remembers what it asked for.
type network struct {
	wires wires
	order []scenario.Direction
	spans map[scenario.Direction][]span
}

// wires are the links, real or simulated.
type wires interface {
	Set(...scenario.Changed) error
	Measure(scenario.Direction) (done []link.Counters, late []link.Histogram)
	Slack() time.Duration
}

// A span is a time in which a direction was asked for the same settings.
type span struct {
	begin    time.Duration
	settings link.Settings
}

// newNetwork gives every direction its first settings.
func newNetwork(w wires, links []scenario.Changed) (*network, error) {
	n := &network{wires: w, spans: make(map[scenario.Direction][]span)}
	for _, c := range links {
		n.order = append(n.order, c.Direction)
	}
	return n, n.set(0, links)
}

// set asks directions for settings, those that do not have them already.
func (n *network) set(now time.Duration, changed []scenario.Changed) error {
	var news []scenario.Changed
	for _, c := range changed {
		spans := n.spans[c.Direction]
		if len(spans) == 0 || spans[len(spans)-1].settings != c.Settings {
			n.spans[c.Direction] = append(spans, span{now, c.Settings})
			news = append(news, c)
		}
	}
	return n.wires.Set(news...)
}

// links compares what was asked for with what was achieved. It also returns how late the machine was
// with all datagrams, as far as that is known.
func (n *network) links(end time.Duration) (out []result.Link, behind *link.Histogram) {
	var all link.Counters // only Delays is of interest
	for _, d := range n.order {
		spans := n.spans[d]
		counters, late := n.wires.Measure(d)
		for i := range late {
			all.Add(&link.Counters{Delays: late[i]})
		}
		for i, s := range spans {
			until := end
			if i+1 < len(spans) {
				until = spans[i+1].begin
			}
			// What was done before the first span comes first.
			if i+1 >= len(counters) {
				l := compare(d, s, until, new(link.Counters), nil, 0)
				l.Deviations = append(l.Deviations, "nobody has measured it")
				out = append(out, l)
				continue
			}
			var h *link.Histogram
			if late != nil {
				h = &late[i+1]
			}
			out = append(out, compare(d, s, until, &counters[i+1], h, n.wires.Slack()))
		}
	}
	return out, &all.Delays
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

// tooSlow tells whether the machine was, given how late it was; "" if it was not.
func (n *network) tooSlow(behind *link.Histogram) string {
	if most := behind.Quantile(mostly); most > n.wires.Slack() {
		return fmt.Sprintf("the machine is too slow: one datagram in ten was more than %v late", most)
	}
	return ""
}
