package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// call is a call that was answered, between two milliseconds.
func call(from, to int, command, answer string) result.Call {
	return result.Call{
		Client: 1, Command: command, Invoke: time.Duration(from) * time.Millisecond,
		Return: time.Duration(to) * time.Millisecond, End: result.Answered, Result: answer,
	}
}

// open is one that was not.
func open(from int, command string) result.Call {
	c := call(from, 99, command, "")
	c.End = result.Unanswered
	return c
}

func refused(from int, command string) result.Call {
	c := open(from, command)
	c.End = result.Refused
	return c
}

// TestSafety: the judges must see every kind of wrong.
func TestSafety(t *testing.T) {
	const pass, failed = result.Pass, result.Failed
	for _, test := range []struct {
		name               string
		history            []result.Call
		linearizable, kept result.Outcome
	}{
		{"good", []result.Call{call(1, 2, "add 1", "1"), call(3, 4, "add 2", "3"), call(5, 6, "read", "3")}, pass, pass},
		{"at a time", []result.Call{call(1, 9, "add 1", "3"), call(1, 9, "add 2", "2"), call(10, 11, "read", "3")}, pass, pass},
		{"lost", []result.Call{call(1, 2, "add 1", "1"), call(3, 4, "add 2", "3"), call(5, 6, "read", "1")}, failed, failed},
		{"twice", []result.Call{call(1, 2, "add 1", "1"), call(5, 6, "read", "2")}, failed, failed},
		{"stale read", []result.Call{call(1, 2, "add 1", "1"), call(3, 4, "read", "0"), call(5, 6, "read", "1")}, failed, pass},
		{"unanswered and done", []result.Call{open(1, "add 1"), call(3, 4, "add 2", "3"), call(5, 6, "read", "3")}, pass, pass},
		{"unanswered and never done", []result.Call{open(1, "add 1"), call(3, 4, "add 2", "2"), call(5, 6, "read", "2")}, pass, pass},
		{"unanswered and done twice", []result.Call{open(1, "add 1"), call(3, 4, "add 2", "4"), call(5, 6, "read", "4")}, failed, failed},
		{"refused and done", []result.Call{refused(1, "add 1"), call(5, 6, "read", "1")}, failed, failed},
		{"nothing answered", []result.Call{open(1, "add 1"), refused(2, "add 2"), open(3, "read")}, result.Unknown, failed},
		{"no last read", []result.Call{call(1, 2, "add 1", "1"), open(3, "read")}, pass, failed},
		{"not a number", []result.Call{call(1, 2, "add 1", "error: overflow"), call(5, 6, "read", "1")}, failed, pass},
	} {
		t.Run(test.name, func(t *testing.T) {
			trial := trial{scenario: new(scenario.Scenario), history: test.history, lasted: time.Second, settled: true}
			for what, want := range map[scenario.Expect]result.Outcome{scenario.Linearizable: test.linearizable, scenario.NoCommittedOpLost: test.kept} {
				if got, found := trial.find(&scenario.Expectation{What: what}); got != want {
					t.Errorf("%s: %s (%s), want %s", what, got, found, want)
				}
			}
			trial.settled = false
			if got, _ := trial.kept(); got != result.Failed {
				t.Error("replicas that differ are well")
			}
		})
	}
}

func TestExpectations(t *testing.T) {
	trial := trial{
		scenario: new(scenario.Scenario), lasted: 100 * time.Millisecond, rss: 1000,
		history: []result.Call{call(1, 2, "read", "0"), call(11, 40, "read", "0"), call(50, 52, "read", "0")},
		events: []result.Event{
			{At: -5, Kind: result.Said, Name: "view-started", View: 1},
			{At: 10 * time.Millisecond, Kind: result.FaultBegin, Name: "crash"},
			{At: 20 * time.Millisecond, Kind: result.Said, Name: "view-started", View: 2},
			{At: 21 * time.Millisecond, Kind: result.Said, Name: "view-started", View: 2},
			{At: -5, Kind: result.Said, Name: "state-installed"},
			{At: 25 * time.Millisecond, Kind: result.Said, Name: "needs-state"},
			{At: 26 * time.Millisecond, Kind: result.Said, Name: "state-installed"},
			{At: 30 * time.Millisecond, Kind: result.FaultEnd, Name: "pause"},
			{At: 100 * time.Millisecond, Kind: result.FaultEnd, Name: "crash"},
		},
	}
	const ms = time.Millisecond
	for _, test := range []struct {
		expect scenario.Expectation
		want   result.Outcome
	}{
		{scenario.Expectation{What: scenario.RecoversWithin, After: scenario.Crashed, Within: 30 * ms}, result.Pass},
		{scenario.Expectation{What: scenario.RecoversWithin, After: scenario.Crashed, Within: 29 * ms}, result.Failed},
		{scenario.Expectation{What: scenario.RecoversWithin, After: scenario.Healed, Within: 22 * ms}, result.Pass},
		{scenario.Expectation{What: scenario.RecoversWithin, After: scenario.Restarted, Within: time.Hour}, result.Failed},
		{scenario.Expectation{What: scenario.ViewChanges, Min: 1, Max: 1}, result.Pass},
		{scenario.Expectation{What: scenario.ViewChanges, Min: 2, Max: scenario.NoMax}, result.Failed},
		{scenario.Expectation{What: scenario.Acknowledged, Min: 3, Max: scenario.NoMax}, result.Pass},
		{scenario.Expectation{What: scenario.Acknowledged, Min: 4, Max: scenario.NoMax}, result.Failed},
		{scenario.Expectation{What: scenario.States, Min: 1, Max: 1}, result.Pass},
		{scenario.Expectation{What: scenario.States, Min: 2, Max: scenario.NoMax}, result.Failed},
		{scenario.Expectation{What: scenario.RecoversWithin, After: scenario.NeedsState, Within: 27 * ms}, result.Pass},
		{scenario.Expectation{What: scenario.P99, Within: 29 * ms}, result.Pass},
		{scenario.Expectation{What: scenario.P99, Within: 29*ms - 1}, result.Failed},
		{scenario.Expectation{What: scenario.Unavailable, Within: 48 * ms}, result.Pass},
		{scenario.Expectation{What: scenario.Unavailable, Within: 47 * ms}, result.Failed},
		{scenario.Expectation{What: scenario.RSS, Max: 1000}, result.Pass},
		{scenario.Expectation{What: scenario.RSS, Max: 999}, result.Failed},
		{scenario.Expectation{What: scenario.GroupLost}, result.Failed},
	} {
		if got := trial.check(&test.expect); got.Outcome != test.want {
			t.Errorf("%+v, want %s", got, test.want)
		}
	}
}

// TestOutcome: what clients must not see is a failure even where the network was not as it should
// have been; for the rest, such a run proves nothing.
func TestOutcome(t *testing.T) {
	checks := func(safe, other result.Outcome) []result.Check {
		return []result.Check{{What: string(scenario.Linearizable), Outcome: safe}, {What: "other", Outcome: other}}
	}
	why := []string{"loss"}
	for _, test := range []struct {
		verdict result.Verdict
		want    result.Outcome
	}{
		{result.Verdict{Checks: checks(result.Pass, result.Pass)}, result.Pass},
		{result.Verdict{Checks: checks(result.Pass, result.Failed)}, result.Failed},
		{result.Verdict{Checks: checks(result.Unknown, result.Failed)}, result.Failed},
		{result.Verdict{Checks: checks(result.Unknown, result.Pass)}, result.Unknown},
		{result.Verdict{Checks: checks(result.Pass, result.Pass), Why: why}, result.Invalid},
		{result.Verdict{Checks: checks(result.Pass, result.Failed), Why: why}, result.Invalid},
		{result.Verdict{Checks: checks(result.Failed, result.Pass), Why: why}, result.Failed},
	} {
		if got := outcome(&test.verdict, false); got != test.want {
			t.Errorf("%+v: %s, want %s", test.verdict, got, test.want)
		}
	}
}

// A broken promise fails a run by its name, whatever the network did.
func TestBrokenPromise(t *testing.T) {
	x := &experiment{Options: Options{Scenario: &scenario.Scenario{}}, troubles: []string{"a link was deaf"}}
	v := x.judge(&trial{complete: true, virtual: true, promises: result.Check{What: "I1 agreement", Outcome: result.Failed}}, nil)
	if v.Outcome != result.Failed || v.Checks[len(v.Checks)-1].What != "I1 agreement" {
		t.Errorf("%+v", v)
	}
}

// blind are links that nobody looks at.
type blind struct{ wires }

func (blind) Set(...scenario.Changed) error { return nil }

func (blind) Measure(scenario.Direction) ([]link.Counters, []link.Histogram) { return nil, nil }

// What was not measured is not taken for achieved.
func TestNotMeasured(t *testing.T) {
	n, err := newNetwork(blind{}, []scenario.Changed{{Direction: scenario.Direction{From: 1, To: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	links, _ := n.links(time.Second)
	if got := strayed(links); len(got) != 1 || !strings.Contains(got[0], "nobody has measured it") {
		t.Errorf("%q", got)
	}
}

// tardy are links whose machine is late by the same time with everything.
type tardy struct{ late time.Duration }

func (tardy) Set(...scenario.Changed) error { return nil }

func (tardy) Slack() time.Duration { return 10 * time.Millisecond }

func (w tardy) Measure(scenario.Direction) ([]link.Counters, []link.Histogram) {
	var h link.Histogram
	for range 100 {
		h.Add(w.late)
	}
	return make([]link.Counters, 2), []link.Histogram{{}, h}
}

// A machine that is late with more than a few datagrams is too slow.
func TestTooSlow(t *testing.T) {
	for late, want := range map[time.Duration]bool{time.Millisecond: false, 50 * time.Millisecond: true} {
		n, err := newNetwork(tardy{late}, []scenario.Changed{{Direction: scenario.Direction{From: 1, To: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		_, behind := n.links(time.Second)
		if got := n.tooSlow(behind); (got != "") != want {
			t.Errorf("late by %v: %q", late, got)
		}
	}
}

// TestSpoken: what the watcher listens for is what replicas log, or view changes would be missed.
func TestSpoken(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "vr/node/events.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range spoken {
		if !strings.Contains(string(source), strconv.Quote(s.text)) {
			t.Errorf("no replica says %q", s.text)
		}
	}
}

// Memory is judged where there is some.
func TestMemory(t *testing.T) {
	e := &scenario.Expectation{What: scenario.RSS, Max: 100}
	for _, test := range []struct {
		trial trial
		want  result.Outcome
	}{
		{trial{rss: 100}, result.Pass},
		{trial{rss: 101}, result.Failed},
		{trial{}, result.Unknown},
		{trial{virtual: true}, result.NotJudged},
	} {
		if got := test.trial.check(e); got.Outcome != test.want {
			t.Errorf("%+v: %+v", test.trial, got)
		}
	}
}
