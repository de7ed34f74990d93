// Package golden compares what a test produced with what a file says it should have, and rewrites
// the file when the test runs with -update. A diff of a golden file is reviewed like code.
//
// There are three kinds of file: a whole file (File), the generated parts of a document
// (Sections), and a trace (Trace), which is a list of directives with the output of each.
package golden

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

var update = flag.Bool("update", false, "rewrite golden files with what the tests produce")

// File fails the test unless the file at path holds got. With -update it writes the file instead.
func File(t testing.TB, path string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	d := diff.Diff(path, want, "what the test produced", got)
	if d == nil {
		return
	}
	if !*update {
		t.Fatalf("%s differs; if the difference is meant, run this test with -update\n%s", path, d)
	}
	if err := os.WriteFile(path, got, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is rewritten", path)
}

const (
	sectionBegin = "<!-- generated: "
	sectionEnd   = "<!-- end of generated -->\n"
)

// Sections checks the generated parts of a document. Such a part begins with the line
// "<!-- generated: name -->", ends with the line "<!-- end of generated -->", and what is between
// them must be what generate returns for the name, which ends in a newline.
func Sections(t testing.TB, path string, generate func(name string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := replaceSections(string(text), generate)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	File(t, path, []byte(got))
}

func replaceSections(text string, generate func(name string) string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, sectionBegin)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, rest, found := strings.Cut(rest, " -->\n")
		if !found {
			return "", fmt.Errorf("a mark of a generated part is not closed")
		}
		_, rest, found = strings.Cut(rest, sectionEnd)
		if !found {
			return "", fmt.Errorf("the generated part %q has no end", name)
		}
		out.WriteString(sectionBegin + name + " -->\n" + generate(name) + sectionEnd)
		text = rest
	}
}
