package planted

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const root = "../.."

// Every patch applies to the source as it is, and what it makes compiles.
func TestPatchesApply(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.patch")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no patches: %v", err)
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			p, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if p.About == "" {
				t.Error("a patch without a comment that tells the bug")
			}
			overlay, err := p.Overlay(abs, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			build := exec.Command("go", "build", "-overlay", overlay, "./vr")
			build.Dir = root
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

func TestPatchThatNoLongerAppliesIsAnError(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.go": "package a\n", "twice.go": "x\nx\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []Change{{"a.go", "func gone() {}\n", ""}, {"twice.go", "x\n", "y\n"}, {"missing.go", "x\n", ""}} {
		p := &Patch{Name: "P", Changes: []Change{c}}
		if _, err := p.Overlay(dir, t.TempDir()); err == nil {
			t.Errorf("%+v was applied", c)
		}
	}
}

func TestLoadRefusesWhatIsNotAPatch(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "hello\n", "<<<\na\n===\nb\n>>>\n", "--- a.go\n<<<\na\n===\nb\n"} {
		path := filepath.Join(t.TempDir(), "p.patch")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%q was loaded", text)
		}
	}
}
