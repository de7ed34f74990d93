package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
)

// deviationsMax bounds the lines about links that did not do what they were asked to do.
const deviationsMax = 8

// A trial is what a verdict is found from.
type trial struct {
	scenario *scenario.Scenario
	history  []result.Call
	// complete: the history had room for all calls.
	complete bool
	events   []result.Event
	// lasted is until when clients began calls.
	lasted time.Duration
	// settled and lost tell how the replicas were in the end: all alike, or without memory.
	settled, lost bool
	rss           int64
	// crashes tell of replicas that ended by themselves.
	crashes []string
	// virtual: the processes were simulated, so that they have no memory to measure, and promises
	// is what became of those that checkers looked at.
	virtual  bool
	promises result.Check
}

// judge finds the verdict of a run, which had clients if there is a trial.
func (x *experiment) judge(t *trial, links []result.Link) result.Verdict {
	v := result.Verdict{Outcome: result.Invalid, Why: x.troubles}
	if t == nil {
		return v
	}
	if !t.complete {
		v.Why = append(v.Why, fmt.Sprintf("the clients stopped after %d calls, which is as many as are judged: set a rate", callsMax))
	}
	t.scenario, t.lasted, t.settled, t.lost = x.Scenario, x.worked, x.settled, x.lost
	v.Figures = t.figures()
	for i := range x.Scenario.Expect {
		v.Checks = append(v.Checks, t.check(&x.Scenario.Expect[i]))
	}
	if !slices.ContainsFunc(x.Scenario.Expect, func(e scenario.Expectation) bool { return e.What == scenario.Linearizable }) {
		v.Checks = append(v.Checks, t.check(&scenario.Expectation{What: scenario.Linearizable}))
	}
	if t.virtual {
		v.Checks = append(v.Checks, t.promises)
	}
	if len(t.crashes) > 0 {
		v.Checks = append(v.Checks, result.Check{What: "replicas run until they are ended", Outcome: result.Failed, Found: strings.Join(t.crashes, "; ")})
	}
	v.Why = append(v.Why, strayed(links)...)
	v.Outcome = outcome(&v, t.promises.Outcome == result.Failed || len(t.crashes) > 0)
	return v
}

// outcome is the worst that is known. A broken promise, a replica that ended by itself, and that
// clients saw what must not be, are failures of the group whatever the network did.
func outcome(v *result.Verdict, broken bool) result.Outcome {
	has := func(o result.Outcome) bool {
		return slices.ContainsFunc(v.Checks, func(c result.Check) bool { return c.Outcome == o })
	}
	unsafe := broken || slices.ContainsFunc(v.Checks, func(c result.Check) bool {
		return c.What == string(scenario.Linearizable) && c.Outcome == result.Failed
	})
	switch {
	case unsafe:
		return result.Failed
	case len(v.Why) > 0:
		return result.Invalid
	case has(result.Failed):
		return result.Failed
	case has(result.Unknown):
		return result.Unknown
	}
	return result.Pass
}

// strayed tells where links did something else than they were asked to do.
func strayed(links []result.Link) []string {
	var out []string
	more := 0
	for _, l := range links {
		for _, d := range l.Deviations {
			if len(out) == deviationsMax {
				more++
				continue
			}
			out = append(out, fmt.Sprintf("link from %d to %d, %v to %v: %s", l.From, l.To,
				l.Begin.Round(time.Millisecond), l.End.Round(time.Millisecond), d))
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// check finds out whether one expectation came true.
func (t *trial) check(e *scenario.Expectation) result.Check {
	outcome, found := t.find(e)
	return result.Check{What: e.String(), Outcome: outcome, Found: found}
}

func (t *trial) find(e *scenario.Expectation) (result.Outcome, string) {
	f := t.figures()
	holds := func(ok bool) result.Outcome {
		if ok {
			return result.Pass
		}
		return result.Failed
	}
	within := func(figure int64) (result.Outcome, string) {
		return holds(e.Holds(figure)), strconv.FormatInt(figure, 10)
	}
	switch e.What {
	case scenario.Linearizable:
		return linearizable(t.history)
	case scenario.NoCommittedOpLost:
		return t.kept()
	case scenario.GroupLost:
		return holds(t.lost), map[bool]string{true: "most replicas know that the memory is gone", false: "the replicas do not say that the memory is gone"}[t.lost]
	case scenario.RecoversWithin:
		return t.recovers(e)
	case scenario.ViewChanges:
		return within(int64(f.ViewChanges))
	case scenario.Acknowledged:
		return within(int64(f.Acknowledged))
	case scenario.States:
		return within(int64(f.States))
	case scenario.P99:
		if f.Acknowledged == 0 {
			return result.Failed, "nothing was acknowledged"
		}
		return holds(f.P99 <= e.Within), f.P99.Round(time.Microsecond).String()
	case scenario.Unavailable:
		return holds(f.Unavailable <= e.Within), f.Unavailable.Round(time.Millisecond).String()
	case scenario.RSS:
		if t.virtual {
			return result.NotJudged, "simulated processes have no memory of their own"
		}
		if f.RSS == 0 {
			return result.Unknown, "this system does not tell"
		}
		return within(f.RSS)
	}
	return result.Unknown, "nobody knows how to check this"
}

// kept tells whether the value that was read last holds every addition that was acknowledged, once,
// and whether all replicas have executed the same ops.
func (t *trial) kept() (result.Outcome, string) {
	var acked, open int64
	for _, c := range t.history {
		switch number := added(c.Command); c.End {
		case result.Answered:
			acked += number
		case result.Unanswered:
			open += number
		}
	}
	last := t.history[max(len(t.history)-1, 0):]
	if len(last) == 0 || last[0].Command != "read" || last[0].End != result.Answered {
		return result.Failed, "the value could not be read in the end"
	}
	value, err := strconv.ParseInt(last[0].Result, 10, 64)
	switch {
	case err != nil:
		return result.Failed, fmt.Sprintf("in the end the value was %q", last[0].Result)
	case value < acked:
		return result.Failed, fmt.Sprintf("additions of %d were acknowledged, and the value is %d: some are lost", acked, value)
	case value > acked+open:
		return result.Failed, fmt.Sprintf("additions of %d were made, and the value is %d: some were executed twice", acked+open, value)
	case !t.settled:
		return result.Failed, "in the end not all replicas had executed the same ops"
	}
	return result.Pass, fmt.Sprintf("all replicas have executed the same ops, and the value is %d", value)
}

// added is what a command adds.
func added(command string) int64 {
	text, _ := strings.CutPrefix(command, "add ")
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// recovers tells whether after each event a call that was made after it was answered in time.
func (t *trial) recovers(e *scenario.Expectation) (result.Outcome, string) {
	is := isEvent(e.After)
	worst, times := time.Duration(0), 0
	for i := range t.events {
		event := &t.events[i]
		if event.At < 0 || event.At >= t.lasted || !is(event) { // what ends with the run is no event of it
			continue
		}
		times++
		took := time.Duration(1<<63 - 1)
		for _, c := range t.history {
			if c.End == result.Answered && c.Invoke >= event.At {
				took = min(took, c.Return-event.At)
			}
		}
		worst = max(worst, took)
	}
	switch {
	case times == 0:
		return result.Failed, fmt.Sprintf("there was no %s", e.After)
	case worst > time.Hour:
		return result.Failed, "it did not"
	case worst > e.Within:
		return result.Failed, fmt.Sprintf("it took %v", worst.Round(time.Millisecond))
	}
	return result.Pass, fmt.Sprintf("%d times, %v at most", times, worst.Round(time.Millisecond))
}

// figures counts and measures.
func (t *trial) figures() result.Figures {
	f := result.Figures{Calls: len(t.history), RSS: t.rss}
	var latencies, acks []time.Duration
	for _, c := range t.history {
		switch c.End {
		case result.Answered:
			f.Acknowledged++
			latencies = append(latencies, c.Return-c.Invoke)
			acks = append(acks, min(c.Return, t.lasted))
		case result.Unanswered:
			f.Unanswered++
		case result.Refused:
			f.Refused++
		}
	}
	slices.Sort(latencies)
	quantile := func(q float64) time.Duration {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[min(int(q*float64(len(latencies))), len(latencies)-1)]
	}
	f.PerSecond = float64(f.Acknowledged) / max(t.lasted, time.Nanosecond).Seconds()
	f.P50, f.P99, f.P999, f.Slowest = quantile(0.5), quantile(0.99), quantile(0.999), quantile(1)
	slices.Sort(acks)
	last := time.Duration(0)
	for _, at := range append(acks, t.lasted) {
		f.Unavailable = max(f.Unavailable, at-last)
		last = max(last, at)
	}
	f.ViewChanges = t.viewChanges()
	for i := range t.events {
		if e := &t.events[i]; e.At >= 0 && e.Kind == result.Said && e.Name == vr.EventStateInstalled.String() {
			f.States++
		}
	}
	for _, sent := range result.TrafficOf(t.events) {
		f.Sent, f.Again = f.Sent+sent.Sent, f.Again+sent.Again
	}
	return f
}

// viewChanges counts the views that started after the beginning.
func (t *trial) viewChanges() int {
	views := make(map[uint64]bool)
	first := uint64(0)
	for _, e := range t.events {
		switch {
		case e.Kind != result.Said || e.Name != vr.EventViewStarted.String():
		case e.At < 0:
			first = max(first, e.View)
		case e.View > first:
			views[e.View] = true
		}
	}
	return len(views)
}
