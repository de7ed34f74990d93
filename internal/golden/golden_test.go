package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func arithmetic(d *Directive) string {
	switch d.Command {
	case "add":
		sum := 0
		for _, a := range d.Args {
			n, _ := strconv.Atoi(a)
			sum += n
		}
		return strconv.Itoa(sum)
	case "say":
		return strings.Join(d.Args, "\n")
	case "count":
		return fmt.Sprintf("%d lines\n", strings.Count(d.Input, "\n"))
	case "nothing":
		if strings.HasSuffix(d.Pos, ":24") {
			return "# This line directly below the dashes is output, not a comment."
		}
	}
	return ""
}

func TestTrace(t *testing.T) {
	Trace(t, "testdata/arithmetic.txt", arithmetic)
}

func TestTraceRewritesOutputsOnly(t *testing.T) {
	right, err := os.ReadFile("testdata/arithmetic.txt")
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.NewReplacer("\n6\n", "\n7\n8\n", "2 lines\n", "").Replace(string(right))
	path := filepath.Join(t.TempDir(), "trace.txt")
	write(t, path, wrong)

	if message := failure(t, func(t testing.TB) { Trace(t, path, arithmetic) }); !strings.Contains(message, "-7\n-8\n+6\n") {
		t.Errorf("a wrong output fails with %q, without the difference", message)
	}
	updating(t, func() { Trace(t, path, arithmetic) })
	if got, _ := os.ReadFile(path); string(got) != string(right) {
		t.Errorf("rewritten to\n%s", got)
	}
}

func TestTraceRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no dashes":   {"add 1 2\n3\n", ":1: the directive has no ----"},
		"open quotes": {"\nsay \"abc\n----\n", ":2: "},
		"blank line":  {"say \"a\\n\\nb\"\n----\n", "blank line"},
	} {
		path := filepath.Join(t.TempDir(), "trace.txt")
		write(t, path, c.text)
		if message := failure(t, func(t testing.TB) { Trace(t, path, arithmetic) }); !strings.Contains(message, c.want) {
			t.Errorf("%s: fails with %q, want %q", name, message, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	got, err := split("  a\tb=c  d=\"e f\"\"g\" ")
	if want := []string{"a", "b=c", "d=e f", "g"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("split = %q, %v, want %q", got, err, want)
	}
}

func TestSections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	write(t, path, "before\n<!-- generated: a -->\nold\n<!-- end of generated -->\nafter\n")
	shout := func(name string) string { return strings.ToUpper(name) + "\n" }
	if message := failure(t, func(t testing.TB) { Sections(t, path, shout) }); !strings.Contains(message, "-old\n+A\n") {
		t.Errorf("a stale section fails with %q", message)
	}
	updating(t, func() { Sections(t, path, shout) })
	Sections(t, path, shout)

	for _, text := range []string{"<!-- generated: a", "<!-- generated: a -->\nold\n"} {
		write(t, path, text)
		if message := failure(t, func(t testing.TB) { Sections(t, path, shout) }); message == "" {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.txt")
	if message := failure(t, func(t testing.TB) { File(t, path, nil) }); message == "" {
		t.Error("a missing file is accepted")
	}
	updating(t, func() { File(t, path, []byte("new")) })
	File(t, path, []byte("new"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// updating runs f as if with -update.
func updating(t *testing.T, f func()) {
	t.Helper()
	before := *update
	*update = true
	defer func() { *update = before }()
	f()
}

// failure runs f as if without -update and returns how it failed, or "".
func failure(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	before := *update
	*update = false
	defer func() { *update = before }()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.message
}

// A recorder keeps the message of the failure instead of failing.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatal(args ...any) {
	r.message = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }
