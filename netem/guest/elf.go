package guest

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// libraries are the directories where the loader looks without being told.
var libraries = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// program adds a file of the host and, if it is a program, the libraries that it needs, these where
// they are on the host.
func (a *archive) program(name, from string) {
	a.copy(name, from)
	f, err := elf.Open(from)
	if _, other := errors.AsType[*elf.FormatError](err); other {
		return
	}
	if err != nil {
		a.fail(fmt.Errorf("%s: %w", from, err))
		return
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			loader, err := io.ReadAll(p.Open())
			a.fail(err)
			a.copy(string(loader[:max(0, len(loader)-1)]), strings.TrimRight(string(loader), "\x00"))
		}
	}
	needed, err := f.ImportedLibraries()
	a.fail(err)
	for _, lib := range needed {
		if found := library(lib); found == "" {
			a.fail(fmt.Errorf("%s needs %s, which is in none of %v", from, lib, libraries))
		} else if !a.has[clean(found)] {
			a.program(found, found)
		}
	}
}

func library(name string) string {
	for _, directory := range libraries {
		if p := filepath.Join(directory, name); exists(p) {
			return p
		}
	}
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
