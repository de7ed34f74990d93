package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A reader walks over a file and collects what is wrong with it, so that one look shows all.
type reader struct {
	file     string
	problems []error
}

// problemsMax bounds what is collected.
const problemsMax = 20

// fail notes a problem at a line.
func (r *reader) fail(line int, format string, args ...any) {
	if len(r.problems) < problemsMax {
		r.problems = append(r.problems, fmt.Errorf("%s:%d: %s", r.file, line, fmt.Sprintf(format, args...)))
	}
}

func (r *reader) failAt(n ast.Node, format string, args ...any) { r.fail(lineOf(n), format, args...) }

func (r *reader) err() error { return errors.Join(r.problems...) }

func lineOf(n ast.Node) int { return n.GetToken().Position.Line }

// document returns the one document of a file, or nil if there is none to go on with.
func (r *reader) document(text []byte) ast.Node {
	if len(text) > FileMax {
		r.fail(1, "the file is longer than %d bytes", FileMax)
		return nil
	}
	file, err := parser.ParseBytes(text, 0)
	if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		r.fail(syntax.Token.Position.Line, "%s", syntax.Message)
		return nil
	}
	if err != nil {
		r.fail(1, "%v", err)
		return nil
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(docs) != 1 {
		r.fail(1, "want one YAML document, not %d", len(docs))
		return nil
	}
	return docs[0].Body
}

// A field is a key of a mapping and what reads its value.
type field struct {
	name     string
	required bool
	read     func(ast.Node)
}

func need(name string, read func(ast.Node)) field { return field{name, true, read} }
func may(name string, read func(ast.Node)) field  { return field{name, false, read} }

// ignore reads what has been read already.
func ignore(ast.Node) {}

// mapping reads the keys of a mapping, in the order of the fields, and returns which were there.
func (r *reader) mapping(n ast.Node, where string, fields ...field) map[string]ast.Node {
	values, ok := n.(*ast.MappingNode)
	if !ok {
		r.failAt(n, "%s: want keys and values, not %s", where, describe(n))
		return nil
	}
	there := make(map[string]ast.Node)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	for _, v := range values.Values {
		key := v.Key.GetToken().Value
		if !slices.Contains(names, key) {
			r.failAt(v.Key, "unknown key %q in %s%s", key, where, suggestion(key, names))
			continue
		}
		there[key] = v.Value
	}
	for _, f := range fields {
		if value, is := there[f.name]; is {
			f.read(value)
		} else if f.required {
			r.failAt(n, "%s: the key %q is missing", where, f.name)
		}
	}
	return there
}

// peek returns the text of a key of a mapping, "" if it is not there.
func peek(n ast.Node, name string) string {
	if m, ok := n.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if v.Key.GetToken().Value == name {
				return v.Value.GetToken().Value
			}
		}
	}
	return ""
}

// has tells whether a mapping has a key.
func has(n ast.Node, name string) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool { return v.Key.GetToken().Value == name })
}

// list returns the elements of a sequence.
func (r *reader) list(n ast.Node, where string, most int) []ast.Node {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.failAt(n, "%s: want a list, not %s", where, describe(n))
		return nil
	}
	if len(s.Values) > most {
		r.failAt(n, "%s: %d elements, at most %d are allowed", where, len(s.Values), most)
		return nil
	}
	return s.Values
}

// text returns a scalar as it is written, or false.
func (r *reader) text(n ast.Node, want string) (string, bool) {
	switch v := n.(type) {
	case *ast.LiteralNode:
		return strings.TrimSpace(v.Value.Value), true
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	r.failAt(n, "want %s, not %s", want, describe(n))
	return "", false
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "an anchor, alias or tag, which scenarios do not have"
	}
	return fmt.Sprintf("%q", n.GetToken().Value)
}

// suggestion names the word nearest to one that is not known.
func suggestion(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(word, a) - distance(word, b) })
	if 2*distance(word, nearest) <= max(len(word), len(nearest)) {
		return fmt.Sprintf("; did you mean %q?", nearest)
	}
	return fmt.Sprintf("; the nearest known is %q of %s", nearest, strings.Join(known, ", "))
}

// distance is how many letters must be added, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := corner
			if a[i] != b[j] {
				replaced++
			}
			corner = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
