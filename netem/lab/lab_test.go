package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vrnode/internal/planted"
	"vrnode/netem/link"
	"vrnode/netem/relay"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
)

const root = "../.."

// build builds vrnode, with further arguments for go build.
func build(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "vrnode")
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", program}, args, []string{"./cmd/vrnode"})...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// options reads a scenario of testdata and opens a relay for it.
func options(t *testing.T, name, program string) Options {
	t.Helper()
	file := filepath.Join("testdata", name+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	network, err := relay.New(s.Replicas, s.Workload.Clients, s.Seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { network.Close() })
	return Options{Scenario: s, Text: text, Network: network, Program: program, Root: t.TempDir()}
}

// perform runs a scenario, and wants no process of it to be left.
func perform(t *testing.T, ctx context.Context, o Options) *result.Run {
	t.Helper()
	got, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if left := children(t, os.Getpid()); len(left) > 0 {
		t.Errorf("the run has left the processes %v", left)
	}
	return got
}

// children returns the processes that a process has started and that still run.
func children(t *testing.T, pid int) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		text, _ := os.ReadFile(file) // of a thread that has ended meanwhile
		out = append(out, strings.Fields(string(text))...)
	}
	return out
}

func has(events []result.Event, kind result.EventKind, name string) bool {
	return slices.ContainsFunc(events, func(e result.Event) bool { return e.Kind == kind && e.Name == name })
}

// slow tells whether all that is wrong with a run is that the machine is busy with something else.
func slow(v *result.Verdict) bool {
	return v.Outcome == result.Invalid && !slices.ContainsFunc(v.Why, func(why string) bool { return !strings.Contains(why, "too slow") })
}

func TestRun(t *testing.T) {
	program := build(t)
	t.Run("crash", func(t *testing.T) {
		got := perform(t, t.Context(), options(t, "crash", program))
		if got.Verdict.Outcome != result.Pass && !slow(&got.Verdict) {
			t.Errorf("%+v", got.Verdict)
		}
		for _, kind := range []vr.EventKind{vr.EventFormed, vr.EventViewChangeStarted, vr.EventViewStarted, vr.EventRecovering, vr.EventRecovered} {
			if !has(got.Events, result.Said, kind.String()) {
				t.Errorf("nobody said %v", kind)
			}
		}
		for _, name := range []string{"crash", "pause"} {
			if !has(got.Events, result.FaultBegin, name) || !has(got.Events, result.FaultEnd, name) {
				t.Errorf("no beginning or no end of a %s", name)
			}
		}
		// 3 replicas and 2 clients: 6 directions between replicas, 12 with clients.
		if len(got.Links) != 18 || got.Links[0].Offered == 0 {
			t.Errorf("%d links: %+v", len(got.Links), got.Links)
		}
		if f := got.Verdict.Figures; f.Calls != len(got.History) || f.Acknowledged < 100 || f.RSS == 0 {
			t.Errorf("%+v", f)
		}
		if log, err := os.ReadFile(filepath.Join(got.Dir, "node-1.log")); err != nil || len(log) == 0 {
			t.Errorf("node-1.log: %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		got := perform(t, t.Context(), options(t, "cut", program))
		if got.Verdict.Outcome != result.Pass && !slow(&got.Verdict) {
			t.Errorf("%+v", got.Verdict)
		}
	})
	t.Run("rebind", func(t *testing.T) {
		got := perform(t, t.Context(), options(t, "rebind", program))
		if got.Verdict.Outcome != result.Pass && !slow(&got.Verdict) {
			t.Errorf("%+v", got.Verdict)
		}
		if !has(got.Events, result.FaultEnd, "rebind") {
			t.Error("nobody has got his own port again")
		}
	})
	t.Run("keys", func(t *testing.T) {
		got := perform(t, t.Context(), options(t, "keys", program))
		if got.Verdict.Outcome != result.Pass && !slow(&got.Verdict) {
			t.Errorf("%+v", got.Verdict)
		}
		log, err := os.ReadFile(filepath.Join(got.Dir, "node-1.log"))
		if n := strings.Count(string(log), rereadText); err != nil || n != 2 {
			t.Errorf("replica 1 has read its keys %d times, %v", n, err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := options(t, "crash", program)
		o.Network = hook{o.Network, cancel}
		got := perform(t, ctx, o)
		if got.Verdict.Outcome != result.Invalid || !strings.Contains(strings.Join(got.Verdict.Why, " "), "interrupted") {
			t.Errorf("%+v", got.Verdict)
		}
	})
	t.Run("ended", func(t *testing.T) { replicaEnds(t, program) })
	t.Run("killed", func(t *testing.T) { killRunner(t, program) })
	t.Run("deaf", func(t *testing.T) { notApplied(t, program) })
}

// replicaEnds: a replica that ends by itself, as one that panics does, fails a run whatever is
// expected; of one that somebody else has killed nothing follows.
func replicaEnds(t *testing.T, program string) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("skipped: needs Linux, to find the replicas")
	}
	for signal, want := range map[syscall.Signal]result.Outcome{syscall.SIGTERM: result.Failed, syscall.SIGKILL: result.Invalid} {
		o := options(t, "cut", program)
		o.Scenario.Steps, o.Scenario.Workload.Duration = nil, time.Second
		o.Scenario.Expect = []scenario.Expectation{{What: scenario.Linearizable}}
		once := sync.OnceFunc(func() {
			pid, err := strconv.Atoi(children(t, os.Getpid())[0])
			if err != nil {
				t.Error(err)
				return
			}
			if replica, err := os.FindProcess(pid); err != nil || replica.Signal(signal) != nil {
				t.Errorf("%v to %d: %v", signal, pid, err)
			}
		})
		o.Network = hook{o.Network, once}
		if got := perform(t, t.Context(), o); got.Verdict.Outcome != want {
			t.Errorf("%v: %+v", signal, got.Verdict)
		}
	}
}

// TestReplicaDoesNotStart: who can not be formed is not waited for.
func TestReplicaDoesNotStart(t *testing.T) {
	program, err := exec.LookPath("false")
	if err != nil {
		t.Skip("skipped: needs false")
	}
	_, err = Run(t.Context(), options(t, "cut", program))
	if err == nil || !strings.Contains(err.Error(), "ended: exit status 1, see node-") {
		t.Error(err)
	}
}

// A hook calls a function when a link is set.
type hook struct {
	Backend
	set func()
}

func (h hook) Set(changed ...scenario.Changed) error {
	h.set()
	return h.Backend.Set(changed...)
}

// killRunner kills a runner in the middle of a run, after which no replica may go on.
func killRunner(t *testing.T, program string) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("only Linux ends the children of a process that was killed")
	}
	cmd := exec.Command(program, "lab", "run", "testdata/crash.yaml", "--runs", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var replicas []string
	for deadline := time.Now().Add(time.Minute); len(replicas) < 3 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		replicas = children(t, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(replicas) < 3 {
		t.Fatalf("the run had the processes %v", replicas)
	}
	for _, pid := range replicas {
		for deadline := time.Now().Add(time.Minute); alive(pid); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %s lives on", pid)
			}
		}
	}
}

// alive tells whether a process runs. One that has ended and that nobody has waited for does not.
func alive(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	return err == nil && !strings.Contains(string(text), "State:\tZ")
}

// deaf is a network that does nothing of what it is asked to do, and says that all is well.
type deaf struct{ *relay.Relay }

func (d deaf) Set(changed ...scenario.Changed) error {
	perfect := slices.Clone(changed)
	for i := range perfect {
		perfect[i].Settings = link.Settings{}
	}
	return d.Relay.Set(perfect...)
}

// notApplied: a run without its impairment proves nothing, so it is not passed.
func notApplied(t *testing.T, program string) {
	o := options(t, "cut", program)
	o.Scenario.Steps, o.Scenario.Workload.Duration = nil, time.Second
	o.Network = deaf{o.Network.(*relay.Relay)}
	got := perform(t, t.Context(), o)
	noDelay := func(l result.Link) bool {
		return slices.ContainsFunc(l.Deviations, func(d string) bool { return strings.HasPrefix(d, "delay in seconds: requested 0.00025, achieved 0,") })
	}
	if got.Verdict.Outcome != result.Invalid || !slices.ContainsFunc(got.Links, noDelay) {
		t.Errorf("%+v", got.Verdict)
	}
}

// weak is a network that can only cut.
type weak struct{ *relay.Relay }

func (weak) CanDo() scenario.Capabilities { return scenario.CanPartition }

func TestUnsupported(t *testing.T) {
	o := options(t, "cut", "no program is needed")
	o.Network = weak{o.Network.(*relay.Relay)}
	got := perform(t, t.Context(), o)
	if got.Verdict.Outcome != result.Unsupported || got.Verdict.Why[0] != "backend relay can not do: delay loss one-way message-type; see vrnode lab doctor" {
		t.Errorf("%+v", got.Verdict)
	}
}

// TestPlanted: a build in which a recovering replica votes with its empty log loses operations, and
// the verdict says so. It is in virtual time, where the bug has its chance every time.
func TestPlanted(t *testing.T) {
	patch, err := planted.Load(filepath.Join(root, "internal/planted/testdata/S9.patch"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := patch.Overlay(source, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]int{build(t): 0, build(t, "-overlay", overlay): 1} {
		cmd := exec.Command(program, "lab", "run", "testdata/forgetful.yaml", "--backend", Simulated, "--runs", t.TempDir())
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != want {
			t.Errorf("exit code %d, want %d:\n%s", cmd.ProcessState.ExitCode(), want, out)
		}
	}
}
