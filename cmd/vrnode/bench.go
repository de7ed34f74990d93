package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vrnode/internal/bench"
	"vrnode/vr"
	"vrnode/wire"
)

func newBench() *cobra.Command {
	var b bencher
	cmd := &cobra.Command{
		Use:   "bench --peers ID=HOST:PORT,…",
		Short: "Measure a live group, and what the machine could do at best",
		Long: `bench has operations executed by a live group, a fixed number of them outstanding at a time, and
measures operations a second and the latency of each. Every operation adds 1, so the value grows.

In the same run it measures two floors on this machine, with processes that pass on UDP datagrams
of the same size and know no protocol: a ping-pong, and two hops (client, primary, both backups,
primary, client) with as many outstanding. The ratios are the group's figures divided by those of
the two-hop floor. A floor does not batch, so a group may have a higher throughput than its floor.

A tenth of the duration goes before each measurement, and is not counted.`,
		Example: `  vrnode bench --peers … --outstanding 1,64,1024 --size 64 --duration 5s -o json`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	b.group.addTo(cmd)
	cmd.Flags().IntSliceVar(&b.outstanding, "outstanding", []int{1, 64, vr.SessionWindow}, "operations under way at a time")
	cmd.Flags().IntVar(&b.size, "size", 64, "bytes of a command")
	b.duration.addTo(cmd, "duration", 5*time.Second, "how long to measure each")
	b.output.addTo(cmd, "table", "json")
	return cmd
}

// A bencher is what the flags of bench say.
type bencher struct {
	group       access
	outstanding []int
	size        int
	duration    duration
	output      format
}

func (b *bencher) check() error {
	if err := b.group.check(); err != nil {
		return err
	}
	for _, n := range b.outstanding {
		if n < 1 || n > vr.SessionWindow {
			return usage("--outstanding: a client has 1 to %d operations under way, not %d", vr.SessionWindow, n)
		}
	}
	if smallest := max(len(addOne), bench.DatagramMin); b.size < smallest || b.size > sizeMax {
		return usage("--size: a command has %d to %d bytes, not %d", smallest, sizeMax, b.size)
	}
	return nil
}

const (
	// addOne is the command, which spaces fill to its size.
	addOne = "add 1"
	// sizeMax is what fits into a UDP datagram, for the sake of the floors.
	sizeMax = min(wire.CommandMax, 60_000)
)

func (b *bencher) run(cmd *cobra.Command) error {
	if err := b.check(); err != nil {
		return err
	}
	report, err := b.measure(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if b.output.json() {
		return printJSON(cmd.OutOrStdout(), report)
	}
	printBench(cmd.OutOrStdout(), report)
	return nil
}

func (b *bencher) measure(ctx context.Context, talk io.Writer) (*bench.Report, error) {
	submit, closeClient, err := dial(ctx, &b.group)
	if err != nil {
		return nil, err
	}
	defer closeClient()
	floors, err := startFloors(ctx)
	if err != nil {
		return nil, err
	}
	defer floors.stop()

	duration := b.duration.get()
	report := &bench.Report{Size: b.size, Duration: duration.Seconds(), CPUs: runtime.NumCPU()}
	fmt.Fprintln(talk, "measuring the ping-pong floor")
	if report.PingPong, err = bench.Floor(ctx, floors.echo, 1, b.size, duration); err != nil {
		return nil, err
	}
	command := append([]byte(addOne), bytes.Repeat([]byte(" "), b.size-len(addOne))...)
	for _, n := range b.outstanding {
		fmt.Fprintf(talk, "measuring the two-hop floor and the group with %d outstanding\n", n)
		twoHop, err := bench.Floor(ctx, floors.primary, n, b.size, duration)
		if err != nil {
			return nil, err
		}
		group, err := bench.Group(ctx, submit, n, command, duration)
		if err != nil {
			return nil, err
		}
		report.Rows = append(report.Rows, bench.NewRow(n, group, twoHop, report.PingPong))
	}
	return report, nil
}

// ---- the processes of the floors

// floors are the processes that relay datagrams.
type floors struct {
	processes     []*exec.Cmd
	echo, primary netip.AddrPort
}

// startFloors starts two backups, of which one serves as the echo of the ping-pong, and a primary.
func startFloors(ctx context.Context) (*floors, error) {
	f := new(floors)
	first, err := f.start(ctx)
	if err != nil {
		return nil, err
	}
	second, err := f.start(ctx)
	if err != nil {
		return nil, err
	}
	f.echo = first
	f.primary, err = f.start(ctx, first.String(), second.String())
	return f, err
}

// start starts one process, which lives until its standard input is closed, and returns its
// address.
func (f *floors) start(ctx context.Context, backups ...string) (netip.AddrPort, error) {
	self, err := os.Executable()
	if err != nil {
		return netip.AddrPort{}, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"relay"}, backups...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = os.Stderr
	if _, err = cmd.StdinPipe(); err != nil {
		return netip.AddrPort{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return netip.AddrPort{}, err
	}
	if err = cmd.Start(); err != nil {
		return netip.AddrPort{}, err
	}
	f.processes = append(f.processes, cmd)
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		f.stop()
		return netip.AddrPort{}, fmt.Errorf("a relay did not start: %w", err)
	}
	return netip.ParseAddrPort(strings.TrimSpace(address))
}

func (f *floors) stop() {
	for _, p := range f.processes {
		p.Process.Kill()
		p.Wait()
	}
	f.processes = nil
}

// ---- the table

func printBench(w io.Writer, r *bench.Report) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "outstanding\t\tops/s\tp50 µs\tp99 µs\tp99.9 µs\t")
	figures := func(outstanding int, what string, f bench.Figures) {
		fmt.Fprintf(t, "%d\t%s\t%.0f\t%.1f\t%.1f\t%.1f\t\n", outstanding, what, f.OpsPerSecond, f.P50Micros, f.P99Micros, f.P999Micros)
	}
	figures(1, "ping-pong", r.PingPong)
	for _, row := range r.Rows {
		figures(row.Outstanding, "two-hop floor", row.TwoHop)
		figures(row.Outstanding, "group", row.Group)
		fmt.Fprintf(t, "\tgroup ÷ floor\t× %.2f\t× %.2f\t× %.2f\t\t\n", row.OpsRatio, row.P50Ratio, row.P99Ratio)
	}
	t.Flush()
	fmt.Fprintf(w, "\n%d bytes, %gs each, %d CPUs\n", r.Size, r.Duration, r.CPUs)
}
