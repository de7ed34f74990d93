package host_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vrnode/netem/host"
	"vrnode/netem/link"
	"vrnode/netem/tc"
)

// TestMain is also the program that the tests run in namespaces.
func TestMain(m *testing.M) {
	switch os.Getenv("HOST_TEST") {
	case "apply":
		exit(apply(os.Args[1], os.Args[2]))
	case "watch":
		exit(host.Watch(context.Background(), os.Args[1], os.Stdin))
	case "clean":
		exit(clean())
	}
	m.Run()
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func apply(settings, lease string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := host.Options{
		Interface: tc.Interface{Dev: dev, First: 7000, Last: 7004},
		Does:      "a test",
		Watchdog: func(dev string) *exec.Cmd {
			cmd := exec.Command("/proc/self/exe", dev)
			cmd.Env = append(os.Environ(), "HOST_TEST=watch")
			return cmd
		},
		Ran:     func(tc.Command) {},
		Applied: func(*host.Journal) { fmt.Println("applied") },
	}
	var err error
	if o.For, err = time.ParseDuration(lease); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(settings), &o.Settings); err != nil {
		return err
	}
	return host.Apply(ctx, o)
}

func clean() error {
	found, err := host.Look()
	if err != nil {
		return err
	}
	for _, f := range found {
		fmt.Println("found", f.Dev)
		if err := f.Remove(func(c tc.Command) { fmt.Println(c) }); err != nil {
			return err
		}
	}
	return nil
}

const dev = "v0"

// settings are those that most kernels can do.
func settings(t *testing.T, s link.Settings) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var thin = link.Settings{Rate: link.Rate{Bits: 1_000_000, Queue: 64 << 10}, MTU: 1000}

// A world is a network and a /run for the test alone, with a pair of interfaces.
type world struct {
	t   *testing.T
	pid int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root")
	}
	for _, program := range []string{"unshare", "nsenter", "ip", "tc", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("skipped: needs ", program)
		}
	}
	const script = "mount -t tmpfs tmpfs /run && ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && echo up && exec cat"
	holder := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", "sh", "-c", script)
	holder.Stderr = os.Stderr
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); holder.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Skipf("skipped: needs namespaces and veth: %q, %v", line, err)
	}
	w := &world{t, holder.Process.Pid}
	probe := w.command("sh", "-c", "tc qdisc add dev v1 root htb && tc qdisc delete dev v1 root && tc qdisc add dev v1 root tbf rate 1mbit burst 10kb limit 10kb && tc qdisc delete dev v1 root && nft list tables")
	if text, err := probe.CombinedOutput(); err != nil {
		t.Skipf("skipped: needs htb, tbf and nftables: %s", text)
	}
	return w
}

// command makes one that runs in the world.
func (w *world) command(argv ...string) *exec.Cmd {
	return exec.CommandContext(w.t.Context(), "nsenter", append([]string{"--target", strconv.Itoa(w.pid), "--net", "--mount", "--"}, argv...)...)
}

// program makes a command of this test's program.
func (w *world) program(does string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := w.command(append([]string{self}, args...)...)
	cmd.Env = append(os.Environ(), "HOST_TEST="+does)
	return cmd
}

// state is all that could be left behind.
func (w *world) state() string {
	w.t.Helper()
	text, err := w.command("sh", "-c", "tc qdisc show | sed 's/direct_packets_stat.*//'; tc class show dev v0; tc filter show dev v0; nft list ruleset; ls -A /run/vrnode 2>/dev/null; true").CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	return string(text)
}

// heals waits until the state is as it was. go test's own patience bounds this.
func (w *world) heals(before string) {
	w.t.Helper()
	for w.state() != before {
		time.Sleep(20 * time.Millisecond)
	}
}

// applied starts an impairment and waits until it is there.
func (w *world) applied(lease string) (*exec.Cmd, *strings.Builder) {
	w.t.Helper()
	cmd, said := w.program("apply", settings(w.t, thin), lease), new(strings.Builder)
	cmd.Stderr = said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "applied\n" {
		_, _ = io.Copy(io.Discard, stdout)
		w.t.Fatalf("%q, %v: %v: %s", line, err, cmd.Wait(), said)
	}
	return cmd, said
}

// watchdog returns the process of the watchdog.
func (w *world) watchdog(runner *exec.Cmd) *os.Process {
	w.t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", runner.Process.Pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				w.t.Fatal(err)
			}
			p, err := os.FindProcess(pid)
			if err != nil {
				w.t.Fatal(err)
			}
			return p
		}
	}
	w.t.Fatal("there is no watchdog")
	return nil
}

func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	cmd, said := w.applied("1h")
	is := w.state()
	for _, want := range []string{"htb 7652: dev v0 root", "tbf 7653: dev v0 parent 7652:2", "table ip vrlab-v0", "udp dport 7000-7004 ip length > 1000", "v0.json"} {
		if !strings.Contains(is, want) {
			t.Errorf("no %q in:\n%s", want, is)
		}
	}
	if text, err := w.program("apply", settings(t, thin), "1h").CombinedOutput(); err == nil || !strings.Contains(string(text), "v0 is impaired already") {
		t.Errorf("a second time: %v: %s", err, text)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	if after := w.state(); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

// TestKilled: the watchdog heals when nobody holds the lease any more.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	cmd, _ := w.applied("1h")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	w.heals(before)
}

// TestStopped: the watchdog heals at the end of the lease, though the holder does nothing.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	cmd, said := w.applied("2s")
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.heals(before)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// TestOver: the holder heals at the end of the lease, though the watchdog is dead.
func TestOver(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	cmd, said := w.applied("2s")
	if err := w.watchdog(cmd).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "the watchdog: signal: killed") {
		t.Errorf("%v: %q", err, said)
	}
	if after := w.state(); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

// TestClean takes away what is left when the holder and its watchdog were killed, and no more.
func TestClean(t *testing.T) {
	w := newWorld(t)
	if text, err := w.command("sh", "-c", "tc qdisc add dev v1 root handle 1: tbf rate 1mbit burst 10kb limit 10kb && nft add table ip mine").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	before := w.state()
	for _, lose := range []string{"true", "rm /run/vrnode/v0.json"} {
		cmd, _ := w.applied("1h")
		if err := w.watchdog(cmd).Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if text, err := w.command("sh", "-c", lose).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text, err := w.program("clean").CombinedOutput()
		want := "found v0\ntc qdisc delete dev v0 root handle 7652:\nnft delete table ip vrlab-v0\n"
		if err != nil || string(text) != want {
			t.Errorf("after %s: %v: %q", lose, err, text)
		}
		if after := w.state(); after != before {
			t.Errorf("after %s there is:\n%s", lose, after)
		}
	}
}

// TestRefused leaves alone what belongs to somebody else, and heals when a command fails.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, first, want string }{
		{"foreign", "tc qdisc add dev v0 root handle 1: tbf rate 1mbit burst 10kb limit 10kb", "v0 has a root qdisc of somebody else, tbf 1:"},
		{"left", "tc qdisc add dev v0 root handle 7652: htb", "v0 has a root qdisc that was left behind"},
		{"fails", "nft add table ip vrlab-v0 '{ chain in { type filter hook input priority 0; }; }'", "nft add chain ip vrlab-v0"},
		{"gone", "ip link delete v0", "v0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if text, err := w.command("sh", "-c", c.first).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			before := w.state()
			text, err := w.program("apply", settings(t, thin), "1h").CombinedOutput()
			if err == nil || !strings.Contains(string(text), c.want) {
				t.Errorf("%v: %s", err, text)
			}
			if after := w.state(); after != before && c.name != "fails" {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			} else if strings.Contains(after, "7652:") != (c.name == "left") || strings.Contains(after, "v0.json") {
				t.Errorf("left behind:\n%s", after)
			}
		})
	}
}
