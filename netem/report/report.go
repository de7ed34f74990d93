package report

import (
	"cmp"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"vrnode/netem/result"
)

// runsMax bounds the runs of a page.
const runsMax = 8

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"short": short, "bare": bare, "moment": moment, "add": func(a, b length) length { return a + b },
}).Parse(pageText))

// A page is what page.html is filled with.
type page struct {
	Title string
	Style template.CSS
	Runs  []view
	// Compare is empty if there is one run.
	Compare []comparison
}

// A view is one run on a page.
type view struct {
	// Name is that of the run among those of the page, "" if it is alone.
	Name      string
	Manifest  *result.Manifest
	Verdict   *result.Verdict
	Outcome   verdict
	Facts     []fact
	Tiles     []fact
	Faults    []fault
	Timeline  timeline
	Charts    []chart
	Silences  []silence
	Links     []linkTable
	Sequences []sequence
	// Least is the length of the shortest silence that is shown.
	Least time.Duration
	// Unshown is how many view changes have no diagram.
	Unshown int
}

// Write writes the report on one run, or on several beside each other.
func Write(w io.Writer, runs ...*result.Run) error {
	if len(runs) == 0 {
		return errors.New("a report needs a run")
	}
	if len(runs) > runsMax {
		return errors.New("a report has room for " + count(runsMax) + " runs")
	}
	p := page{Title: runs[0].Manifest.Name, Style: template.CSS(styleText), Compare: compare(runs)}
	s := newScale(runs)
	all := make([]seen, len(runs))
	for i, r := range runs {
		all[i] = seenOf(r, s)
	}
	h := highestOf(all, s)
	for i, r := range runs {
		v := newView(r, all[i], h, s)
		if len(runs) > 1 {
			v.Name = string(rune('A' + i))
		}
		p.Runs = append(p.Runs, v)
	}
	var text strings.Builder
	if err := pageTemplate.Execute(&text, &p); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.Map(printable, text.String()))
	return err
}

// printable replaces the characters that a page can not hold, and those that would show its text in
// another order than it has.
func printable(r rune) rune {
	override := '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
	if override || r == '\ufffe' || r == '\uffff' || unicode.IsControl(r) && r != '\n' && r != '\t' {
		return unicode.ReplacementChar
	}
	return r
}

func newView(r *result.Run, series seen, h highest, s scale) view {
	events := slices.Clone(r.Events) // which several wrote at a time
	slices.SortStableFunc(events, func(a, b result.Event) int { return cmp.Compare(a.At, b.At) })
	v := view{
		Manifest: &r.Manifest, Verdict: &r.Verdict, Outcome: verdictOf(r.Verdict.Outcome),
		Facts: facts(&r.Manifest), Tiles: tiles(&r.Verdict.Figures),
		Faults: faultsOf(events, s), Links: linkTables(r),
	}
	answers, _ := answersOf(r.History)
	v.Least = silenceLeast(len(answers), s)
	v.Silences = silencesOf(r.History, v.Faults, s)
	v.Timeline = newTimeline(events, replicasOf(r), v.Faults, v.Silences, s)
	v.Charts = []chart{
		throughput(series, h, v.Faults, s), latency(series, h, v.Faults, s), lost(series, h, v.Faults, s),
		repeated(series, h, v.Faults, s),
	}
	v.Sequences, v.Unshown = sequencesOf(events, replicasOf(r), s)
	return v
}

// Check is how an expectation is shown.
func (v *view) Check(c result.Check) verdict { return verdictOf(c.Outcome) }
