package tidy

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestThisTree(t *testing.T) {
	problems, err := Check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// clean is a small tree that breaks no rule, and comes close to many.
var clean = map[string]string{
	".gitignore": "/bin/\n*.prof\n",
	"bin/vrnode": "",
	"cpu.prof":   "",
	"go.mod":     "module vrnode\n",
	"wire/doc.go": `// Package wire is a leaf.
package wire

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

type Table struct{ Rows map[string]int }

type Keys []string

const Interval = 10 * time.Millisecond

// Step does all that a pure package may.
func Step(now time.Duration, seed uint64, addr netip.AddrPort, t *Table, keys Keys) (sum time.Duration) {
	dice := rand.New(rand.NewPCG(seed, 1))
	for _, k := range keys {
		sum += time.Duration(t.Rows[k]) + time.Duration(dice.Uint64N(10))
	}
	for range 3 {
		sum += now
	}
	return sum
}
`,
	"wire/wire_test.go": `package wire

import (
	"os"
	"time"

	_ "vrnode/vr"
)

var Start, Host = time.Now(), os.Getpid()
`,
	"wire/testdata/bad.go": "not Go",
	"vr/doc.go": `// Package vr is a pure package that imports another.
package vr

import "vrnode/wire"

// Replica is here for its field.
type Replica struct{ Table wire.Table }
`,
	"frag/udp/doc.go": `// Package udp may touch the world.
package udp

import (
	"net"
	"time"
)

func Run(c net.Conn, ready chan int, m map[int]bool) {
	go func() { ready <- time.Now().Day() }()
	for range m {
	}
}
`,
	"internal/tools/go.mod": "module tools\n",
	"internal/tools/x.go":   "package nodoc\n\nimport _ \"vrnode/vr\"\n",
}

// planted are files that break one rule each, and what is said about them.
var planted = []struct{ name, file, text, want string }{
	{"arrow up", "wire/bad.go", `import _ "vrnode/vr"`, "wire/bad.go:3: wire may not import vrnode/vr"},
	{"arrow sideways", "frag/bad.go", `import _ "vrnode/vr"`, "frag/bad.go:3: frag may not import vrnode/vr"},
	{"arrow to below", "vr/bad.go", `import _ "vrnode/frag/udp"`, "vr may not import vrnode/frag/udp"},
	{"arrow of a machine", "vr/machine/kv/bad.go", `import _ "vrnode/wire"`, "vr/machine/kv may not import vrnode/wire"},
	{"arrow to a module", "frag/udp/bad.go", `import _ "github.com/spf13/pflag"`, "frag/udp may not import github.com/spf13/pflag"},
	{"arrow of nobody", "internal/util/bad.go", ``, "no row of internal/tidy/arrows.go says what package internal/util may import"},

	{"clock", "vr/bad.go", "import \"time\"\n\nvar start = time.Now()", "vr/bad.go:5: time.Now in a pure package; use an argument now"},
	{"clock, renamed", "vr/bad.go", "import clock \"time\"\n\nvar since = clock.Since", "time.Since in a pure package"},
	{"clock, dot", "vr/bad.go", "import . \"time\"\n\nvar start = Now()", "import . in a pure package"},
	{"sleep", "vr/bad.go", "import \"time\"\n\nfunc wait() { time.Sleep(1) }", "time.Sleep in a pure package"},
	{"timer", "vr/bad.go", "import \"time\"\n\nvar timer *time.Timer", "time.Timer in a pure package"},
	{"instant", "vr/bad.go", "import \"time\"\n\ntype event struct{ at time.Time }", "time.Time in a pure package"},
	{"print", "vr/bad.go", "import \"fmt\"\n\nfunc talk() { fmt.Println() }", "fmt.Println in a pure package"},
	{"entropy", "vr/bad.go", `import _ "crypto/rand"`, "import of crypto/rand in a pure package; use a seed"},
	{"old dice", "vr/bad.go", `import _ "math/rand"`, "import of math/rand in a pure package"},
	{"dice without a seed", "vr/bad.go", "import \"math/rand/v2\"\n\nvar n = rand.IntN(6)", "math/rand/v2.IntN in a pure package; use a generator made from a seed"},
	{"socket", "vr/bad.go", `import _ "net"`, "import of net in a pure package; use net/netip"},
	{"file", "vr/bad.go", `import _ "os"`, "import of os in a pure package"},
	{"program", "vr/bad.go", `import _ "os/exec"`, "import of os/exec in a pure package"},
	{"lock", "vr/bad.go", `import _ "sync"`, "import of sync in a pure package"},
	{"atomic", "vr/bad.go", `import _ "sync/atomic"`, "import of sync/atomic in a pure package"},
	{"system call", "vr/bad.go", `import _ "syscall"`, "import of syscall in a pure package"},
	{"system", "frag/bad.go", `import _ "golang.org/x/sys/unix"`, "import of golang.org/x/sys/unix in a pure package"},
	{"logger", "vr/bad.go", `import _ "log/slog"`, "import of log/slog in a pure package; use an Event"},
	{"context", "vr/bad.go", `import _ "context"`, "import of context in a pure package"},
	{"runtime", "vr/bad.go", `import _ "runtime"`, "import of runtime in a pure package"},
	{"unsafe", "vr/bad.go", `import _ "unsafe"`, "import of unsafe in a pure package"},
	{"map in order", "vr/bad.go", `import _ "maps"`, "import of maps in a pure package"},

	{"goroutine", "vr/bad.go", "func run() { go run() }", "vr/bad.go:3: go statement in a pure package"},
	{"channel", "vr/bad.go", "var c chan int", "channel in a pure package"},
	{"send", "vr/bad.go", "func send(r Replica) { r.c <- 1 }", "send on a channel in a pure package"},
	{"receive", "vr/bad.go", "func receive(r Replica) { <-r.c }", "receive from a channel in a pure package"},
	{"select", "vr/bad.go", "func wait() { select {} }", "select in a pure package"},

	{"range over a map", "vr/bad.go", "func f(m map[int]int) { for range m { f(m) } }", "vr/bad.go:3: range over a map in a pure package"},
	{"range over a field", "vr/bad.go", "func (r *Replica) f() { for range r.Table.Rows { r.f() } }", "range over a map in a pure package"},
	{"range over a named map", "vr/bad.go", "type set map[int]bool\n\nfunc f() set { for range f() { f() }; return nil }", "range over a map in a pure package"},
	{"a tag", "vr/bad.go", "//go:build race\n\npackage vr", "no file of vr depends on platform or tags"},
	{"a platform", "vr/bad_plan9.go", "var _ int", "no file of vr depends on platform or tags"},
	{"type error", "vr/bad.go", "var n int = \"one\"", "vr/bad.go:3: cannot use"},

	{"no package comment", "vr/machine/kv/bad.go", "", "package kv has no comment that begins with \"Package kv\""},
	{"a note", "vr/bad.go", "// TO" + "DO: think.\nvar n int", "vr/bad.go:3: TO" + "DO: do it"},
	{"a note in a test", "vr/bad_test.go", "/* FIX" + "ME */\nvar n int", "vr/bad_test.go:3: FIX" + "ME: do it"},
	{"top level", "docs/README.md", "x", "docs: the top level does not hold this"},
	{"top level file", "main.go", "package main", "main.go: the top level does not hold this"},
}

func TestCleanTree(t *testing.T) {
	if problems := check(t, clean); len(problems) > 0 {
		t.Errorf("a clean tree has problems:\n%s", strings.Join(problems, "\n"))
	}
}

func TestPlanted(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			files := maps.Clone(clean)
			files[p.file] = p.text
			if strings.HasSuffix(p.file, ".go") && !strings.Contains(p.text, "package ") {
				files[p.file] = "package " + filepath.Base(filepath.Dir(p.file)) + "\n\n" + p.text
			}
			problems := strings.Join(check(t, files), "\n")
			if !strings.Contains(problems, p.want) {
				t.Errorf("got %q, want %q in it", problems, p.want)
			}
		})
	}
}

func check(t *testing.T, files map[string]string) []string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := Check(root)
	if err != nil {
		t.Fatal(err)
	}
	return problems
}
