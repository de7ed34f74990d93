package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vrnode/internal/ports"
)

// patience is how long to wait for what comes soon unless the machine has other things to do. Only a
// test that fails lasts so long.
const patience = 2 * time.Minute

// A testGroup is three processes of vrnode serve.
type testGroup struct {
	*testing.T
	peers     string
	flags     []string // of serve
	processes map[uint64]*exec.Cmd
	log       lockedBuffer
}

func startGroup(t *testing.T, flags ...string) *testGroup {
	t.Helper()
	addresses, err := ports.Free(3)
	if err != nil {
		t.Fatal(err)
	}
	g := &testGroup{T: t, peers: peersText(addresses), flags: flags, processes: make(map[uint64]*exec.Cmd)}
	t.Cleanup(func() {
		for id := range g.processes {
			g.kill(id)
		}
		if t.Failed() {
			t.Logf("log of the replicas:\n%s", g.log.String())
		}
	})
	for id := range uint64(3) {
		g.start(id + 1)
	}
	return g
}

// start starts a replica, always with the same command line.
func (g *testGroup) start(id uint64) {
	g.Helper()
	cmd := exec.Command("vrnode", append([]string{"serve", "--id", strconv.FormatUint(id, 10), "--peers", g.peers}, g.flags...)...)
	cmd.Stderr = &g.log
	if err := cmd.Start(); err != nil {
		g.Fatal(err)
	}
	g.processes[id] = cmd
}

// kill sends SIGKILL.
func (g *testGroup) kill(id uint64) {
	cmd := g.processes[id]
	delete(g.processes, id)
	cmd.Process.Kill()
	cmd.Wait()
}

// vrnode runs a command on the group, with patience, and wants an exit code.
func (g *testGroup) vrnode(code int, args ...string) (stdout, stderr string) {
	g.Helper()
	cmd := exec.Command("vrnode", append([]string{args[0], "--peers", g.peers, "--timeout", patience.String()}, args[1:]...)...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	exit, exited := errors.AsType[*exec.ExitError](err)
	if err != nil && !exited {
		g.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		g.Fatalf("vrnode %s: exit code %d (%v), want %d\n%s%s", strings.Join(args, " "), got, exit, code, out.String(), talk.String())
	}
	return out.String(), talk.String()
}

// status asks until everything is as wanted.
func (g *testGroup) status(what string, good func(*statusReport) bool) *statusReport {
	g.Helper()
	var out []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		out, _ = exec.Command("vrnode", "status", "--peers", g.peers, "-o", "json").Output()
		s := new(statusReport)
		if err := json.Unmarshal(out, s); err != nil {
			g.Fatalf("%v in %q", err, out)
		}
		if good(s) {
			return s
		}
	}
	g.Fatalf("waited in vain for %s; the status is\n%s", what, out)
	return nil
}

// healthy waits until all replicas are normal, and returns the primary.
func (g *testGroup) healthy() (primary uint64) {
	g.Helper()
	s := g.status("three normal replicas", func(s *statusReport) bool { return s.FailuresTolerable == 1 })
	for _, r := range s.Replicas {
		if r.Role == "primary" {
			return uint64(r.ID)
		}
	}
	g.Fatal("a healthy group without a primary")
	return 0
}

// TestKillPrimaries pipes 10,000 operations into vrnode call, while the process of the primary is
// killed twice and started again with the same command line. Every operation must be answered
// once, in order, with the one right result.
func TestKillPrimaries(t *testing.T) {
	const operations, half = 10_000, 5_000
	g := startGroup(t)
	g.vrnode(exitDone, "form")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	call := exec.CommandContext(ctx, "vrnode", "call", "--peers", g.peers, "--timeout", patience.String(), "-")
	stdin, err := call.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := call.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	call.Stderr = &g.log
	if err := call.Start(); err != nil {
		t.Fatal(err)
	}

	lines, results := additions(operations)
	answers := bufio.NewScanner(stdout)
	for i := range 2 {
		primary := g.healthy()
		go io.WriteString(stdin, strings.Join(lines[i*half:(i+1)*half], ""))
		for n := i * half; n < (i+1)*half; n++ {
			if n == i*half+1000 { // up to 1024 more are under way now
				g.kill(primary)
				g.start(primary)
			}
			if !answers.Scan() {
				t.Fatalf("%d answers, want %d", n, operations)
			}
			if answers.Text() != results[n] {
				t.Fatalf("answer %d to %q is %q, want %q", n, lines[n], answers.Text(), results[n])
			}
		}
	}
	stdin.Close()
	if answers.Scan() {
		t.Errorf("one answer too many: %q", answers.Text())
	}
	if err := call.Wait(); err != nil {
		t.Error(err)
	}
	if out, _ := g.vrnode(exitDone, "call", "read"); strings.TrimSpace(out) != results[operations-1] {
		t.Errorf("the group reads %s, want %s", out, results[operations-1])
	}
	g.healthy()
	g.status("the third view, after the loss of two primaries", func(s *statusReport) bool { return s.Replicas[0].View >= 2 })
}

// additions makes operations, one a line, and their results when executed in order, once each.
func additions(n int) (lines, results []string) {
	var sum int64
	for range n {
		operand := rand.Int64N(2_000_001) - 1_000_000
		word := "add"
		if sum += operand; operand%2 == 0 {
			word, operand = "subtract", -operand
		}
		lines = append(lines, fmt.Sprintf("%s %d\n", word, operand))
		results = append(results, strconv.FormatInt(sum, 10))
	}
	return lines, results
}

// TestMemoryLost kills all replicas and starts them again. Nobody may serve, nobody may form a
// group unasked, and people must be told what has happened and what to do.
func TestMemoryLost(t *testing.T) {
	g := startGroup(t)

	_, talk := g.vrnode(exitUnavailable, "status") // never formed
	wantWords(t, talk, "never formed, or it has lost its memory", "vrnode form --peers "+g.peers)

	old, _ := g.vrnode(exitDone, "form")
	g.vrnode(exitDone, "call", "add", "42")
	for id := range uint64(3) {
		g.kill(id + 1)
	}
	for id := range uint64(3) {
		g.start(id + 1)
	}
	g.status("three replicas without memory", allRecovering)

	words := []string{"never formed, or it has lost its memory", "vrnode form --peers " + g.peers}
	out, talk := g.vrnode(exitUnavailable, "call", "--timeout", "3s", "read")
	wantWords(t, talk, words...)
	if out != "" {
		t.Errorf("a result from a group without memory: %q", out)
	}
	_, talk = g.vrnode(exitUnavailable, "status")
	wantWords(t, talk, words...)
	out, _ = g.vrnode(exitUnavailable, "status", "-o", "json")
	var s statusReport
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if !allRecovering(&s) || s.Cluster != "" {
		t.Errorf("a group has formed itself: %s", out)
	}

	young, _ := g.vrnode(exitDone, "form")
	if young == old {
		t.Errorf("the new group has the id of the old one, %s", old)
	}
	if out, _ := g.vrnode(exitDone, "call", "read"); out != "0\n" {
		t.Errorf("a new group reads %q", out)
	}
}

func allRecovering(s *statusReport) bool {
	for _, r := range s.Replicas {
		if r.Status != "recovering" {
			return false
		}
	}
	return true
}

func wantWords(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// A lockedBuffer is written to by several processes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestStopSignal: a replica that is told to stop says so and ends with exit code 0.
func TestStopSignal(t *testing.T) {
	g := startGroup(t)
	g.vrnode(exitDone, "form")
	replica := g.processes[2]
	delete(g.processes, 2)
	if err := replica.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := replica.Wait(); err != nil {
		t.Error(err)
	}
	wantWords(t, g.log.String(), "replica 2 stops")
	g.status("two replicas that go on", func(s *statusReport) bool {
		return s.Serving && s.FailuresTolerable == 0 && s.Replicas[1].Status == unreachable
	})
}

// TestLogReaderGone: a replica goes on when nobody reads its log any more.
func TestLogReaderGone(t *testing.T) {
	addresses, err := ports.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	g := &testGroup{T: t, peers: peersText(addresses)}
	cmd := exec.Command("vrnode", "serve", "--id", "1", "--peers", g.peers)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stderr).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stderr.Close()
	g.vrnode(exitDone, "form")
	g.vrnode(exitDone, "call", "read")
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestFullDisk: a result that could not be written is not a success.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var talk bytes.Buffer
	cmd := exec.Command("vrnode", "--version")
	cmd.Stdout, cmd.Stderr = full, &talk
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("%v", err)
	}
	wantWords(t, talk.String(), "no space left")
}

// TestKeyFiles runs a group in secure mode, in which the key is replaced while it serves.
func TestKeyFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	key := func(file string) string {
		if out, err := exec.Command("vrnode", "keygen", file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	old, fresh := key("old.key"), key("new.key")
	replace := func(text string) {
		if err := os.WriteFile("group.key", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(old)
	g := startGroup(t, "--key-file", "group.key")
	g.vrnode(exitDone, "form", "--key-file", "old.key")
	g.vrnode(exitDone, "call", "--key-file", "old.key", "add", "1")

	if _, talk := g.vrnode(exitUnavailable, "status", "--timeout", "20s"); !strings.Contains(talk, "each of them wants a key, and this end has none\nName the file") {
		t.Errorf("status without a key: %s", talk)
	}
	out, talk := g.vrnode(exitUnavailable, "status", "--timeout", "20s", "--key-file", "new.key")
	if !strings.Contains(out, "refuses") || !strings.Contains(talk, "replicas 1, 2 and 3: each of them uses another key\nUse the key file") {
		t.Errorf("status with another key: %s%s", out, talk)
	}
	if _, talk := g.vrnode(exitUnavailable, "form", "--key-file", "new.key", "--timeout", "20s"); !strings.Contains(talk, "replica 1 uses another key") {
		t.Errorf("form with another key: %s", talk)
	}
	g.vrnode(exitUnavailable, "call", "--key-file", "new.key", "--timeout", "100ms", "read")

	// hangUp has the replicas read the file again, and waits until all of them have said something.
	heard := map[string]int{}
	hangUp := func(says string) {
		t.Helper()
		for _, p := range g.processes {
			p.Process.Signal(syscall.SIGHUP)
		}
		heard[says] += len(g.processes)
		for end := time.Now().Add(patience); strings.Count(g.log.String(), says) < heard[says]; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the replicas do not say %q", says)
			}
		}
	}
	const read, refused = "the key file was read again", "the keys stay what they are"
	replace("not a key")
	hangUp(refused)
	if err := os.Chmod("group.key", 0o644); err != nil {
		t.Fatal(err)
	}
	hangUp(refused)
	if err := os.Chmod("group.key", 0o600); err != nil {
		t.Fatal(err)
	}
	replace(fresh + old)
	hangUp(read)
	g.vrnode(exitDone, "call", "--key-file", "old.key", "add", "1")
	g.vrnode(exitDone, "call", "--key-file", "new.key", "add", "1")
	replace(fresh)
	hangUp(read)
	if out, _ := g.vrnode(exitDone, "call", "--key-file", "new.key", "add", "1"); out != "4\n" {
		t.Errorf("after the rotation the value is %s", out)
	}
	g.vrnode(exitUnavailable, "status", "--key-file", "old.key")
}
