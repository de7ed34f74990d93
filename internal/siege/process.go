package siege

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"vrnode/frag/noise"
	"vrnode/vr/client"
	"vrnode/vr/machine/accumulator"
	"vrnode/vr/node"
)

// A role is what a process does that Measure has started. It is in the environment of the process,
// which ends when its standard input does.
type role struct {
	// Replica is the replica to be, or 0 to flood.
	Replica uint64
	Peers   map[uint64]string
	Keys    []noise.Key
}

// roleVariable holds a role, as JSON.
const roleVariable = "VRNODE_SIEGE_ROLE"

// Act does what Measure has started the process for, and then ends it. In any other process it
// returns at once. A program that measures calls it first.
func Act() {
	text := os.Getenv(roleVariable)
	if text == "" {
		return
	}
	var r role
	err := json.Unmarshal([]byte(text), &r)
	switch {
	case err != nil:
	case r.Replica != 0:
		err = r.serve(os.Stdin, os.Stdout)
	default:
		err = r.flood(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve is a replica. For every line it tells how many bytes of memory it uses.
func (r *role) serve(in io.Reader, out io.Writer) error {
	n, err := node.Start(node.Config{ID: r.Replica, Peers: r.Peers, Keys: r.Keys, Machine: new(accumulator.Machine)})
	if err != nil {
		return err
	}
	defer n.Close()
	fmt.Fprintln(out, "ready")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintln(out, m.Sys-m.HeapReleased)
	}
	return nil
}

// flood floods until its input ends, and reports. There is a client of the group whose datagrams it
// sees, and sends again.
func (r *role) flood(in io.Reader, out io.Writer) error {
	replicas := make(map[uint64]netip.AddrPort)
	for id, peer := range r.Peers {
		addr, err := netip.ParseAddrPort(peer)
		if err != nil {
			return err
		}
		replicas[id] = addr
	}
	f, err := NewFlooder(replicas, uint64(time.Now().UnixNano()))
	if err != nil {
		return err
	}
	tap, err := NewTap(replicas, f.See)
	if err != nil {
		return err
	}
	defer tap.Close()
	c, err := client.Start(client.Config{Peers: tap.Peers, Keys: r.Keys})
	if err != nil {
		return err
	}
	defer c.Close()
	for range 20 {
		if _, err := c.Submit(context.Background(), []byte("add 0")); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, in)
	}()
	fmt.Fprintln(out, "ready")
	return json.NewEncoder(out).Encode(f.Run(ctx))
}

// A process is one that has a role.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a process, which ends with ctx at the latest, and waits until it is ready.
func start(ctx context.Context, r role) (*process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, path)}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if _, err := p.line(); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// line returns the next line that the process prints.
func (p *process) line() (string, error) {
	if !p.out.Scan() {
		return "", errors.New("a process has ended")
	}
	return p.out.Text(), nil
}

// memory asks a replica for the memory that it uses.
func (p *process) memory() (int64, error) {
	if _, err := fmt.Fprintln(p.in); err != nil {
		return 0, err
	}
	text, err := p.line()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// end has a flooder end and report.
func (p *process) end(r *Report) error {
	p.in.Close()
	text, err := p.line()
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return err
	}
	return p.cmd.Wait()
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
