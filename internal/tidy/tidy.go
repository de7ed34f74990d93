// Package tidy checks the rules of this source tree that a compiler does not know: who may import
// whom (arrows.go), what the pure packages must not touch (pure.go), and a few habits (this file).
// Its test runs them on the tree itself, so a broken rule is a failing test. A rule has no
// exceptions: who needs one changes the rule for all.
package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is the path of the main module, before that of every package of ours.
const module = "vrnode"

// A tree is the Go source below a directory, without testdata and nested modules.
type tree struct {
	root string
	fset *token.FileSet
	dirs []*directory
	// problems are what the rules found so far.
	problems []string
}

// A directory holds the files of one package.
type directory struct {
	path  string // from the root, with slashes
	files []*ast.File
	tests []*ast.File // those named _test.go
}

// Check returns what breaks the rules in the tree below root, sorted.
func Check(root string) ([]string, error) {
	t, err := load(root)
	if err != nil {
		return nil, err
	}
	if err := t.checkTopLevel(); err != nil {
		return nil, err
	}
	for _, d := range t.dirs {
		t.checkArrows(d)
		t.checkDoc(d)
		t.checkNotes(d)
	}
	if err := t.checkPurity(); err != nil {
		return nil, err
	}
	slices.Sort(t.problems)
	return slices.Compact(t.problems), nil
}

func load(root string) (*tree, error) {
	t := &tree{root: root, fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if file != root {
			name := entry.Name()
			_, err := os.Stat(filepath.Join(file, "go.mod"))
			if err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return fs.SkipDir
			}
		}
		return t.loadDirectory(file)
	})
	return t, err
}

func (t *tree) loadDirectory(file string) error {
	names, err := filepath.Glob(filepath.Join(file, "*.go"))
	if err != nil || len(names) == 0 {
		return err
	}
	relative, err := filepath.Rel(t.root, file)
	if err != nil {
		return err
	}
	d := &directory{path: filepath.ToSlash(relative)}
	for _, name := range names {
		f, err := parser.ParseFile(t.fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, "_test.go") {
			d.tests = append(d.tests, f)
		} else {
			d.files = append(d.files, f)
		}
	}
	t.dirs = append(t.dirs, d)
	return nil
}

// report adds a problem at a place in a file.
func (t *tree) report(at token.Pos, format string, args ...any) {
	p := t.fset.Position(at)
	file, err := filepath.Rel(t.root, p.Filename)
	if err != nil {
		file = p.Filename
	}
	t.problems = append(t.problems, fmt.Sprintf("%s:%d: %s", filepath.ToSlash(file), p.Line, fmt.Sprintf(format, args...)))
}

// topLevel is what the root may hold, besides names that begin with a dot and what .gitignore
// names.
var topLevel = strings.Fields(`CONTRIBUTING.md LICENSE Makefile README.md cmd frag go.mod go.sum
	internal netem statexfer vr wire`)

func (t *tree) checkTopLevel() error {
	entries, err := os.ReadDir(t.root)
	if err != nil {
		return err
	}
	ignored, err := os.ReadFile(filepath.Join(t.root, ".gitignore"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	patterns := strings.Fields(string(ignored))
	for _, e := range entries {
		name := e.Name()
		isIgnored := func(pattern string) bool {
			match, _ := path.Match(strings.Trim(pattern, "/"), name)
			return match
		}
		if name[0] != '.' && !slices.Contains(topLevel, name) && !slices.ContainsFunc(patterns, isIgnored) {
			t.problems = append(t.problems, name+": the top level does not hold this; put it beside what it belongs to")
		}
	}
	return nil
}

// checkDoc wants one comment on the package that says what it is.
func (t *tree) checkDoc(d *directory) {
	for _, f := range d.files {
		name := f.Name.Name
		if f.Doc != nil && (name == "main" || strings.HasPrefix(f.Doc.Text(), "Package "+name+" ")) {
			return
		}
	}
	if len(d.files) > 0 {
		t.report(d.files[0].Package, "package %s has no comment that begins with \"Package %[1]s\"", d.files[0].Name.Name)
	}
}

// checkNotes finds notes to self in comments.
func (t *tree) checkNotes(d *directory) {
	for _, f := range slices.Concat(d.files, d.tests) {
		for _, group := range f.Comments {
			for _, c := range group.List {
				for _, note := range []string{"FIXME", "TODO", "XXX"} {
					if strings.Contains(c.Text, note) {
						t.report(c.Pos(), "%s: do it, or say what is so and why", note)
					}
				}
			}
		}
	}
}
