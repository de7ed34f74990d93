package scenario

import (
	"github.com/goccy/go-yaml/ast"

	"vrnode/wire"
)

// faults are the values of the key fault of a step.
var faults = []string{"crash", "pause", "partition", "link", "drop", "rekey", "rebind"}

func (r *reader) step(n ast.Node) Step {
	s := Step{Line: lineOf(n)}
	fault, heal := "", ""
	fields := []field{
		may("at", r.duration(&s.When.At)),
		may("after", oneOf(r, &s.When.After, events)),
		may("plus", r.duration(&s.When.Plus)),
		may("fault", oneOf(r, &fault, faults)),
		may("heal", oneOf(r, &heal, []string{"all"})),
	}
	lasts := may("for", r.duration(&s.For))
	switch kind := peek(n, "fault"); kind {
	case "crash":
		a := &Crash{}
		s.Action = a
		fields = append(fields, need("target", r.target(&a.Target)), may("restart_after", r.duration(&a.RestartAfter)))
	case "pause":
		a := &Pause{}
		s.Action = a
		fields = append(fields, need("target", r.target(&a.Target)), lasts)
	case "partition":
		a := &Partition{}
		s.Action = a
		fields = append(append(fields, r.partition(n, a)...), lasts)
	case "link":
		a := &Change{}
		s.Action = a
		fields = append(append(append(fields, r.where(n, &a.Where)...), r.impairment(n, &a.Impairment)...), lasts)
	case "drop":
		a := &Drop{Count: 1}
		s.Action = a
		fields = append(append(fields, r.where(n, &a.Where)...), lasts,
			need("message", r.message(&a.Message)),
			may("skip", r.integer(&a.Skip, 0, RateMax)), may("count", r.integer(&a.Count, 1, RateMax)))
	case "rekey":
		a := &Rekey{}
		s.Action = a
		fields = append(fields, need("target", r.target(&a.Target)))
	case "rebind":
		a := &Rebind{}
		s.Action = a
		fields = append(fields, need("target", r.target(&a.Target)), lasts)
	case "":
		s.Action = &Heal{}
		if peek(n, "heal") == "" {
			r.failAt(n, "a step is a fault or a heal, and this is neither")
			return s
		}
	default:
		r.failAt(n, "unknown fault %q%s", kind, suggestion(kind, faults))
		return s
	}
	there := r.mapping(n, "this step", fields...)
	if (there["at"] == nil) == (there["after"] == nil) || there["plus"] != nil && there["after"] == nil {
		r.failAt(n, "a step is taken at a time, or after an event, perhaps plus some time")
	}
	if there["fault"] != nil && there["heal"] != nil {
		r.failAt(n, "a step is a fault or a heal, and this is both")
	}
	return s
}

func (r *reader) partition(n ast.Node, p *Partition) []field {
	fields := []field{need("shape", oneOf(r, &p.Shape, shapes))}
	switch Shape(peek(n, "shape")) {
	case Full:
		return append(fields, need("target", r.target(&p.Target)))
	case Bridge:
		p.Target = Target{Role: AnyBackup}
		return append(fields, may("target", r.target(&p.Target)))
	case OneWay:
		return append(fields, need("from", r.target(&p.Where.From)), need("to", r.target(&p.Where.To)))
	}
	return fields
}

func (r *reader) message(to *wire.Kind) func(ast.Node) {
	return func(n ast.Node) {
		text, ok := r.text(n, "a kind of message")
		if !ok {
			return
		}
		var known bool
		if *to, known = wire.KindNamed(text); known {
			return
		}
		var names []string
		for k := wire.KindRegister; k <= wire.KindMax; k++ {
			names = append(names, k.String())
		}
		r.failAt(n, "unknown message %q%s", text, suggestion(text, names))
	}
}

// plainExpectations are those that are a word alone.
var plainExpectations = []Expect{Linearizable, NoCommittedOpLost, GroupLost}

func (r *reader) expectation(n ast.Node) Expectation {
	e := Expectation{Line: lineOf(n), Max: NoMax}
	values, is := n.(*ast.MappingNode)
	if !is {
		oneOf(r, &e.What, plainExpectations)(n)
		return e
	}
	known := []string{string(RecoversWithin), string(ViewChanges), string(Acknowledged), string(States), string(P99), string(Unavailable), string(RSS)}
	for _, name := range known {
		if !has(n, name) {
			continue
		}
		if e.What != "" {
			r.failAt(n, "an expectation is one thing, and this is %s and %s", e.What, name)
			return e
		}
		e.What = Expect(name)
	}
	switch e.What {
	case RecoversWithin:
		r.mapping(n, "this expectation", need(string(e.What), r.duration(&e.Within)), need("after", oneOf(r, &e.After, events)))
	case ViewChanges, Acknowledged, States:
		r.mapping(n, "this expectation", need(string(e.What), r.bounds(&e)))
	case Unavailable, P99:
		r.mapping(n, "this expectation", need(string(e.What), func(n ast.Node) {
			r.mapping(n, string(e.What), need("max", r.duration(&e.Within)))
		}))
	case RSS:
		r.mapping(n, "this expectation", need(string(e.What), func(n ast.Node) {
			r.mapping(n, string(e.What), need("max", r.size(&e.Max)))
		}))
	default:
		if len(values.Values) == 0 {
			r.failAt(n, "this expectation is empty")
			return e
		}
		key := values.Values[0].Key.GetToken().Value
		r.failAt(n, "unknown expectation %q%s", key, suggestion(key, known))
	}
	return e
}

func (r *reader) bounds(e *Expectation) func(ast.Node) {
	return func(n ast.Node) {
		low, high := 0, -1
		there := r.mapping(n, string(e.What), may("min", r.integer(&low, 0, RateMax)), may("max", r.integer(&high, 0, RateMax)))
		if len(there) == 0 && r.problems == nil {
			r.failAt(n, "%s: want min or max, without which it always holds", e.What)
		}
		e.Min = int64(low)
		if high >= 0 {
			e.Max = int64(high)
		}
	}
}
