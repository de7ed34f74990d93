package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/tc"
)

var boot = flag.Bool("boot", false, "boot the guest")

func kit(t *testing.T) *Kit {
	t.Helper()
	if !*boot {
		t.Skip("skipped: needs -boot, since it takes a minute: go test ./netem/guest -args -boot")
	}
	k, err := Find()
	if err != nil {
		t.Skip("skipped: ", err)
	}
	return k
}

// TestNetem is what all this is for: two namespaces in the guest, netem between them, and
// datagrams that suffer as they should.
func TestNetem(t *testing.T) {
	k := kit(t)
	const count = 2000
	lab := tc.NewLab(2, 0)
	there := scenario.Direction{From: 1, To: 2}
	asked := link.Settings{
		Loss: link.Loss{Random: 0.2}, Delay: link.Delay{Mean: 5 * time.Millisecond},
		Reorder: 0.25, Duplicate: 0.01, Corrupt: 0.01,
	}
	var script strings.Builder
	run := func(end string, commands ...tc.Command) {
		for _, c := range commands {
			script.WriteString(c.String() + end + "\n")
		}
	}
	address := lab.Addr(2).String() + ":7000"
	script.WriteString("set -e\n")
	run("", lab.Up()...)
	run(" &", lab.Exec(2, "/ping", "echo", address))
	run("", tc.Command{"echo", "networks are up"})
	run("", lab.Set(scenario.Changed{Direction: there, Settings: asked})...)
	run(" >/results/ping.json", lab.Exec(1, "/ping", address, strconv.Itoa(count)))
	run(" >/results/qdiscs.json", lab.Show(there.From))
	run(" >/results/snmp", lab.Exec(2, "cat", "/proc/net/snmp"))
	run("", lab.Set(scenario.Changed{Direction: there, Settings: link.Settings{Delay: asked.Delay}})...)
	run(" >/results/delay.json", lab.Exec(1, "/ping", address, "100"))

	results := t.TempDir()
	var output, errs bytes.Buffer
	code, err := k.Run(t.Context(), Options{
		Files:   map[string]string{"/ping": buildPing(t)},
		Command: []string{"sh", "-c", script.String()},
		Stdout:  &output,
		Stderr:  &errs,
		Results: results,
	})
	if err != nil || code != 0 || output.String() != "networks are up\n" {
		t.Fatalf("exit code %d, %v, output:\n%s%s", code, err, &output, &errs)
	}

	qdiscs, err := tc.ParseQdiscs(read(t, results, "qdiscs.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range tc.Deviations(asked, qdiscs) {
		t.Errorf("netem: %v", d)
	}
	got := parse(t, read(t, results, "ping.json"))
	t.Logf("sent %d, answered %d, twice %d, overtaken %d", got.Sent, got.Answered, got.Twice, got.Overtaken)
	// A flipped bit is a loss too: a checksum finds it. The bounds are five standard deviations.
	if lost := 1 - float64(got.Answered)/count; lost < 0.155 || lost > 0.255 {
		t.Errorf("%.3f lost, want 0.2 and what is corrupt", lost)
	}
	if got.Twice == 0 || got.Overtaken == 0 {
		t.Error("nothing came twice, or nothing ahead of others")
	}
	if flipped := counter(t, string(read(t, results, "snmp")), "Udp:", "InCsumErrors"); flipped == 0 {
		t.Error("no checksum was wrong")
	}
	// How slow a guest is depends on what else its host does, but not how fast it can be.
	delayed := parse(t, read(t, results, "delay.json"))
	t.Logf("shortest round trips: %v, and %v with delay alone", got.Trips[0], delayed.Trips[0])
	if got.Trips[0] >= asked.Delay.Mean {
		t.Error("those that go ahead of others are delayed")
	}
	if delayed.Trips[0] < asked.Delay.Mean {
		t.Error("there is less delay than asked for")
	}
}

// A report is what testdata/ping prints.
type report struct {
	Sent, Answered, Twice, Overtaken int
	Trips                            []time.Duration
}

func parse(t *testing.T, text []byte) (r report) {
	t.Helper()
	if err := json.Unmarshal(text, &r); err != nil || r.Answered == 0 {
		t.Fatalf("%v in %s", err, text)
	}
	return r
}

// TestExitCode covers what comes back of a program that brings its libraries: the code, output byte
// by byte, and results.
func TestExitCode(t *testing.T) {
	k := kit(t)
	var output, errs bytes.Buffer
	results := filepath.Join(t.TempDir(), "new")
	code, err := k.Run(t.Context(), Options{
		Files:   map[string]string{"/shell": which("bash")},
		Command: []string{"/shell", "-c", "printf 'a\\n\\000\\r'; mkdir -p /results/x; echo it\\'s >/results/x/y; echo bad >&2; exit $1", "sh", "7"},
		Stdout:  &output,
		Stderr:  &errs,
		Results: results,
	})
	if err != nil || code != 7 || output.String() != "a\n\x00\r" || errs.String() != "bad\n" {
		t.Errorf("exit code %d, %v, output %q and %q", code, err, &output, &errs)
	}
	if got := read(t, results, "x/y"); string(got) != "it's\n" {
		t.Errorf("result %q", got)
	}
}

// TestPanic is a guest that dies before it says how the command ended.
func TestPanic(t *testing.T) {
	k := kit(t)
	_, err := k.Run(t.Context(), Options{Command: []string{"sh", "-c", "echo c >/proc/sysrq-trigger"}})
	if err == nil || !strings.Contains(err.Error(), "sysrq triggered crash") {
		t.Errorf("error %v, want the console's last words", err)
	}
}

// writer is a Stdout that tells when something comes.
type writer chan string

func (w writer) Write(b []byte) (int, error) { w <- string(b); return len(b), nil }

// TestInterrupt tells a command to end, which it does in its own way, and with results.
func TestInterrupt(t *testing.T) {
	k := kit(t)
	ctx, cancel := context.WithCancel(t.Context())
	output := make(writer, 1)
	go func() {
		if got := <-output; got != "up\n" {
			t.Errorf("output %q", got)
		}
		cancel()
	}()
	results := t.TempDir()
	code, err := k.Run(ctx, Options{
		Command: []string{"sh", "-c", "trap 'echo healed >/results/x; exit 4' TERM; echo up; sleep 100000 & wait"},
		Stdout:  output,
		Results: results,
		Grace:   10 * time.Minute,
	})
	if err != nil || code != 4 {
		t.Errorf("exit code %d, %v", code, err)
	}
	if got := read(t, results, "x"); string(got) != "healed\n" {
		t.Errorf("result %q", got)
	}
}

// TestCancel ends a guest that would never end by itself, once its output shows that it runs.
func TestCancel(t *testing.T) {
	k := kit(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	output, enough := make(writer, 1), errors.New("enough")
	go func() {
		if got := <-output; got != "up\n" {
			t.Errorf("output %q", got)
		}
		cancel(enough)
	}()
	if _, err := k.Run(ctx, Options{Command: []string{"sh", "-c", "echo up; sleep 100000"}, Stdout: output}); err != enough {
		t.Errorf("error %v, want the cause", err)
	}
}

// TestTooLarge is what does not fit in the guest's memory.
func TestTooLarge(t *testing.T) {
	k := kit(t)
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, MemoryMin<<20/3); err != nil {
		t.Fatal(err)
	}
	_, err := k.Run(t.Context(), Options{Files: map[string]string{"/large": large}, Command: []string{"true"}, Memory: MemoryMin})
	if !errors.Is(err, errLarge) {
		t.Errorf("error %v", err)
	}
}

// counter reads /proc/net/snmp: a line of names, and below it one of numbers.
func counter(t *testing.T, snmp, protocol, name string) int {
	t.Helper()
	var names []string
	for line := range strings.Lines(snmp) {
		words := strings.Fields(line)
		if words[0] != protocol {
			continue
		}
		if i := slices.Index(names, name); i > 0 {
			n, err := strconv.Atoi(words[i])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		names = words
	}
	t.Fatalf("no %s %s in:\n%s", protocol, name, snmp)
	return 0
}

func buildPing(t *testing.T) string {
	t.Helper()
	ping := filepath.Join(t.TempDir(), "ping")
	build := exec.Command("go", "build", "-o", ping, "./testdata/ping")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return ping
}

func read(t *testing.T, directory, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
