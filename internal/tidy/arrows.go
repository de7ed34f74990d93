package tidy

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// arrows tells what each package may import: of ours, and of others by the short names below.
// The standard library is free for all but the pure packages, internal/assert for all; test files
// are not held to it. A star stands for any last element, alone for all of ours. A package that no
// row names may not exist.
var arrows = []struct{ packages, ours, others string }{
	{"wire", "", "xxhash"},
	{"frag", "wire frag/noise internal/slab", "xxhash compress"},
	{"frag/noise", "", ""},
	{"vr", "wire internal/slab", ""},
	{"statexfer", "wire internal/slab", "xxhash"},
	{"internal/stack", "wire frag frag/noise vr statexfer", ""},

	{"frag/udp", "wire", "x/sys"},
	{"internal/loop", "wire vr statexfer internal/stack internal/memory frag/noise frag/udp", ""},
	{"vr/node vr/client", "vr wire statexfer internal/stack internal/loop frag/noise frag/udp", ""},
	{"vr/machine/accumulator", "", ""},
	{"vr/machine/kv", "", "btree"},
	{"cmd/vrnode", "*", "cobra pflag progressbar"},

	{"netem/link", "", ""},
	{"netem/scenario netem/tc", "wire netem/link netem/scenario", "go-yaml"},
	{"netem/scenarios", "", ""},
	{"netem/result", "", ""},
	{"netem/report", "netem/link netem/result", "gonum"},
	{"netem/relay", "wire netem/link netem/scenario internal/ports", ""},
	{"netem/kernel", "wire netem/link netem/scenario netem/tc", "x/sys"},
	{"netem/guest", "netem/tc", ""},
	{"netem/host", "netem/link netem/tc", ""},
	{"netem/lab", "wire vr vr/client internal/memory internal/sim netem/link netem/scenario netem/result netem/guest vr/machine/*", "porcupine"},

	{"internal/sim", "wire vr statexfer internal/stack frag frag/noise netem/link", "porcupine xxhash"},
	{"internal/bench internal/demo", "wire vr vr/node vr/client vr/machine/* internal/ports", "hdrhistogram"},
	{"internal/linktest", "wire frag frag/noise frag/udp", "hdrhistogram"},
	{"internal/linkbench", "frag/noise internal/linktest netem/kernel", "hdrhistogram x/sys"},
	{"internal/transferbig", "wire vr vr/client vr/machine/kv internal/memory internal/ports", "hdrhistogram x/sys"},
	{"internal/flood", "wire", ""},
	{"internal/fragtest", "wire frag frag/udp", ""},
	{"internal/siege", "wire vr/node vr/client vr/machine/* frag/noise internal/flood internal/memory internal/ports", ""},
	{"internal/golden", "", "go-internal"},
	{"internal/memory", "", "x/sys"},
	{"internal/assert internal/planted internal/ports internal/race internal/slab internal/tally internal/tidy", "", ""},
}

// modules are the modules that arrows calls by a short name.
var modules = map[string]string{
	"btree":        "github.com/tidwall/btree",
	"cobra":        "github.com/spf13/cobra",
	"compress":     "github.com/klauspost/compress",
	"go-internal":  "github.com/rogpeppe/go-internal",
	"go-yaml":      "github.com/goccy/go-yaml",
	"gonum":        "gonum.org/v1/plot",
	"hdrhistogram": "github.com/HdrHistogram/hdrhistogram-go",
	"pflag":        "github.com/spf13/pflag",
	"porcupine":    "github.com/anishathalye/porcupine",
	"progressbar":  "github.com/schollz/progressbar/v3",
	"x/sys":        "golang.org/x/sys",
	"xxhash":       "github.com/cespare/xxhash/v2",
}

func (t *tree) checkArrows(d *directory) {
	if len(d.files) == 0 {
		return
	}
	ours, others, found := arrowsFrom(d.path)
	if !found {
		t.report(d.files[0].Package, "no row of internal/tidy/arrows.go says what package %s may import", d.path)
		return
	}
	for _, f := range d.files {
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if !mayImport(imported, ours, others) {
				t.report(spec.Pos(), "%s may not import %s: see the arrows in CONTRIBUTING.md", d.path, imported)
			}
		}
	}
}

// arrowsFrom returns what the package in a directory may import.
func arrowsFrom(directory string) (ours, others []string, found bool) {
	for _, row := range arrows {
		for pattern := range strings.FieldsSeq(row.packages) {
			if match, _ := path.Match(pattern, directory); match {
				return append(strings.Fields(row.ours), "internal/assert"), strings.Fields(row.others), true
			}
		}
	}
	return nil, nil, false
}

func mayImport(imported string, ours, others []string) bool {
	if own, is := strings.CutPrefix(imported, module+"/"); is {
		return slices.Contains(ours, "*") || slices.ContainsFunc(ours, func(pattern string) bool {
			match, _ := path.Match(pattern, own)
			return match
		})
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(others, func(name string) bool { return within(imported, modules[name]) })
}

// within tells whether an import path is a package or one below it.
func within(imported, parent string) bool {
	return imported == parent || strings.HasPrefix(imported, parent+"/")
}
