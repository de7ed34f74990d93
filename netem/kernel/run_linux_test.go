package kernel

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long is a scenario that lasts until somebody ends it. It has something of everything that must
// not be left.
const long = `
version: 1
name: long
hypothesis: Nobody waits for the end of it.
seed: 1
profile: none
links:
  - {from: primary, to: backups, rate: 10Mbit, queue: 64KiB}
workload: {clients: 1, rate: 20/s, duration: 5m}
steps:
  - {at: 0s, fault: partition, shape: one-way, from: backups, to: clients}
expect: [linearizable]
`

// thin asks for what a command tc that does nothing does not do.
const thin = `
version: 1
name: thin
hypothesis: What is asked for is done, or the run says nothing.
seed: 2
profile: none
links:
  - {from: replicas, to: replicas, delay: 20ms, rate: 5Mbit, queue: 64KiB}
workload: {clients: 1, rate: 50/s, duration: 3s}
expect: [linearizable]
`

// vrnode is the program, and a folder for the results of a scenario in a file beside it.
type vrnode struct{ program, dir, file string }

func newVRNode(t *testing.T, scenario string) *vrnode {
	t.Helper()
	dir := t.TempDir()
	v := &vrnode{filepath.Join(dir, "vrnode"), dir, filepath.Join(dir, "scenario.yaml")}
	build := exec.Command("go", "build", "-o", v.program, "./cmd/vrnode")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(v.file, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

// run returns the command that runs the scenario.
func (v *vrnode) run(out *bytes.Buffer) *exec.Cmd {
	cmd := exec.Command(v.program, "lab", "run", v.file, "--backend", Name, "--runs", filepath.Join(v.dir, "runs"))
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// host is everything that a run could leave behind. The processes are those of the program.
func (v *vrnode) host(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, command := range []string{"ip netns", "ip link", "ip address", "tc qdisc", "nft list ruleset", "cat /proc/self/mounts", "ls /var/run"} {
		out.WriteString(command + "\n" + sh(t, command))
	}
	programs, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range programs {
		if program, err := os.Readlink(link); err == nil && program == v.program {
			out.WriteString(link + "\n")
		}
	}
	return out.String()
}

// middle starts a run and waits until a client has had an answer.
func (v *vrnode) middle(t *testing.T, out *bytes.Buffer) *exec.Cmd {
	t.Helper()
	cmd := v.run(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	history := filepath.Join(v.dir, "runs", "long", "latest", "history.jsonl")
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if text, _ := os.ReadFile(history); len(text) > 0 {
			return cmd
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("nothing is answered: %s", out)
		}
	}
}

// TestKilledRunner kills the runner in the middle of a run, as nobody can be prepared for, and wants
// the host to be as it was before.
func TestKilledRunner(t *testing.T) {
	needsRoot(t)
	v := newVRNode(t, long)
	before := v.host(t)
	var out bytes.Buffer
	cmd := v.middle(t, &out)
	if during := v.host(t); during == before {
		t.Error("nothing is different while the run goes on")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		after := v.host(t)
		if after == before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	}
}

// TestInterruptedRunner asks the runner to end, which heals, judges and leaves nothing.
func TestInterruptedRunner(t *testing.T) {
	needsRoot(t)
	v := newVRNode(t, long)
	before := v.host(t)
	var out bytes.Buffer
	cmd := v.middle(t, &out)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd.Wait()); code != 4 || !strings.Contains(out.String(), "interrupted after") {
		t.Errorf("exit code %d: %s", code, &out)
	}
	if _, err := os.Stat(filepath.Join(v.dir, "runs", "long", "latest", "report.html")); err != nil {
		t.Error(err)
	}
	if after := v.host(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestNotApplied: with a tc that says yes to everything and does nothing, a run is invalid.
func TestNotApplied(t *testing.T) {
	needsRoot(t)
	v := newVRNode(t, thin)
	if err := os.WriteFile(filepath.Join(v.dir, "tc"), []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", v.dir+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	code := exitCode(t, v.run(&out).Run())
	if code != 4 || !strings.Contains(out.String(), "escaped") || !strings.Contains(out.String(), "delay in seconds: requested 0.02") {
		t.Errorf("exit code %d: %s", code, &out)
	}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return exit.ExitCode()
}
