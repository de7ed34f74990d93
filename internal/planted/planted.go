// Package planted makes builds of our own source with one bug in it, so that tests can prove that
// they would find it. The bugs are patches in testdata; the source knows nothing of them.
//
// A patch is a text file: a comment that tells the bug, and any number of changes
//
//	--- vr/viewchange.go
//	<<<
//	the lines as they are, exactly once in the file
//	===
//	the lines with the bug
//	>>>
//
// It is applied to a copy, which Go's -overlay flag puts in place of the original.
package planted

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// A Patch is one planted bug.
type Patch struct {
	Name    string // of the file, without its ending
	About   string // the comment
	Changes []Change
}

// A Change replaces lines of one file.
type Change struct {
	File     string // slash-separated, from the module's root
	Old, New string
}

// Load reads a patch.
func Load(path string) (*Patch, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &Patch{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	file := ""
	rest := strings.SplitAfter(string(text), "\n")
	for i := 0; i < len(rest); i++ {
		line := strings.TrimRight(rest[i], "\n")
		switch {
		case strings.HasPrefix(line, "# "):
			p.About += strings.TrimPrefix(line, "# ") + "\n"
		case strings.HasPrefix(line, "--- "):
			file = strings.TrimPrefix(line, "--- ")
		case line == "<<<":
			c := Change{File: file}
			for i++; i < len(rest) && rest[i] != "===\n"; i++ {
				c.Old += rest[i]
			}
			for i++; i < len(rest) && strings.TrimRight(rest[i], "\n") != ">>>"; i++ {
				c.New += rest[i]
			}
			if i >= len(rest) || file == "" || c.Old == "" {
				return nil, fmt.Errorf("%s: a change without its file, its lines or its end", path)
			}
			p.Changes = append(p.Changes, c)
		case line != "":
			return nil, fmt.Errorf("%s: unexpected line %q", path, line)
		}
	}
	if len(p.Changes) == 0 {
		return nil, fmt.Errorf("%s: a patch without changes", path)
	}
	return p, nil
}

// Overlay applies the patch to the source below root, writes the changed files and the overlay
// description into dir, and returns the latter's path, for go build -overlay. Lines that are not
// in their file exactly once are an error: the source has moved on, and the patch must follow.
func (p *Patch) Overlay(root, dir string) (string, error) {
	changed := map[string]string{}
	for _, c := range p.Changes {
		path := filepath.Join(root, filepath.FromSlash(c.File))
		text, ok := changed[path]
		if !ok {
			b, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			text = string(b)
		}
		if n := strings.Count(text, c.Old); n != 1 {
			return "", fmt.Errorf("patch %s no longer applies: these lines are %d times in %s:\n%s", p.Name, n, c.File, c.Old)
		}
		changed[path] = strings.Replace(text, c.Old, c.New, 1)
	}
	paths := make([]string, 0, len(changed))
	for path := range changed {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	replace := map[string]string{}
	for i, path := range paths {
		copied := filepath.Join(dir, fmt.Sprintf("%s-%d-%s", p.Name, i, filepath.Base(path)))
		if err := os.WriteFile(copied, []byte(changed[path]), 0o644); err != nil {
			return "", err
		}
		replace[path] = copied
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, p.Name+"-overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o644)
}
