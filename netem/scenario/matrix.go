package scenario

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"vrnode/netem/link"
)

// An Axis is one thing that varies in a matrix.
type Axis struct {
	Name   string
	Values []string // as in the file, with a range written out
}

// A Cell is one scenario of a matrix. Its own Matrix is that of the whole.
type Cell struct {
	*Scenario
	// Values are those of the axes, in the order of Scenario.Matrix.
	Values []string
}

// String writes the cell as in "loss=5% delay=50ms"; it is empty if there is no matrix.
func (c *Cell) String() string {
	var out []string
	for i, a := range c.Matrix {
		out = append(out, a.Name+"="+c.Values[i])
	}
	return strings.Join(out, " ")
}

// Cells returns all cells, the last axis varying fastest. Without a matrix there is one.
func (s *Scenario) Cells() []Cell {
	count := 1
	for _, a := range s.Matrix {
		count *= len(a.Values)
	}
	cells := make([]Cell, count)
	for i := range cells {
		own := *s
		values := make([]string, len(s.Matrix))
		rest := i
		for j, a := range slices.Backward(s.Matrix) {
			values[j] = a.Values[rest%len(a.Values)]
			rest /= len(a.Values)
		}
		own.vary(values)
		cells[i] = Cell{&own, values}
	}
	return cells
}

// vary sets what the matrix varies. The kinds go in the order of axes: a profile sets what others
// change.
func (s *Scenario) vary(values []string) {
	for _, kind := range axes {
		for j, a := range s.Matrix {
			if a.Name == kind.name {
				kind.set(s, values[j])
			}
		}
	}
}

// axes are the kinds of axis, and what sets a value in a scenario or says false.
var axes = []struct {
	name, want string
	set        func(s *Scenario, text string) bool
}{
	{"profile", "a profile", (*Scenario).setProfile},
	{"replicas", "a number of replicas", func(s *Scenario, text string) bool {
		return store(&s.Replicas, text, integerWithin(1, ReplicasMax))
	}},
	{"clients", "a number of clients", func(s *Scenario, text string) bool {
		return store(&s.Workload.Clients, text, integerWithin(1, ClientsMax))
	}},
	{"seed", wantSeed, func(s *Scenario, text string) bool { return store(&s.Seed, text, parseSeed) }},
	{"loss", wantPercent, func(s *Scenario, text string) bool {
		s.Base.Loss = link.Loss{}
		return store(&s.Base.Loss.Random, text, parsePercent)
	}},
	{"delay", wantDuration, func(s *Scenario, text string) bool {
		s.Base.Delay = link.Delay{}
		return store(&s.Base.Delay.Mean, text, parseDuration)
	}},
	{"duplicate", wantPercent, func(s *Scenario, text string) bool { return store(&s.Base.Duplicate, text, parsePercent) }},
	{"corrupt", wantPercent, func(s *Scenario, text string) bool { return store(&s.Base.Corrupt, text, parsePercent) }},
	{"reorder", wantPercent, func(s *Scenario, text string) bool { return store(&s.Base.Reorder, text, parsePercent) }},
	{"duration", wantDuration, func(s *Scenario, text string) bool {
		return store(&s.Workload.Duration, text, parseDuration) && s.Workload.Duration >= time.Second
	}},
}

// store parses a text into a variable.
func store[T any](to *T, text string, parse func(string) (T, bool)) (ok bool) {
	*to, ok = parse(text)
	return ok
}

func (s *Scenario) setProfile(name string) bool {
	for _, p := range profiles {
		if p.Name == name {
			s.Profile, s.Base = name, p.Settings
			return true
		}
	}
	return false
}

func (r *reader) matrix(s *Scenario) func(ast.Node) {
	return func(n ast.Node) {
		read := make(map[string][]string)
		var fields []field
		for _, kind := range axes {
			fields = append(fields, may(kind.name, func(n ast.Node) {
				read[kind.name] = r.axis(n, kind.name)
				for _, text := range read[kind.name] {
					if probe := (Scenario{}); !kind.set(&probe, text) {
						r.failAt(n, "matrix, %s: %q: want %s", kind.name, text, kind.want)
					}
				}
			}))
		}
		if r.mapping(n, "matrix", fields...) == nil {
			return
		}
		cells := 1
		for _, v := range n.(*ast.MappingNode).Values {
			name := v.Key.GetToken().Value
			if values := read[name]; len(values) > 0 {
				s.Matrix = append(s.Matrix, Axis{name, values})
				cells *= len(values)
			}
			if cells > CellsMax {
				r.failAt(v.Value, "the matrix has %d cells up to here, at most %d are allowed", cells, CellsMax)
				return
			}
		}
	}
}

// axis reads the values of one axis: a list, or a range such as 1..10.
func (r *reader) axis(n ast.Node, name string) []string {
	var out []string
	if s, is := n.(*ast.StringNode); is {
		first, last, found := strings.Cut(s.GetToken().Value, "..")
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if !found || errA != nil || errB != nil || a < 0 || b < a || b-a >= CellsMax {
			r.failAt(n, "matrix, %s: want a list or a range such as 1..10", name)
			return nil
		}
		for i := a; i <= b; i++ {
			out = append(out, strconv.Itoa(i))
		}
		return out
	}
	for _, e := range r.list(n, "matrix, "+name, CellsMax) {
		if text, ok := r.text(e, "a value"); ok {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		r.failAt(n, "matrix, %s: no values", name)
	}
	return out
}
