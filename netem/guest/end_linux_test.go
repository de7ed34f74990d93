package guest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKilled kills a process while its guest runs: the guest ends too, and no file stays behind.
func TestKilled(t *testing.T) {
	k := kit(t)
	if os.Getenv("GUEST_TO_BE_KILLED") != "" {
		code, err := k.Run(t.Context(), Options{Command: []string{"sh", "-c", "echo up; sleep 100000"}, Stdout: os.Stdout})
		t.Fatal(code, err)
	}
	temporary := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$", "-boot")
	cmd.Env = append(os.Environ(), "GUEST_TO_BE_KILLED=yes", "TMPDIR="+temporary)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Errorf("output %q, %v", line, err)
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	var qemu []string
	for _, file := range children {
		text, _ := os.ReadFile(file)
		qemu = append(qemu, strings.Fields(string(text))...)
	}
	if len(qemu) != 1 {
		t.Errorf("children %v, want qemu", qemu)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for _, pid := range qemu {
		for runs(pid) {
			time.Sleep(10 * time.Millisecond) // go test's own patience bounds this
		}
	}
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// runs tells whether a process has not ended, be it waited for or not.
func runs(pid string) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}
