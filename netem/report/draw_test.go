package report

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vrnode/netem/result"
	"vrnode/vr"
)

// TestAxesMeet: what the plot library draws begins and ends where the template's axes do.
func TestAxesMeet(t *testing.T) {
	for _, width := range []length{widthAlone, widthBeside} {
		s := scale{span: 30 * time.Second, Width: width}
		for _, high := range []float64{1, 1e3, 1e7} {
			p := newPlot(s, 0, high)
			linear(p, wholeOrShort)
			floor := fmt.Sprintf("M%v,%vL%v,%v", s.Left(), plotBottom, s.Right(), plotBottom)
			if got := string(render(p, s)); !strings.Contains(got, floor) {
				t.Errorf("up to %g: no grid line %s in\n%s", high, floor, got)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		span time.Duration
		want string
	}{
		{30 * time.Second, "0 s 5 s 10 s 15 s 20 s 25 s 30 s"},
		{700 * time.Millisecond, "0 s 0.1 s 0.2 s 0.3 s 0.4 s 0.5 s 0.6 s 0.7 s"},
		{10 * time.Minute, "0 s 100 s 200 s 300 s 400 s 500 s 600 s"},
	} {
		var got []string
		for _, tick := range (scale{span: c.span, Width: widthAlone}).Ticks() {
			got = append(got, tick.Text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v has %q, want %s", c.span, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		short(0): "–", short(900): "900 ns", short(1500): "1.50 µs", short(12345678): "12.3 ms",
		short(time.Second): "1.00 s", short(123456 * time.Millisecond): "123 s", short(-2 * time.Second): "-2.00 s",
		count(7): "7", count(1234567): "1\u2009234\u2009567", count(-123456): "-123\u2009456",
		percent(0): "0 %", percent(0.0909): "9.09 %", percent(1): "100 %",
		ellipsis("abc", 3): "abc", ellipsis("ünïcode", 4): "ünï…", ellipsis("abc", -1): "",
		bare(10 * time.Millisecond): "10 ms", bare(100 * time.Second): "100 s", bare(1500 * time.Microsecond): "1.5 ms", bare(0): "–",
		plain(1500 * time.Millisecond): "1.5", size(31 << 20): "31.0 MiB",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLabelsDoNotOverlap: in no row of faults does a label or bar lie on another, or leave the
// figure.
func TestLabelsDoNotOverlap(t *testing.T) {
	s := scale{span: 30 * time.Second, Width: widthBeside}
	var faults []fault
	for i := range 40 {
		begin := time.Duration(i*797%30000) * time.Millisecond
		faults = append(faults, fault{
			Number: i, Text: strings.Repeat("x", i*7%90), Begin: begin, End: min(begin+time.Duration(i*i)*ms(20), s.span),
		})
	}
	bars, rows := barsOf(faults, s)
	type extent struct{ begin, end length }
	taken := make([][]extent, rows)
	for _, b := range bars {
		e := extent{min(b.X, b.TextX), max(b.X+b.Width, b.TextX+textWidth(b.Short))}
		if b.Before {
			e = extent{b.TextX - textWidth(b.Short), b.X + b.Width}
		}
		if e.begin < 0 || e.end > s.Width {
			t.Errorf("%q is from %v to %v", b.Short, e.begin, e.end)
		}
		row := int(b.Y / barPitch)
		for _, other := range taken[row] {
			if e.begin < other.end && other.begin < e.end {
				t.Errorf("%q is on another in row %d", b.Short, row)
			}
		}
		taken[row] = append(taken[row], e)
	}
}

func TestFaults(t *testing.T) {
	s := scale{span: 10 * time.Second, Width: widthAlone}
	got := faultsOf([]result.Event{
		{At: 2 * time.Second, Kind: result.FaultBegin, Fault: 2, Name: "links"},
		{At: time.Second, Kind: result.FaultBegin, Fault: 1, Name: "crash", Text: "crash replica 1", Replicas: []int{1}},
		{At: 3 * time.Second, Kind: result.FaultEnd, Fault: 1},
		{At: 4 * time.Second, Kind: result.FaultBegin, Name: "heal"},
		{At: 4 * time.Second, Kind: result.FaultEnd, Name: "heal"},
		{At: 6 * time.Second, Kind: result.FaultBegin, Name: "heal"},
		{At: 5 * time.Second, Kind: result.FaultEnd, Fault: 9},
	}, s)
	want := []fault{
		{Number: 1, Name: "crash", Text: "crash replica 1", Begin: time.Second, End: 3 * time.Second, replicas: []int{1}},
		{Number: 2, Name: "links", Text: "links", Begin: 2 * time.Second, End: s.span},
		{Name: "heal", Text: "heal", Begin: 4 * time.Second, End: 4 * time.Second, Moment: true},
		{Name: "heal", Text: "heal", Begin: 6 * time.Second, End: 6 * time.Second, Moment: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestLife: who crashes is down until its process starts, and who is only silent is what it was.
func TestLife(t *testing.T) {
	events := []result.Event{
		{At: 1, Kind: result.Process, Replica: 1, Name: "start"},
		{At: 2, Kind: result.Said, Replica: 1, Name: "view-started", View: 4, Primary: 1},
		{At: 2, Kind: result.Said, Replica: 2, Name: "view-started", View: 4, Primary: 1},
		{At: 3, Kind: result.Sample, Replica: 1, Status: "unreachable"},
		{At: 4, Kind: result.Sample, Replica: 1, Status: "normal", Role: "backup", View: 5},
		{At: 5, Kind: result.Said, Replica: 1, Name: "view-change-started", View: 6},
		{At: 6, Kind: result.Process, Replica: 1, Name: "exit"},
		{At: 6, Kind: result.Sample, Replica: 1, Status: "normal", Role: "backup", View: 6},
		{At: 7, Kind: result.Process, Replica: 1, Name: "start"},
		{At: 8, Kind: result.Said, Replica: 1, Name: "halted"},
	}
	var got []string
	for _, g := range lanesOf(events, 1, nil, scale{span: 9, Width: widthAlone})[0].Segments {
		got = append(got, fmt.Sprintf("%d-%d %s", g.Begin, g.End, g.words()))
	}
	want := []string{
		"0-1 down", "1-2 recovering", "2-4 primary of view 4", "4-5 backup of view 5", "5-6 view change to view 6",
		"6-7 down", "7-8 recovering", "8-9 halted",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestSilences: it is silent while somebody waits, not before the first call or after the last.
func TestSilences(t *testing.T) {
	s := scale{span: 10 * time.Second, Width: widthAlone}
	var calls []result.Call
	for at := time.Second; at < 9*time.Second; at += 10 * time.Millisecond {
		end := result.Answered
		if at > 3*time.Second && at < 4*time.Second {
			end = result.Refused
		}
		calls = append(calls, result.Call{Invoke: at - time.Millisecond, Return: at, End: end})
	}
	crash := []fault{{Number: 1, Begin: 3500 * time.Millisecond, End: 5 * time.Second}, {Number: 2, Begin: 6 * time.Second, End: 7 * time.Second}}
	got := silencesOf(calls, crash, s)
	if len(got) != 1 || got[0].Begin != 3*time.Second || got[0].End != 4*time.Second || len(got[0].During) != 1 || got[0].During[0].Number != 1 {
		t.Errorf("got %+v", got)
	}
	if got := silencesOf([]result.Call{{Invoke: 1e9, Return: 9e9, End: result.Unanswered}}, nil, s); len(got) != 1 {
		t.Errorf("without any answer: %+v", got)
	}
}

func TestQuantile(t *testing.T) {
	b := bucket{latencies: []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 5, 0.9: 9, 0.99: 10, 1: 10} {
		if got := b.quantile(q); got != want {
			t.Errorf("quantile %g is %d, want %d", q, got, want)
		}
	}
}

// TestLosses: what a link lost in a time is spread over that time, and links add up.
func TestLosses(t *testing.T) {
	s := scale{span: 10 * time.Second, Width: widthAlone}
	got := lossesOf([]result.Link{
		{Begin: 0, End: 4 * time.Second, Lost: map[string]uint64{"random": 8}},
		{Begin: 2 * time.Second, End: 10 * time.Second, Lost: map[string]uint64{"random": 8, "down": 16}},
	}, s)
	want := []losses{
		{at: 0, reasons: [5]float64{2}}, {at: 2 * time.Second, reasons: [5]float64{3, 2}},
		{at: 4 * time.Second, reasons: [5]float64{1, 2}}, {at: 10 * time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestCauses: the messages that are not recorded follow from the events.
func TestCauses(t *testing.T) {
	var notes []note
	for _, e := range []result.Event{
		{Replica: 1, Name: "suspected", View: 2}, {Replica: 2, Name: "suspected", View: 3}, {Replica: 3, Name: "suspected", View: 3},
		{Replica: 3, Name: "view-change-started", View: 4}, {Replica: 2, Name: "view-change-started", View: 4},
		{Replica: 2, Name: "view-started", View: 4, Primary: 2}, {Replica: 3, Name: "view-started", View: 4, Primary: 2},
		{Replica: 1, Name: "view-started", View: 9, Primary: 2},
	} {
		notes = append(notes, note{Replica: e.Replica, event: &e})
	}
	var got []string
	for _, c := range causesOf(notes, 4) {
		got = append(got, fmt.Sprintf("%d %s %d", c.from.Replica, c.message, c.to.Replica))
	}
	want := []string{"2 StartViewChange 3", "3 JoinView 2", "3 DoViewChange 2", "2 StartView 3"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestChanges: a view change begins with the suspicion that led to it, and ends when those who took
// part are normal.
func TestChanges(t *testing.T) {
	said := func(at, replica int, name string, view uint64) result.Event {
		return result.Event{At: ms(at), Kind: result.Said, Replica: replica, Name: name, View: view, Primary: 2}
	}
	events := []result.Event{
		said(0, 3, "suspected", 0),
		said(5000, 2, "suspected", 0), said(5010, 3, "suspected", 0),
		said(5020, 2, "view-change-started", 1), said(5030, 3, "view-change-started", 1),
		said(5040, 2, "view-started", 1), said(5050, 3, "view-change-started", 1), said(5050, 3, "view-started", 1),
		said(9000, 1, "view-change-started", 1), said(9000, 1, "view-started", 1),
	}
	got := changesOf(events)
	if want := []change{{1, ms(5000), ms(5050)}}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	sequences, _ := sequencesOf(events, 3, scale{span: 10 * time.Second, Width: widthAlone})
	var texts []string
	for _, n := range sequences[0].Notes {
		texts = append(texts, fmt.Sprintf("%d %s", n.Replica, n.Text))
	}
	if want := []string{
		"2 suspects v0", "3 suspects v0", "2 promises v1", "3 promises v1", "2 primary, n=0", "3 backup, n=0",
	}; !slices.Equal(texts, want) {
		t.Errorf("got %q, want %q", texts, want)
	}
}

// TestNamesOfEvents: what a diagram shows is what package vr says.
func TestNamesOfEvents(t *testing.T) {
	said := []string{"start", "exit"}
	for k := vr.EventIgnored; k <= vr.EventStateInstalled; k++ {
		said = append(said, k.String())
	}
	for name := range told {
		if !slices.Contains(said, name) {
			t.Errorf("nobody says %q", name)
		}
	}
}

func TestChange(t *testing.T) {
	for _, m := range measures {
		same, class := m.change(&result.Figures{}, &result.Figures{})
		if same != "same" || class != "" {
			t.Errorf("%s: nothing to nothing is %q %q", m.name, same, class)
		}
	}
	p99 := measures[slices.IndexFunc(measures, func(m measure) bool { return m.name == "p99" })]
	for to, want := range map[time.Duration]string{
		1000: "same", 1001: "same", 1020: "+2 %", 1500: "+50 % worse bad", 12300: "×12.3 worse bad", 500: "−50 % better good",
	} {
		text, class := p99.change(&result.Figures{P99: 1000}, &result.Figures{P99: to})
		if got := strings.TrimSpace(text + " " + class); got != want {
			t.Errorf("1000 to %d is %q, want %q", to, got, want)
		}
	}
}
