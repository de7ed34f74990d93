package guest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"vrnode/netem/tc"
)

// wanted are the modules that the guest loads, besides those that these depend on.
func wanted() []string { return append([]string{"virtio_pci", "virtio_console"}, tc.Modules()...) }

// unpack are the commands that read the modules of kernels that compress them.
var unpack = map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"}

// A module is the object code of one.
type module struct {
	name string
	code []byte
}

// A moduleTree holds the modules of one kernel. Debian's package has no modules.dep, which is made
// when it is installed; but each module names those that it depends on.
type moduleTree struct {
	files   map[string]string // by name
	builtin map[string]bool
	loaded  map[string]bool
	order   []module
}

// modules returns those wanted and those that they depend on, in an order in which they load.
func modules(directory string) ([]module, error) {
	t := moduleTree{make(map[string]string), make(map[string]bool), make(map[string]bool), nil}
	err := filepath.WalkDir(directory, func(file string, d fs.DirEntry, err error) error {
		if base := filepath.Base(file); err == nil && d.Type().IsRegular() && strings.Contains(base, ".ko") {
			t.files[moduleName(base)] = file
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(directory, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for file := range strings.FieldsSeq(string(builtin)) {
		t.builtin[moduleName(filepath.Base(file))] = true
	}
	for _, name := range wanted() {
		if err := t.load(name); err != nil {
			return nil, err
		}
	}
	return t.order, nil
}

// moduleName returns the name of a module, given that of its file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(file, ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

func (t *moduleTree) load(name string) error {
	if name == "" || t.loaded[name] || t.builtin[name] {
		return nil
	}
	t.loaded[name] = true
	file, has := t.files[name]
	if !has {
		return fmt.Errorf("no module %s", name)
	}
	code, err := os.ReadFile(file)
	if program := unpack[filepath.Ext(file)]; program != "" {
		code, err = exec.Command(program, "-dc", file).Output()
	}
	if err != nil {
		return err
	}
	depends, err := dependencies(code)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, d := range depends {
		if err := t.load(moduleName(d)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	t.order = append(t.order, module{name, code})
	return nil
}

// dependencies reads what a module says of itself.
func dependencies(code []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("not a kernel module")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, is := strings.CutPrefix(entry, "depends="); is {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
