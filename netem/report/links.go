package report

import (
	"fmt"
	"slices"
	"time"

	"vrnode/netem/result"
)

// A linkTable shows what was asked of links and what they did.
type linkTable struct {
	Title string
	Open  bool
	// Columns are the names of the figures.
	Columns []string
	Groups  []linkGroup
	// Omitted is how many rows are left out.
	Omitted int
	rows    int
}

// A linkGroup is what the same was asked of.
type linkGroup struct {
	Requested string
	Rows      []linkRow
}

// linkRowsMax bounds the rows of a table. Rows with a deviation are kept whatever happens, up to
// as many again.
const linkRowsMax = 120

// A linkRow is one direction in a time in which its settings did not change.
type linkRow struct {
	From, To, When, Delivered string
	Figures                   []bullet
	P50, P99                  string
	Deviations                []string
}

// A bullet shows what was asked for as a mark and what was achieved as a bar.
type bullet struct {
	Name                string
	Requested, Achieved string
	Bar, Mark           length
	// None: nothing was asked for, and nothing happened.
	None bool
}

// The mark of a bullet is always at the same place, so that a look along a column tells whether
// bars reach it. A bar that would be longer than the bullet ends with it.
const (
	bulletWidth length = 64
	bulletMark  length = 48
)

// figures are the columns of bullets, and how their values are written.
var figures = []struct {
	Name  string
	value func(*result.Link) result.Figure
	text  func(float64) string
}{
	{"loss", func(l *result.Link) result.Figure { return l.Loss }, percent},
	{"delay", func(l *result.Link) result.Figure { return l.Delay }, seconds},
	{"reorder", func(l *result.Link) result.Figure { return l.Reorder }, percent},
	{"duplicate", func(l *result.Link) result.Figure { return l.Duplicate }, percent},
	{"corrupt", func(l *result.Link) result.Figure { return l.Corrupt }, percent},
}

func seconds(x float64) string { return short(time.Duration(x * float64(time.Second))) }

// linkTables sorts the links into those between replicas and those of clients.
func linkTables(r *result.Run) []linkTable {
	tables := []linkTable{{Title: "Between replicas", Open: true}, {Title: "Between clients and replicas"}}
	for i := range tables {
		for _, f := range figures {
			tables[i].Columns = append(tables[i].Columns, f.Name)
		}
	}
	for i := range r.Links {
		l := &r.Links[i]
		t := &tables[0]
		if max(l.From, l.To) > r.Manifest.Replicas {
			t = &tables[1]
		}
		t.add(l.Requested, newLinkRow(l, r.Manifest.Replicas))
	}
	kept := tables[:0]
	for _, t := range tables {
		if t.rows > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

func (t *linkTable) add(requested string, row linkRow) {
	room := linkRowsMax
	if len(row.Deviations) > 0 {
		room, t.Open = 2*linkRowsMax, true
	}
	if t.rows >= room {
		t.Omitted++
		return
	}
	t.rows++
	at := slices.IndexFunc(t.Groups, func(g linkGroup) bool { return g.Requested == requested })
	if at < 0 {
		at = len(t.Groups)
		t.Groups = append(t.Groups, linkGroup{Requested: requested})
	}
	t.Groups[at].Rows = append(t.Groups[at].Rows, row)
}

func newLinkRow(l *result.Link, replicas int) linkRow {
	row := linkRow{
		From: site(l.From, replicas), To: site(l.To, replicas),
		When:      plain(l.Begin) + " – " + plain(l.End) + " s",
		Delivered: count(int(l.Delivered)) + " of " + count(int(l.Offered)),
		P50:       short(l.P50), P99: short(l.P99), Deviations: l.Deviations,
	}
	for _, f := range figures {
		v := f.value(l)
		b := bullet{Name: f.Name, Requested: f.text(v.Requested), Achieved: f.text(v.Achieved)}
		switch {
		case l.Delivered == 0 && (l.Offered == 0 || f.Name == "delay"):
			b.None = true // there is nothing to tell it by
		case v.Requested > 0:
			b.Mark = bulletMark
			b.Bar = min(max(bulletMark*length(v.Achieved/v.Requested), 0), bulletWidth)
		case v.Achieved > 0:
			b.Bar = bulletWidth
		default:
			b.None = true
		}
		row.Figures = append(row.Figures, b)
	}
	return row
}

// site names an end of a link.
func site(n, replicas int) string {
	if n > replicas {
		return fmt.Sprintf("client %d", n-replicas)
	}
	return fmt.Sprintf("replica %d", n)
}
