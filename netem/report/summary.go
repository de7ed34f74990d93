package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"vrnode/netem/result"
)

// A verdict is an outcome and how it is shown: never by a colour alone.
type verdict struct {
	Class, Sign, Text string
}

func verdictOf(o result.Outcome) verdict {
	switch o {
	case result.Pass:
		return verdict{"good", "✓", "pass"}
	case result.Failed:
		return verdict{"bad", "✗", "failed"}
	case result.Unknown, result.Unsupported, result.Invalid:
		return verdict{"doubt", "?", string(o)}
	case result.NotJudged:
		return verdict{"doubt", "–", "not judged"}
	case "":
		return verdict{"doubt", "?", "unfinished"}
	}
	return verdict{"doubt", "?", ellipsis(string(o), 20)}
}

// A fact is a name and a value.
type fact struct{ Name, Value string }

// facts are what a run was, in a line.
func facts(m *result.Manifest) []fact {
	began := ""
	if !m.Began.IsZero() {
		began = m.Began.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	out := []fact{
		{"backend", m.Backend},
		{"seed", strconv.FormatUint(m.Seed, 10)},
		{"group", plural(m.Replicas, "replica", "replicas") + ", " + plural(m.Clients, "client", "clients")},
		{"cell", m.Cell},
		{"began", began},
		{"lasted", short(m.Lasted)},
		{"scenario", m.File},
		{"version", m.Version},
		{"system", m.System},
	}
	kept := out[:0]
	for _, f := range out {
		if f.Value != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

// A measure is a figure of a run that can be compared.
type measure struct {
	name  string
	value func(*result.Figures) float64
	text  func(*result.Figures) string
	// better is 1 if more is better, -1 if less is, 0 if it depends.
	better int
	// tile: it is among the figures at the top of a run.
	tile bool
}

func numbers(name string, better int, tile bool, value func(*result.Figures) int) measure {
	return measure{
		name: name, better: better, tile: tile,
		value: func(f *result.Figures) float64 { return float64(value(f)) },
		text:  func(f *result.Figures) string { return count(value(f)) },
	}
}

func times(name string, tile bool, value func(*result.Figures) time.Duration) measure {
	return measure{
		name: name, better: -1, tile: tile,
		value: func(f *result.Figures) float64 { return value(f).Seconds() },
		text:  func(f *result.Figures) string { return short(value(f)) },
	}
}

var measures = []measure{
	numbers("acknowledged", 1, true, func(f *result.Figures) int { return f.Acknowledged }),
	{
		"per second", func(f *result.Figures) float64 { return f.PerSecond },
		func(f *result.Figures) string { return digits(f.PerSecond) }, 1, true,
	},
	times("p50", true, func(f *result.Figures) time.Duration { return f.P50 }),
	times("p99", true, func(f *result.Figures) time.Duration { return f.P99 }),
	times("p99.9", false, func(f *result.Figures) time.Duration { return f.P999 }),
	times("slowest", false, func(f *result.Figures) time.Duration { return f.Slowest }),
	times("longest silence", true, func(f *result.Figures) time.Duration { return f.Unavailable }),
	numbers("view changes", 0, true, func(f *result.Figures) int { return f.ViewChanges }),
	numbers("states moved", 0, false, func(f *result.Figures) int { return f.States }),
	numbers("given up", -1, true, func(f *result.Figures) int { return f.Unanswered }),
	numbers("refused", 0, false, func(f *result.Figures) int { return f.Refused }),
	numbers("datagrams between replicas", 0, false, func(f *result.Figures) int { return int(f.Sent) }),
	numbers("sent again", -1, false, func(f *result.Figures) int { return int(f.Again) }),
	{
		"memory", func(f *result.Figures) float64 { return float64(f.RSS) },
		func(f *result.Figures) string { return size(f.RSS) }, -1, true,
	},
}

// tiles are the figures at the top of a run.
func tiles(f *result.Figures) []fact {
	var out []fact
	for _, m := range measures {
		if m.tile {
			out = append(out, fact{m.name, m.text(f)})
		}
	}
	return out
}

// A comparison is a row of the table of several runs.
type comparison struct {
	Name   string
	Values []string
	// Change is from the first run to the second, if there are two; Class says how good it is.
	Change, Class string
}

func compare(runs []*result.Run) []comparison {
	if len(runs) < 2 {
		return nil
	}
	var out []comparison
	for _, m := range measures {
		c := comparison{Name: m.name}
		for _, r := range runs {
			c.Values = append(c.Values, m.text(&r.Verdict.Figures))
		}
		if len(runs) == 2 {
			c.Change, c.Class = m.change(&runs[0].Verdict.Figures, &runs[1].Verdict.Figures)
		}
		out = append(out, c)
	}
	return out
}

const (
	// noticeable is the least change that is called better or worse.
	noticeable = 0.05
	// unnoticed is a change that would be written as none.
	unnoticed = 0.005
)

// change tells how a figure differs in a second run.
func (m *measure) change(first, second *result.Figures) (text, class string) {
	a, b := m.value(first), m.value(second)
	if a == b {
		return "same", ""
	}
	if a == 0 {
		return "", ""
	}
	share := (b - a) / a
	text = strings.Replace(fmt.Sprintf("%+.0f %%", 100*share), "-", "−", 1)
	if b > 3*a {
		text = "×" + digits(b/a)
	}
	switch {
	case math.Abs(share) < unnoticed:
		return "same", ""
	case share*float64(m.better) > noticeable:
		return text + " better", "good"
	case share*float64(m.better) < -noticeable:
		return text + " worse", "bad"
	}
	return text, ""
}
