package scenario

import (
	"github.com/goccy/go-yaml/ast"

	"vrnode/netem/link"
)

// version is that of the file format.
const version = 1

// Parse reads a scenario. file is its name for people: every problem begins with it and a line.
func Parse(file string, text []byte) (*Scenario, error) {
	r := &reader{file: file}
	s := &Scenario{File: file}
	if n := r.document(text); n != nil {
		r.scenario(n, s)
		if r.problems == nil {
			r.checkCells(s)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *reader) scenario(n ast.Node, s *Scenario) {
	var is int
	s.Replicas, s.Profile = 3, "none"
	r.mapping(n, "the scenario",
		need("version", r.integer(&is, version, version)),
		need("name", r.slug(&s.Name)),
		need("hypothesis", r.words(&s.Hypothesis)),
		need("seed", r.seed(&s.Seed)),
		may("cluster", func(n ast.Node) {
			r.mapping(n, "cluster", may("replicas", r.integer(&s.Replicas, 1, ReplicasMax)), may("state", r.state(&s.State)))
		}),
		may("profile", r.profile(s)),
		may("links", func(n ast.Node) {
			for _, e := range r.list(n, "links", RulesMax) {
				rule := Rule{Line: lineOf(e)}
				r.mapping(e, "links", append(r.where(e, &rule.Where), r.impairment(e, &rule.Impairment)...)...)
				s.Rules = append(s.Rules, rule)
			}
		}),
		need("workload", r.workload(&s.Workload)),
		may("steps", func(n ast.Node) {
			for _, e := range r.list(n, "steps", StepsMax) {
				s.Steps = append(s.Steps, r.step(e))
			}
		}),
		need("expect", func(n ast.Node) {
			for _, e := range r.list(n, "expect", StepsMax) {
				s.Expect = append(s.Expect, r.expectation(e))
			}
		}),
		may("matrix", r.matrix(s)),
	)
}

func (r *reader) profile(s *Scenario) func(ast.Node) {
	return func(n ast.Node) {
		oneOf(r, &s.Profile, profileNames())(n)
		s.setProfile(s.Profile)
	}
}

func (r *reader) state(to *int64) func(ast.Node) {
	return func(n ast.Node) {
		if r.size(to)(n); *to != 0 && (*to < StateMin || *to > StateMax) {
			r.failAt(n, "a state of %d bytes: want %d to %d", *to, StateMin, StateMax)
		}
	}
}

func (r *reader) workload(w *Workload) func(ast.Node) {
	return func(n ast.Node) {
		r.mapping(n, "workload",
			need("clients", r.integer(&w.Clients, 1, ClientsMax)),
			may("rate", r.perSecond(&w.Rate)),
			may("reads", r.percent(&w.Reads)),
			need("duration", r.duration(&w.Duration)),
		)
	}
}

// where reads the keys that say which links are meant: target, or from and to. Without any it is
// all of them.
func (r *reader) where(n ast.Node, w *Where) []field {
	all := Target{Role: All}
	*w = Where{From: all, To: all}
	if has(n, "target") {
		if has(n, "from") || has(n, "to") {
			r.failAt(n, "links of a target, both ways, or from and to, one way: not both")
		}
		w.Both = true
		return []field{may("target", r.target(&w.From)), may("from", ignore), may("to", ignore)}
	}
	return []field{may("target", ignore), may("from", r.target(&w.From)), may("to", r.target(&w.To))}
}

// impairment reads the keys that say what links do.
func (r *reader) impairment(n ast.Node, i *Impairment) []field {
	if has(n, "queue") && !has(n, "rate") {
		r.failAt(n, "a queue is in front of a rate, which is missing")
	}
	return []field{
		may("down", optional(&i.Down, r.boolean)),
		may("mtu", optional(&i.MTU, func(to *int) func(ast.Node) { return r.integer(to, link.MTUMin, 65535) })),
		may("rate", func(n ast.Node) {
			i.Rate = &link.Rate{Queue: queueDefault}
			r.bits(&i.Rate.Bits)(n)
		}),
		may("queue", func(n ast.Node) {
			var size int64
			r.size(&size)(n)
			if i.Rate != nil {
				i.Rate.Queue = int(size)
			}
		}),
		may("loss", optional(&i.Loss, r.loss)),
		may("duplicate", optional(&i.Duplicate, r.percent)),
		may("corrupt", optional(&i.Corrupt, r.percent)),
		may("reorder", optional(&i.Reorder, r.percent)),
		may("delay", optional(&i.Delay, r.delay)),
		may("limit", optional(&i.Limit, func(to *int) func(ast.Node) { return r.integer(to, 1, link.LimitMax) })),
	}
}

// queueDefault is the queue of a rate that does not name one.
const queueDefault = 64 << 10

// optional reads into a variable that is made when there is something to read.
func optional[T any](to **T, read func(*T) func(ast.Node)) func(ast.Node) {
	return func(n ast.Node) {
		*to = new(T)
		read(*to)(n)
	}
}

func (r *reader) loss(l *link.Loss) func(ast.Node) {
	return func(n ast.Node) {
		if _, is := n.(*ast.MappingNode); !is {
			r.percent(&l.Random)(n)
			return
		}
		l.Burst.Bad = 1
		r.mapping(n, "loss", need("gemodel", func(n ast.Node) {
			r.mapping(n, "gemodel",
				need("p", r.percent(&l.Burst.Turn)),
				need("r", r.percent(&l.Burst.Mend)),
				may("bad", r.percent(&l.Burst.Bad)),
				may("good", r.percent(&l.Burst.Good)),
			)
		}))
	}
}

func (r *reader) delay(d *link.Delay) func(ast.Node) {
	return func(n ast.Node) {
		if _, is := n.(*ast.MappingNode); !is {
			r.duration(&d.Mean)(n)
			return
		}
		name := link.Uniform.String()
		var names []string
		for _, known := range link.Distributions() {
			names = append(names, known.String())
		}
		r.mapping(n, "delay",
			need("mean", r.duration(&d.Mean)),
			may("jitter", r.duration(&d.Jitter)),
			may("distribution", oneOf(r, &name, names)),
		)
		if has(n, "distribution") && d.Jitter == 0 {
			r.failAt(n, "a distribution is that of a jitter, which is missing")
		}
		for _, known := range link.Distributions() {
			if known.String() == name {
				d.Distribution = known
			}
		}
	}
}
