package tidy

import (
	"errors"
	"go/ast"
	"go/build"
	"go/importer"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// purePackages do the same on every machine and in every run: what they do follows from their
// arguments alone. Simulation, replay and exploration rest on it.
var purePackages = strings.Fields(`wire frag frag/noise vr statexfer vr/machine/accumulator vr/machine/kv
	internal/assert internal/sim internal/slab internal/stack netem/link`)

// impure are the packages that a pure package may not import, with those below them, and what to
// use instead.
var impure = map[string]string{
	"context":      "nothing: a pure call returns at once",
	"crypto/rand":  "a seed from the Config",
	"golang.org/x": "frag/udp, which is for the operating system",
	"hash/maphash": "xxhash, which is the same in every run",
	"log":          "an Event or a counted Reason",
	"maps":         "a sorted slice: the order of a map differs from run to run",
	"math/rand":    "math/rand/v2 with a generator made from a seed",
	"net":          "net/netip for addresses; sockets are in frag/udp",
	"os":           "an argument",
	"reflect":      "a type switch",
	"runtime":      "nothing: a pure package does not see its process",
	"sync":         "nothing: the caller calls one at a time",
	"syscall":      "frag/udp, which is for the operating system",
	"testing":      "a _test.go file",
	"unsafe":       "encoding/binary",
}

// allowed are the exceptions: packages below an impure one that are pure, and packages of which a
// pure package may use some names only.
var allowed = map[string]struct{ names, instead string }{
	"net/netip":    {"*", ""},
	"math/rand/v2": {"New NewPCG NewChaCha8 PCG ChaCha8 Rand Source", "a generator made from a seed: rand.New(rand.NewPCG(seed, stream))"},
	"time":         {"Duration ParseDuration Nanosecond Microsecond Millisecond Second Minute Hour", "an argument now time.Duration, and Deadline to be called again"},
	"fmt":          {"Sprint Sprintf Sprintln Append Appendf Appendln Errorf Fprint Fprintf Fprintln Formatter GoStringer State Stringer", "a string that the caller prints"},
}

func (t *tree) checkPurity() error {
	own := &ownImporter{tree: t, packages: map[string]*types.Package{}}
	for _, d := range t.dirs {
		if !slices.Contains(purePackages, d.path) {
			continue
		}
		for _, f := range d.files {
			t.checkImpureImports(f)
			t.checkConcurrency(f)
		}
		selected, err := d.selected(t.fset)
		if err != nil {
			return err
		}
		if len(selected) < len(d.files) {
			t.report(d.files[0].Package, "a pure package is the same in every build: no file of %s depends on platform or tags", d.path)
		}
		t.checkTypes(d, selected, own)
	}
	return nil
}

func (t *tree) checkImpureImports(f *ast.File) {
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if spec.Name != nil && spec.Name.Name == "." {
			t.report(spec.Pos(), "import . in a pure package; name the package")
		}
		if _, ok := allowed[imported]; ok {
			continue
		}
		for _, p := range slices.Sorted(maps.Keys(impure)) {
			if within(imported, p) {
				t.report(spec.Pos(), "import of %s in a pure package; use %s", imported, impure[p])
			}
		}
	}
}

// checkConcurrency finds what has to do with goroutines. The word chan covers every use of one.
func (t *tree) checkConcurrency(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.report(n.Pos(), "go statement in a pure package; put the work into Effects, for the runtime to do")
		case *ast.SelectStmt:
			t.report(n.Pos(), "select in a pure package; input comes through Step")
		case *ast.SendStmt:
			t.report(n.Pos(), "send on a channel in a pure package; append to Effects")
		case *ast.ChanType:
			t.report(n.Pos(), "channel in a pure package; input comes through Step, output goes to Effects")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				t.report(n.Pos(), "receive from a channel in a pure package; input comes through Step")
			}
		}
		return true
	})
}

// checkTypes finds what only types tell: which package a name belongs to, and what is ranged over.
func (t *tree) checkTypes(d *directory, files []*ast.File, own *ownImporter) {
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: own, Error: func(err error) {
		if e, ok := err.(types.Error); ok && !e.Soft {
			t.report(e.Pos, "%s", e.Msg)
		}
	}}
	config.Check(module+"/"+d.path, t.fset, files, info)
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				t.checkName(n, info)
			case *ast.RangeStmt:
				t.checkRange(n, info)
			}
			return true
		})
	}
}

func (t *tree) checkName(n *ast.SelectorExpr, info *types.Info) {
	x, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	p, ok := info.Uses[x].(*types.PkgName)
	if !ok {
		return
	}
	rule, ok := allowed[p.Imported().Path()]
	if !ok || rule.names == "*" || slices.Contains(strings.Fields(rule.names), n.Sel.Name) {
		return
	}
	t.report(n.Pos(), "%s.%s in a pure package; use %s", p.Imported().Path(), n.Sel.Name, rule.instead)
}

func (t *tree) checkRange(n *ast.RangeStmt, info *types.Info) {
	typ := info.Types[n.X].Type
	if typ == nil {
		return // the package does not compile, which is reported
	}
	if _, ok := typ.Underlying().(*types.Map); ok {
		t.report(n.X.Pos(), "range over a map in a pure package; keep a sorted slice beside it, or instead of it")
	}
}

// selected returns the files of d that a build on this machine takes.
func (d *directory) selected(fset *token.FileSet) ([]*ast.File, error) {
	var files []*ast.File
	for _, f := range d.files {
		dir, name := filepath.Split(fset.Position(f.Package).Filename)
		match, err := build.Default.MatchFile(dir, name)
		if err != nil {
			return nil, err
		}
		if match {
			files = append(files, f)
		}
	}
	return files, nil
}

// An ownImporter imports our packages from the tree and all others from their source.
type ownImporter struct {
	tree     *tree
	packages map[string]*types.Package
}

// others keeps what was imported, since reading package time alone takes a second.
var others = sync.OnceValue(func() types.ImporterFrom {
	return importer.ForCompiler(token.NewFileSet(), "source", nil).(types.ImporterFrom)
})

func (o *ownImporter) Import(path string) (*types.Package, error) {
	name, isOurs := strings.CutPrefix(path, module+"/")
	at := slices.IndexFunc(o.tree.dirs, func(d *directory) bool { return d.path == name })
	if !isOurs || at < 0 {
		return others().ImportFrom(path, o.tree.root, 0)
	}
	if p, seen := o.packages[path]; p != nil {
		return p, nil
	} else if seen {
		return nil, errors.New("import cycle through " + path)
	}
	o.packages[path] = nil
	d := o.tree.dirs[at]
	files, err := d.selected(o.tree.fset)
	if err != nil {
		return nil, err
	}
	config := types.Config{Importer: o, IgnoreFuncBodies: true, Error: func(error) {}}
	p, _ := config.Check(path, o.tree.fset, files, nil)
	o.packages[path] = p
	return p, nil
}
