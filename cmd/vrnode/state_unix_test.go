//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestStateOfAnySize: a replica that was stopped for longer than the others keep their log catches up,
// with their state or with what the transport still has for it; and one that has lost its memory gets the
// state from them.
func TestStateOfAnySize(t *testing.T) {
	const keys = 3000 // of 4 KiB
	g := startGroup(t, "--machine", "kv", "--log-memory", "4MiB", "--log-format", "json", "--log-level", "debug", "--spool", t.TempDir())
	g.vrnode(exitDone, "form")
	primary := g.healthy()
	stopped := primary%3 + 1

	signal := func(s syscall.Signal) {
		if err := g.processes[stopped].Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	g.fill(0, keys)
	signal(syscall.SIGCONT)
	g.equal()

	before := g.installed(stopped)
	g.kill(stopped)
	g.start(stopped)
	g.equal()
	if g.installed(stopped) == before {
		t.Errorf("replica %d has its memory back without a state", stopped)
	}

	if !strings.Contains(g.log.String(), `"level":"DEBUG","msg":"took a checkpoint"`) {
		t.Error("at level debug no checkpoint is logged")
	}
	for _, key := range []int{0, keys / 2, keys - 1} {
		if out, _ := g.vrnode(exitDone, "call", "--machine", "kv", "get", fmt.Sprintf("key-%d", key)); len(out) < 4<<10 {
			t.Errorf("key %d is %d bytes", key, len(out))
		}
	}
}

// fill puts keys with values of 4 KiB.
func (g *testGroup) fill(from, to int) {
	g.Helper()
	var lines bytes.Buffer
	for i := from; i < to; i++ {
		fmt.Fprintf(&lines, "put key-%d %s\n", i, strings.Repeat("v", 4<<10))
	}
	call := exec.Command("vrnode", "call", "--peers", g.peers, "--machine", "kv", "--timeout", patience.String(), "-")
	call.Stdin = &lines
	if out, err := call.CombinedOutput(); err != nil || strings.Count(string(out), "ok\n") != to-from {
		g.Fatalf("%v: %d answers of %d\n%.2000s", err, strings.Count(string(out), "ok\n"), to-from, out)
	}
}

// equal waits until all replicas have executed the same ops.
func (g *testGroup) equal() {
	g.Helper()
	g.status("equal replicas", func(s *statusReport) bool {
		for _, r := range s.Replicas {
			if r.Status != "normal" || r.Applied != s.Replicas[0].Commit {
				return false
			}
		}
		return s.FailuresTolerable == 1
	})
}

// installed returns how many states a replica has taken over since the test began.
func (g *testGroup) installed(replica uint64) int {
	return strings.Count(g.log.String(), `"msg":"has the state of the others","replica":`+fmt.Sprint(replica)+",")
}
