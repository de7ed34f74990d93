package golden

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A Directive is one step of a trace:
//
//	command argument key=value "an argument with spaces"
//	lines of input, often none
//	----
//	lines of expected output, up to a blank line or the end of the file
//
// Between directives there may be blank lines and comments, which begin with #.
type Directive struct {
	Command string
	Args    []string
	Input   string
	// Pos is the file and line of the command, for messages of failure.
	Pos string
}

// Trace runs every directive of the file at path through run, in order, and checks that each
// gives the output that the file says. Output may not hold blank lines; its last newline is
// optional.
func Trace(t testing.TB, path string, run func(d *Directive) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	steps, tail, err := parse(path, string(text))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, s := range steps {
		output := strings.TrimSuffix(run(&s.directive), "\n")
		if output != "" {
			output += "\n"
		}
		if strings.Contains("\n"+output, "\n\n") {
			t.Fatalf("%s: the output has a blank line, which would end it:\n%s", s.directive.Pos, output)
		}
		got.WriteString(s.source + separator + "\n" + output)
	}
	got.WriteString(tail)
	File(t, path, []byte(got.String()))
}

// Directives returns the directives of the file at path, without running or checking anything.
func Directives(path string) ([]Directive, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	steps, _, err := parse(path, string(text))
	directives := make([]Directive, len(steps))
	for i := range steps {
		directives[i] = steps[i].directive
	}
	return directives, err
}

const separator = "----"

// A step is a directive and its text: all that precedes its separator since the output before it.
type step struct {
	directive Directive
	source    string
}

// parse splits a trace into its steps and what follows the output of the last one.
func parse(path, text string) (steps []step, tail string, err error) {
	var (
		source   strings.Builder // since the last output
		d        *Directive
		inOutput bool
	)
	number := 0
	for line := range strings.Lines(text) {
		number++
		content := strings.TrimRight(line, " \t\n")
		if inOutput && line != "\n" {
			continue
		}
		inOutput = false
		switch {
		case d == nil && (content == "" || content[0] == '#'):
		case d == nil:
			words, err := split(content)
			if err != nil {
				return nil, "", fmt.Errorf("%s:%d: %w", path, number, err)
			}
			d = &Directive{Command: words[0], Args: words[1:], Pos: fmt.Sprintf("%s:%d", path, number)}
		case content == separator:
			steps = append(steps, step{*d, source.String()})
			source.Reset()
			d, inOutput = nil, true
			continue
		default:
			d.Input += line
		}
		source.WriteString(line)
	}
	if d != nil {
		return nil, "", fmt.Errorf("%s: the directive has no %s", d.Pos, separator)
	}
	return steps, source.String(), nil
}

// split cuts a line into words at blanks. A word, or the value of key=value, may be a Go string
// in double quotes.
func split(line string) ([]string, error) {
	var words []string
	for rest := strings.TrimLeft(line, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		end := strings.IndexAny(rest, " \t\"")
		if end < 0 {
			end = len(rest)
		}
		word := rest[:end]
		rest = rest[end:]
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("%s: the quoted word has no end", line)
			}
			value, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			word += value
			rest = rest[len(quoted):]
		}
		words = append(words, word)
	}
	return words, nil
}
