package scenario

import (
	"slices"
	"time"

	"vrnode/netem/link"
)

// checkCells checks all cells of a scenario up to the first that has a problem.
func (r *reader) checkCells(s *Scenario) {
	for _, cell := range s.Cells() {
		if r.check(cell.Scenario); r.problems != nil {
			return
		}
	}
}

// check finds what is wrong with a scenario, or a cell of it, whose parts are all right.
func (r *reader) check(s *Scenario) {
	r.checkSettings(s.Base, 1, "links")
	for _, rule := range s.Rules {
		if rule.Impairment == (Impairment{}) {
			r.fail(rule.Line, "links: this changes nothing")
		}
		base := s.Base
		rule.Impairment.Apply(&base)
		r.checkSettings(base, rule.Line, "links")
		r.checkTargets(s, rule.Line, rule.Where.From, rule.Where.To)
		if len(rule.Where.Directions(s.first(), s.Dice("check"))) == 0 {
			r.fail(rule.Line, "links: there is none %v at the beginning", rule.Where)
		}
	}
	r.checkReorder(s)
	if len(s.Expect) == 0 {
		r.fail(1, "nothing is expected, so nothing can fail")
	}
	if s.Workload.Duration == 0 {
		r.fail(1, "workload: the duration is 0")
	}
	var last time.Duration
	for _, step := range s.Steps {
		if step.When.After == "" {
			if step.When.At < last {
				r.fail(step.Line, "this step is due at %v, the one before it at %v: put them in order", step.When.At, last)
			}
			last = step.When.At
		}
		if end := max(step.When.At, step.When.Plus); end >= s.Workload.Duration {
			r.fail(step.Line, "this step is due at %v, when the workload of %v has ended", end, s.Workload.Duration)
		}
		r.checkAction(s, &step)
	}
	if s.Needs()&(CanRekey|CanDropMessages) == CanRekey|CanDropMessages {
		r.fail(1, "a group with keys lets nobody see what kind a message is: drop and rekey do not go together")
	}
	for _, e := range s.Expect {
		if e.Min > e.Max {
			r.fail(e.Line, "%s: the least, %d, is more than the most, %d", e.What, e.Min, e.Max)
		}
	}
}

// first is a group as it is at the beginning, as far as that is known.
func (s *Scenario) first() *Group {
	return &Group{Replicas: s.Replicas, Clients: s.Workload.Clients, Primary: 1, NextPrimary: Site(min(s.Replicas, 2))}
}

// checkReorder refuses what is to overtake others on links where everything arrives at once. In a
// matrix of delays it may be so in some cells.
func (r *reader) checkReorder(s *Scenario) {
	if slices.ContainsFunc(s.Matrix, func(a Axis) bool { return a.Name == "delay" }) {
		return
	}
	links := s.Links(s.first(), s.Dice("check"))
	still := true
	for _, settings := range links {
		still = still && settings.Delay.Mean == 0
	}
	for _, step := range s.Steps {
		if a, is := step.Action.(*Change); is && a.Impairment.Delay != nil {
			still = still && a.Impairment.Delay.Mean == 0
		}
	}
	if !still {
		return
	}
	wants := func(i *Impairment) bool { return i.Reorder != nil && *i.Reorder > 0 }
	const complaint = "reorder does nothing without a delay, and no link has one"
	if s.Base.Reorder > 0 {
		r.fail(1, complaint)
	}
	for _, rule := range s.Rules {
		if wants(&rule.Impairment) {
			r.fail(rule.Line, complaint)
		}
	}
	for _, step := range s.Steps {
		if a, is := step.Action.(*Change); is && wants(&a.Impairment) {
			r.fail(step.Line, complaint)
		}
	}
}

func (r *reader) checkAction(s *Scenario, step *Step) {
	switch a := step.Action.(type) {
	case *Crash:
		r.checkProcesses(s, step.Line, a.Target)
	case *Pause:
		r.checkProcesses(s, step.Line, a.Target)
	case *Rekey:
		r.checkProcesses(s, step.Line, a.Target)
	case *Rebind:
		r.checkTargets(s, step.Line, a.Target)
	case *Partition:
		switch {
		case a.Shape == Ring && s.Replicas < 4:
			r.fail(step.Line, "a ring of %d replicas cuts nothing; it takes 4", s.Replicas)
		case a.Shape == Bridge && slices.Contains([]Role{Backups, Minority, Majority, Replicas, All, Clients}, a.Target.Role):
			r.fail(step.Line, "a bridge is one replica, not %v", a.Target)
		}
		r.checkTargets(s, step.Line, a.Target, a.Where.From, a.Where.To)
	case *Change:
		if a.Impairment == (Impairment{}) {
			r.fail(step.Line, "this step changes nothing")
		}
		base := s.Base
		a.Impairment.Apply(&base)
		r.checkSettings(base, step.Line, "the changed links")
		r.checkTargets(s, step.Line, a.Where.From, a.Where.To)
	case *Drop:
		r.checkTargets(s, step.Line, a.Where.From, a.Where.To)
	}
}

func (r *reader) checkSettings(s link.Settings, line int, what string) {
	if err := s.Validate(); err != nil {
		r.fail(line, "%s: %v", what, err)
	}
}

func (r *reader) checkTargets(s *Scenario, line int, targets ...Target) {
	for _, t := range targets {
		if t.Role == Numbered && t.Number > s.Replicas {
			r.fail(line, "there is no %v: the group has %d replicas", t, s.Replicas)
		}
	}
}

// checkProcesses wants targets that run a replica: clients have no faults of their own.
func (r *reader) checkProcesses(s *Scenario, line int, t Target) {
	r.checkTargets(s, line, t)
	if t.Role == Clients || t.Role == All {
		r.fail(line, "only replicas can be crashed, paused or given keys, not %v", t)
	}
}
