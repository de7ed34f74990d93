package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// The methods below return what reads one value of a kind into a variable.

// words reads a sentence. It becomes one line, which can go into a comment and to a terminal.
func (r *reader) words(to *string) func(ast.Node) {
	return value(r, to, "a sentence that can be printed", func(text string) (string, bool) {
		line := strings.Join(strings.Fields(text), " ")
		return line, line != "" && strings.TrimFunc(line, unicode.IsPrint) == ""
	})
}

// slug reads a name that can be one of a file, too.
func (r *reader) slug(to *string) func(ast.Node) {
	return value(r, to, fmt.Sprintf("at most %d small letters, digits and hyphens", nameMax), func(s string) (string, bool) {
		plain := func(c rune) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }
		return s, len(s) <= nameMax && strings.TrimFunc(s, plain) == "" && s != "" && s[0] != '-'
	})
}

// value reads a scalar with a function that says false to what it does not understand.
func value[T any](r *reader, to *T, want string, parse func(string) (T, bool)) func(ast.Node) {
	return func(n ast.Node) {
		text, ok := r.text(n, want)
		if !ok {
			return
		}
		if v, ok := parse(text); ok {
			*to = v
		} else {
			r.failAt(n, "%q: want %s", text, want)
		}
	}
}

// oneOf reads one of the known words.
func oneOf[T ~string](r *reader, to *T, known []T) func(ast.Node) {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	return func(n ast.Node) {
		text, ok := r.text(n, "one of "+strings.Join(names, ", "))
		if !ok {
			return
		}
		for _, k := range known {
			if string(k) == text {
				*to = k
				return
			}
		}
		r.failAt(n, "unknown word %q%s", text, suggestion(text, names))
	}
}

// What people are told when a value is not of a kind.
const (
	wantSeed     = "a whole number"
	wantPercent  = "a percentage such as 5%"
	wantDuration = "a duration such as 50ms or 3s, at most 10m"
)

func (r *reader) integer(to *int, low, high int) func(ast.Node) {
	return value(r, to, fmt.Sprintf("a whole number from %d to %d", low, high), integerWithin(low, high))
}

func integerWithin(low, high int) func(string) (int, bool) {
	return func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= low && n <= high
	}
}

func (r *reader) seed(to *uint64) func(ast.Node) { return value(r, to, wantSeed, parseSeed) }

func parseSeed(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

func (r *reader) boolean(to *bool) func(ast.Node) {
	return value(r, to, "true or false", func(s string) (bool, bool) { return s == "true", s == "true" || s == "false" })
}

func (r *reader) duration(to *time.Duration) func(ast.Node) {
	return value(r, to, wantDuration, parseDuration)
}

func parseDuration(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0 && d <= DurationMax
}

func (r *reader) percent(to *float64) func(ast.Node) { return value(r, to, wantPercent, parsePercent) }

func parsePercent(s string) (float64, bool) {
	number, found := strings.CutSuffix(s, "%")
	p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	return p / 100, found && err == nil && p >= 0 && p <= 100
}

// A unit is a suffix and what it stands for.
type unit struct {
	name string
	is   int64
}

// The units, larger ones first, and each before those that are its end.
var (
	sizeUnits = []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}
	bitUnits  = []unit{{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}
)

func withUnit(s string, units []unit) (int64, bool) {
	for _, u := range units {
		if number, found := strings.CutSuffix(s, u.name); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			n *= float64(u.is)
			return int64(n), err == nil && n >= 0 && n < 1e15 && n == math.Trunc(n)
		}
	}
	return 0, false
}

func (r *reader) size(to *int64) func(ast.Node) {
	return value(r, to, "a size such as 64KiB or 200MiB", func(s string) (int64, bool) { return withUnit(s, sizeUnits) })
}

func (r *reader) bits(to *int64) func(ast.Node) {
	return value(r, to, "bits per second such as 500kbit or 10Mbit", func(s string) (int64, bool) { return withUnit(s, bitUnits) })
}

func (r *reader) perSecond(to *int) func(ast.Node) {
	want := "operations per second such as 200/s, at most " + strconv.Itoa(RateMax) + "/s"
	return value(r, to, want, func(s string) (int, bool) {
		number, found := strings.CutSuffix(s, "/s")
		n, err := strconv.Atoi(number)
		return n, found && err == nil && n >= 1 && n <= RateMax
	})
}

// target reads a role. Replicas by number are checked later, when their number is known.
func (r *reader) target(to *Target) func(ast.Node) {
	return func(n ast.Node) {
		text, ok := r.text(n, "whom it is about")
		if !ok {
			return
		}
		if number, found := strings.CutPrefix(text, string(Numbered)+":"); found {
			i, err := strconv.Atoi(number)
			if err != nil || i < 1 || i > ReplicasMax {
				r.failAt(n, "%q: want the number of a replica, such as replica:2", text)
			}
			*to = Target{Numbered, i}
			return
		}
		known := []string{string(Numbered) + ":N"}
		for _, role := range roles {
			if text == string(role) {
				*to = Target{Role: role}
				return
			}
			known = append(known, string(role))
		}
		r.failAt(n, "unknown target %q%s", text, suggestion(text, known))
	}
}
