//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// The two hosts, each a namespace with one end of the veth pair. All floors and the transport use
// the same port of the second one, one after the other.
const (
	left, right = "left", "right"
	port        = 7000
)

var rightAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 2}), port)

// makeHosts makes the hosts. The namespaces around this program end with it, and they with those.
func makeHosts() error {
	for _, command := range []string{
		"ip netns add left",
		"ip netns add right",
		"ip link add left netns left mtu 1500 type veth peer name right netns right mtu 1500",
		"ip -n left address add 10.0.0.1/24 dev left",
		"ip -n right address add 10.0.0.2/24 dev right",
		"ip -n left link set left up",
		"ip -n right link set right up",
	} {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// A process is one that plays a role on a host.
type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
	// complaint is what it has written to stderr.
	complaint strings.Builder
}

// start starts a process on a CPU. It has a line to say when it is ready, or when it is done.
func start(ctx context.Context, host string, cpu int, command []string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", host}, command...)...)}
	p.cmd.Stderr = &p.complaint
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, startOn(cpu, p.cmd)
}

// itself returns the command by which this program plays a role. (It is not /proc/self/exe, which is ip's.)
func itself(role string, duration time.Duration, more ...string) []string {
	return append([]string{os.Args[0], "-role", role, "-duration", duration.String()}, more...)
}

// line waits for a line of the process, and reads it into v, if that is not nil.
func (p *process) line(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		_ = p.cmd.Wait()
		return fmt.Errorf("%v: %w: %s", p.cmd.Args, err, p.complaint.String())
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(line, v)
}

// end asks the process to end, waits until it has, and returns how much CPU it has used.
func (p *process) end() (seconds float64) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
	return (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds()
}

// A pair is two commands, and where they run: one answers on the right host, the other one asks on
// the left.
type pair struct {
	seating       seating
	answers, asks []string
	// tells: it is the end that answers that knows the result, and tells when all is over.
	tells bool
}

// play reads the result into v, and returns the CPU seconds of the end that has used more.
func play(ctx context.Context, commands pair, v any) (busier float64, err error) {
	a, err := start(ctx, right, commands.seating.answers, commands.answers)
	if err != nil {
		return 0, err
	}
	defer func() { busier = max(busier, a.end()) }()
	if err := a.line(nil); err != nil { // ready
		return 0, err
	}
	b, err := start(ctx, left, commands.seating.asks, commands.asks)
	if err != nil {
		return 0, err
	}
	defer func() { busier = max(busier, b.end()) }()
	if commands.tells {
		return 0, a.line(v)
	}
	return 0, b.line(v)
}

// tell writes a line for the process that has started this one.
func tell(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
