package planted

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vrnode/internal/golden"
	"vrnode/internal/sim"
)

const root = "../.."

// Every patch applies to the source as it is.
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
			if _, err := p.Overlay(abs, t.TempDir()); err != nil {
				t.Fatal(err)
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

// TestSchedules plays the schedule of each planted bug on the source as it is.
func TestSchedules(t *testing.T) {
	for _, path := range schedules(t) {
		t.Run(name(path), func(t *testing.T) {
			s := sim.NewScript()
			golden.Trace(t, path, func(d *golden.Directive) string { return s.Do(d.Command, d.Args) })
			if v := s.Violation(); v != nil {
				t.Error(v)
			}
		})
	}
}

// TestBugsAreFound plays each schedule on a build with its bug, which must break an invariant.
func TestBugsAreFound(t *testing.T) {
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range schedules(t) {
		t.Run(name(path), func(t *testing.T) {
			p, err := Load(strings.TrimSuffix(path, ".txt") + ".patch")
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := p.Overlay(abs, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			play := exec.Command("go", "test", "-overlay", overlay, "-v", "-run", "^TestPlay$", ".", "-args", "-play", path)
			out, err := play.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			found := strings.Contains(string(out), foundMark+"I") // not by chance, by a panic
			if !found {
				t.Errorf("the bug was not found:\n%s\n%s", p.About, out)
			}
			t.Logf("%s", out)
		})
	}
}

// TestBugsWithoutASchedule runs the test that is to find a bug on a build with it.
func TestBugsWithoutASchedule(t *testing.T) {
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ patch, pkg, test, says string }{
		{"T1", "./statexfer", "TestPiecesAreChecked", "a wrong piece was stored"},
		{"T2", "./vr", "TestPrimaryWithoutAStateDoesNotCount", "with one that has no state"},
		{"T3", "./statexfer", "TestEqualBlocks", "wrong: false"},
		{"T4", "./vr", "TestLogIsPinnedForAState", "held "},
		{"T5", "./vr", "TestNewGroupSurvivesOneCrash", "replica 2 is halted, want normal"},
		{"T6", "./vr", "TestNewGroupForgetsTheRunsOfTheLast", "replica 2 is halted, want normal"},
		{"T7", "./vr", "TestAnswerOfALostGroup", "replica 3 is recovering, want normal"},
		{"T8", "./vr", "TestTailIsCommitted", "4 ops of the tail, want 2"},
		{"T9", "./internal/stack", "TestTailIsExecuted", "and nobody has noticed"},
	} {
		t.Run(c.patch, func(t *testing.T) {
			p, err := Load("testdata/" + c.patch + ".patch")
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := p.Overlay(abs, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			run := exec.Command("go", "test", "-overlay", overlay, "-run", "^"+c.test+"$", c.pkg)
			run.Dir = abs
			out, err := run.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.says) { // not by chance, by a panic
				t.Errorf("the bug was not found:\n%s\n%v\n%s", p.About, err, out)
			}
		})
	}
}

var play = flag.String("play", "", "the schedule that TestPlay plays")

// foundMark begins the line on which TestPlay names the invariant that was broken.
const foundMark = "found: "

// TestPlay plays one schedule and prints the invariant that it breaks, if it does. It is what runs
// inside a build with a bug.
func TestPlay(t *testing.T) {
	if *play == "" {
		t.Skip("needs a schedule; TestBugsAreFound runs it")
	}
	directives, err := golden.Directives(*play)
	if err != nil {
		t.Fatal(err)
	}
	s := sim.NewScript()
	for _, d := range directives {
		s.Do(d.Command, d.Args)
	}
	if v := s.Violation(); v != nil {
		fmt.Println(foundMark + v.String())
	}
}

func schedules(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d schedules: %v", len(paths), err)
	}
	return paths
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txt") }
