package report

import (
	"html/template"
	"maps"
	"slices"
	"time"

	"gonum.org/v1/plot"

	"vrnode/netem/link"
	"vrnode/netem/result"
)

// A chart is a plot over the time of a run, with the faults behind it.
type chart struct {
	scale
	Title  string
	Legend []key
	Plot   template.HTML
	Faults []fault
	// Empty says why there is nothing to plot.
	Empty                  string
	Height, BandTop, AxisY length
}

// BandHeight is how far the bands go down.
func (c *chart) BandHeight() length { return c.AxisY - c.BandTop }

// A key is an entry of a legend.
type key struct {
	Ink  ink
	Dash dash
	Area bool
	Text string
}

// seen are the series of one run.
type seen struct {
	buckets []bucket
	losses  []losses
	traffic []traffic
}

func seenOf(r *result.Run, s scale) seen {
	return seen{bucketsOf(r.History, s), lossesOf(r.Links, s), trafficOf(r.Events, s)}
}

// highest are the tops of the axes that all runs of a page share.
type highest struct {
	rate, lost    float64
	sent          float64
	fastest, slow time.Duration
}

func highestOf(all []seen, s scale) highest {
	h := highest{rate: 1, lost: 1, sent: 1, fastest: time.Second, slow: time.Millisecond}
	for _, run := range all {
		for i := range run.buckets {
			b := &run.buckets[i]
			h.rate = max(h.rate, b.perSecond(s))
			if len(b.latencies) > 0 {
				h.fastest = min(h.fastest, b.latencies[0])
				h.slow = max(h.slow, b.latencies[len(b.latencies)-1])
			}
		}
		for _, l := range run.losses {
			h.lost = max(h.lost, l.total())
		}
		for _, t := range run.traffic {
			h.sent = max(h.sent, t.sent, t.again)
		}
	}
	// A logarithm needs something above zero.
	h.fastest = max(h.fastest, time.Microsecond)
	h.slow = max(h.slow, 10*h.fastest)
	return h
}

func (b *bucket) perSecond(s scale) float64 { return float64(b.answered) / s.bucketWidth().Seconds() }

func newChart(title string, p *plot.Plot, faults []fault, s scale) chart {
	return chart{
		scale: s, Title: title, Plot: render(p, s), Faults: faults,
		Height: plotHeight, BandTop: plotTop, AxisY: plotHeight - plotBottom,
	}
}

// throughput draws the answers a second, and what ended without one.
func throughput(run seen, h highest, faults []fault, s scale) chart {
	p := newPlot(s, 0, h.rate*1.08)
	linear(p, wholeOrShort)
	width := s.bucketWidth()
	var answered, unanswered, refused []point
	for i := range run.buckets {
		b := &run.buckets[i]
		at := width * time.Duration(i)
		answered = append(answered, point{at, b.perSecond(s)})
		unanswered = appendAbove(unanswered, at+width/2, float64(b.unanswered)/width.Seconds())
		refused = appendAbove(refused, at+width/2, float64(b.refused)/width.Seconds())
	}
	if last := len(answered); last > 0 {
		answered = append(answered, point{s.span, answered[last-1].value})
		addSteps(p, answered, []point{{}, {at: s.span}}, inkBlue)
	}
	keys := []key{{inkBlue, solid, true, "acknowledged"}}
	if len(unanswered) > 0 {
		addLine(p, unanswered, width*3/2, inkRed, dashed)
		keys = append(keys, key{inkRed, dashed, false, "given up without an answer"})
	}
	if len(refused) > 0 {
		addLine(p, refused, width*3/2, inkOrange, dotted)
		keys = append(keys, key{inkOrange, dotted, false, "refused"})
	}
	c := newChart("Calls per second, in steps of "+bare(width), p, faults, s)
	c.Legend = keys
	return c
}

func appendAbove(points []point, at time.Duration, value float64) []point {
	if value > 0 {
		points = append(points, point{at, value})
	}
	return points
}

// latency draws the percentiles of acknowledged calls.
func latency(run seen, h highest, faults []fault, s scale) chart {
	p := newPlot(s, h.fastest.Seconds()*0.9, h.slow.Seconds()*1.25)
	logarithmic(p)
	width := s.bucketWidth()
	c := chart{}
	for _, line := range []struct {
		quantile float64
		key
	}{
		{0.99, key{inkOrange, dotted, false, "p99"}},
		{0.9, key{inkPurple, dashed, false, "p90"}},
		{0.5, key{inkBlue, solid, false, "p50"}},
	} {
		var points []point
		for i := range run.buckets {
			if b := &run.buckets[i]; len(b.latencies) > 0 {
				at := min(width*time.Duration(i)+width/2, s.span)
				points = append(points, point{at, max(b.quantile(line.quantile), h.fastest).Seconds()})
			}
		}
		if len(points) > 0 {
			addLine(p, points, width*3/2, line.Ink, line.Dash)
		}
		c.Legend = append(c.Legend, line.key)
	}
	keys := c.Legend
	slices.Reverse(keys)
	c = newChart("Latency of acknowledged calls", p, faults, s)
	c.Legend = keys
	return c
}

// losses are the datagrams lost a second from a moment on, by reason.
type losses struct {
	at      time.Duration
	reasons [len(lossKeys)]float64
}

// lossKeys are the reasons in the order in which they are stacked. The names are those of package
// link; what has another is with the last.
var lossKeys = [...]struct {
	name string
	key
}{
	{link.LostRandom.String(), key{inkSky, solid, true, "by chance"}},
	{link.LostDown.String(), key{inkRed, solid, true, "link down"}},
	{link.LostTooLong.String(), key{inkPurple, solid, true, "longer than the MTU"}},
	{link.LostQueue.String(), key{inkOrange, solid, true, "queue full"}},
	{"", key{inkGreen, solid, true, "other"}},
}

func (l *losses) total() (sum float64) {
	for _, x := range l.reasons {
		sum += x
	}
	return sum
}

// lossesOf adds up what the links of a run lost. What a link lost in a time in which its settings
// did not change is spread evenly over that time.
func lossesOf(links []result.Link, s scale) []losses {
	edges := []time.Duration{0, s.span}
	for i := range links {
		edges = append(edges, s.clip(links[i].Begin), s.clip(links[i].End))
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	out := make([]losses, len(edges))
	for i, at := range edges {
		out[i].at = at
	}
	for i := range links {
		spread(out, &links[i], s)
	}
	return out
}

func spread(out []losses, l *result.Link, s scale) {
	begin, end := s.clip(l.Begin), s.clip(l.End)
	if begin >= end {
		return
	}
	from := slices.IndexFunc(out, func(l losses) bool { return l.at == begin })
	to := slices.IndexFunc(out, func(l losses) bool { return l.at == end })
	for _, reason := range slices.Sorted(maps.Keys(l.Lost)) {
		for i := from; i < to; i++ {
			out[i].reasons[lossKey(reason)] += float64(l.Lost[reason]) / (end - begin).Seconds()
		}
	}
}

func lossKey(reason string) int {
	for i := range lossKeys {
		if lossKeys[i].name == reason {
			return i
		}
	}
	return len(lossKeys) - 1
}

// lost draws the datagrams that the links lost, stacked by reason.
func lost(run seen, h highest, faults []fault, s scale) chart {
	p := newPlot(s, 0, h.lost*1.08)
	linear(p, wholeOrShort)
	var keys []key
	floor := make([]point, len(run.losses))
	for i := range run.losses {
		floor[i].at = run.losses[i].at
	}
	for reason := range lossKeys {
		points := slices.Clone(floor)
		for i := range run.losses {
			points[i].value += run.losses[i].reasons[reason]
		}
		if !slices.Equal(points, floor) {
			addLayer(p, points, floor, lossKeys[reason].Ink)
			keys = append(keys, lossKeys[reason].key)
			floor = points
		}
	}
	c := newChart("Datagrams lost per second, on all links", p, faults, s)
	c.Legend = keys
	if len(keys) == 0 {
		c.Empty = "No link lost a datagram."
	}
	return c
}

// repeated draws what replicas sent to each other, and what of it they had sent before.
func repeated(run seen, h highest, faults []fault, s scale) chart {
	p := newPlot(s, 0, h.sent*1.08)
	linear(p, wholeOrShort)
	width := s.trafficWidth()
	var sent, again []point
	for i, t := range run.traffic {
		at := width * time.Duration(i)
		sent = append(sent, point{at, t.sent})
		again = appendAbove(again, at+width/2, t.again)
	}
	if last := len(sent); last > 0 {
		sent = append(sent, point{s.span, sent[last-1].value})
		addSteps(p, sent, []point{{}, {at: s.span}}, inkGreen)
	}
	keys := []key{{inkGreen, solid, true, "datagrams"}}
	if len(again) > 0 {
		addLine(p, again, width*3/2, inkRed, dashed)
		keys = append(keys, key{inkRed, dashed, false, "fragments and slot messages sent again"})
	}
	c := newChart("Sent per second, from replica to replica", p, faults, s)
	c.Legend = keys
	if !slices.ContainsFunc(run.traffic, func(t traffic) bool { return t.sent > 0 }) {
		c.Empty = "The replicas did not tell."
	}
	return c
}
