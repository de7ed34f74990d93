package tc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"vrnode/netem/scenario"
)

// Plan writes a scenario as a shell script with the time of each step, for people to read and to
// run by hand. Who has which role is known in a run only; here replica 1 is the primary first, and
// when it is hit the next one follows.
func Plan(s *scenario.Scenario) string {
	p := &plan{
		scenario: s,
		lab:      NewLab(s.Replicas, s.Workload.Clients),
		dice:     s.Dice("plan"),
		group:    scenario.Group{Replicas: s.Replicas, Clients: s.Workload.Clients, Primary: 1, NextPrimary: scenario.Site(min(2, s.Replicas))},
	}
	p.net = s.NewNetwork(&p.group, p.dice)
	p.write()
	return p.out.String()
}

type plan struct {
	scenario *scenario.Scenario
	lab      *Lab
	net      *scenario.Network
	group    scenario.Group
	dice     *rand.Rand
	pending  []ending
	rebound  []scenario.Site // that have another port than their own
	out      strings.Builder
}

// An ending is what a step with a duration leaves to be done.
type ending struct {
	at    time.Duration
	title string
	do    func()
}

func (p *plan) write() {
	s := p.scenario
	fmt.Fprintf(&p.out, "# %s: %s\n# It needs: %v.\n", s.Name, s.Hypothesis, s.Needs())
	p.title("The network: a namespace for each site and an observer, a link for each pair")
	p.commands(p.lab.Up())
	p.title("What the links do from the beginning")
	p.links(p.net.All())
	p.title("The processes")
	for r := scenario.Site(1); int(r) <= s.Replicas; r++ {
		p.serve(r)
	}
	p.commands([]Command{p.lab.Exec(Observer, "vrnode", "form", "--insecure", "--peers", p.peers())})
	if s.State > 0 {
		p.note("vrnode call --machine kv has the group put keys and values of %d bytes.", s.State)
	}
	now := time.Duration(0)
	for _, step := range s.Steps {
		// After an event it goes on when that comes; here it comes at once.
		due := step.When.At
		if step.When.After != "" {
			due = now + step.When.Plus
		}
		p.finish(due)
		p.title(capital(fmt.Sprintf("%v: %v", step.When, step.Action)))
		p.take(step, due)
		now = due
	}
	p.finish(s.Workload.Duration)
	p.title("The end")
	p.commands(p.lab.Down())
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func (p *plan) title(text string) { fmt.Fprintf(&p.out, "\n# %s.\n", text) }

func (p *plan) commands(list []Command) {
	for _, c := range list {
		fmt.Fprintln(&p.out, c)
	}
}

func (p *plan) note(format string, args ...any) { fmt.Fprintf(&p.out, "# "+format+"\n", args...) }

func (p *plan) links(changed []scenario.Changed) {
	commands := p.lab.Set(changed...)
	p.commands(commands)
	if len(commands) == 0 {
		p.note("Nothing.")
	}
}

func (p *plan) peers() string {
	var peers []string
	for r := scenario.Site(1); int(r) <= p.scenario.Replicas; r++ {
		peers = append(peers, fmt.Sprintf("%d=%v:%d", int(r), p.lab.Addr(r), ReplicaPort))
	}
	return strings.Join(peers, ",")
}

// take writes what a step does and remembers what it leaves to be done.
func (p *plan) take(step scenario.Step, now time.Duration) {
	later := func(after time.Duration, title string, do func()) {
		if after > 0 {
			p.pending = append(p.pending, ending{now + after, title, do})
		}
	}
	switch a := step.Action.(type) {
	case *scenario.Crash:
		for _, r := range a.Target.Sites(&p.group, p.dice) {
			p.note("kill -KILL the process of replica %d.", r)
			p.hit(r)
			later(a.RestartAfter, fmt.Sprintf("Start replica %d again", r), func() { p.serve(r) })
		}
	case *scenario.Pause:
		for _, r := range a.Target.Sites(&p.group, p.dice) {
			p.note("kill -STOP the process of replica %d.", r)
			p.hit(r)
			later(step.For, fmt.Sprintf("Let replica %d go on", r), func() { p.note("kill -CONT the process of replica %d.", r) })
		}
	case *scenario.Rekey:
		for _, r := range a.Target.Sites(&p.group, p.dice) {
			p.note("replace the --key-file of replica %d, and kill -HUP its process.", r)
		}
	case *scenario.Rebind:
		sites := a.Target.Sites(&p.group, p.dice)
		for _, s := range sites {
			p.commands([]Command{p.lab.Rebind(s)})
		}
		p.rebound = append(p.rebound, sites...)
		later(step.For, fmt.Sprintf("The end of: %v", a), func() { p.release(sites) })
	case *scenario.Drop:
		p.note("tc and nft do not know messages: only sim and relay do this.")
	case *scenario.Heal:
		p.pending = nil
		p.links(p.net.Heal())
		p.release(slices.Clone(p.rebound))
		p.note("Let go on and start again whoever is not running.")
	default:
		id, changed := p.net.Begin(step.Action, &p.group, p.dice)
		p.links(changed)
		if part, is := step.Action.(*scenario.Partition); is && part.Shape == scenario.Full {
			for _, r := range part.Target.Sites(&p.group, p.dice) {
				p.hit(r)
			}
		}
		later(step.For, fmt.Sprintf("The end of: %v", step.Action), func() { p.links(p.net.End(id)) })
	}
}

// release gives sites their own ports again.
func (p *plan) release(sites []scenario.Site) {
	for _, s := range sites {
		p.commands([]Command{p.lab.Followed(s), p.lab.Release(s)})
		p.rebound = slices.DeleteFunc(p.rebound, func(other scenario.Site) bool { return other == s })
	}
}

// serve starts a replica in the background.
func (p *plan) serve(r scenario.Site) {
	command := []string{"vrnode", "serve", "--id", fmt.Sprint(int(r)), "--insecure", "--peers", p.peers()}
	fmt.Fprintf(&p.out, "%v &\n", p.lab.Exec(r, append(command, p.scenario.Serve()...)...))
}

// hit moves the role of primary on if it was this replica's.
func (p *plan) hit(r scenario.Site) {
	if g := &p.group; r == g.Primary {
		g.OldPrimary, g.Primary = g.Primary, g.NextPrimary
		g.NextPrimary = g.NextPrimary%scenario.Site(g.Replicas) + 1
	}
}

// finish writes what is left to be done up to a time, in order.
func (p *plan) finish(until time.Duration) {
	slices.SortStableFunc(p.pending, func(a, b ending) int { return int(a.at - b.at) })
	for len(p.pending) > 0 && p.pending[0].at <= until {
		e := p.pending[0]
		p.pending = p.pending[1:]
		p.title(fmt.Sprintf("At %v: %s", e.at, e.title))
		e.do()
	}
}
