package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"vrnode/internal/linktest"
	"vrnode/wire"
)

func newLink() *cobra.Command {
	var l linker
	cmd := &cobra.Command{
		Use:   "link --listen HOST:PORT | --to HOST:PORT",
		Short: "Measure the transport alone between two hosts",
		Long: `link measures how the transport of replicas does between two hosts, without any replica: run it with
--listen on one host and with --to on the other, which prints the figures. What it measures:

  ping   small messages there and back, one at a time, in the most urgent lane
  up     bulk to the other end, as much as the transport takes
  down   bulk from the other end
  sweep  messages of several sizes, one at a time, each with a small answer

Beside the bulk goes a ping every millisecond, which shows what a vote would have to wait for. A tenth
of the duration goes before each measurement, and is not counted. Lost datagrams, fragments that were sent
again, the round-trip time and the window are those of the end that sends the larger messages.

Both ends need the same key, in --key-file; without one the listener answers whoever asks.

Exit code 1: interrupted; what was measured until then is printed. 3: the other end does not answer, or
has stopped to.`,
		Example: `  vrnode link --key-file link.key --listen :7000          # on 10.0.0.1
  vrnode link --key-file link.key --to 10.0.0.1:7000      # on the other host
  vrnode link --insecure --to 10.0.0.1:7000 --measure ping --size 256 --duration 1m
  vrnode link --insecure --to 10.0.0.1:7000 --measure up,down -o json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd) },
	}
	var phases []string
	for _, p := range linktest.Phases {
		phases = append(phases, string(p))
	}
	cmd.Flags().StringVar(&l.listen, "listen", "", "answer at this HOST:PORT, until interrupted; no HOST means every address")
	cmd.Flags().StringVar(&l.to, "to", "", "measure the link to the HOST:PORT of a listener")
	l.keyring.addTo(cmd, "a key that the other end has too")
	cmd.Flags().StringSliceVar(&l.phases, "measure", phases, "what to measure")
	cmd.Flags().IntVar(&l.size, "size", 64, "bytes of a ping")
	cmd.Flags().IntSliceVar(&l.sizes, "sizes", []int{64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}, "bytes of the messages of the sweep")
	l.duration.addTo(cmd, "duration", 5*time.Second, "how long each of ping, up, down and the whole sweep takes")
	l.timeout.addTo(cmd, "timeout", 5*time.Second, "how long the other end may be silent")
	l.spin.addTo(cmd, "spin", 0, "how long this end looks for messages before it sleeps, such as 50µs: faster, and takes most of a CPU")
	l.output.addTo(cmd, "table", "json")
	return cmd
}

// A linker is what the flags of link say.
type linker struct {
	listen, to string
	keyring
	phases            []string
	size              int
	sizes             []int
	duration, timeout duration
	spin              duration
	output            format
}

func (l *linker) run(cmd *cobra.Command) error {
	switch {
	case l.listen == "" && l.to == "":
		return usage("--listen or --to is missing: run vrnode link --listen :7000 on one host, and vrnode link --to HOST:7000 on the other")
	case l.listen != "" && l.to != "":
		return usage("--listen and --to are the two ends of a link: give one of them")
	}
	at := l.listen + l.to
	if !isExposed(at) {
		at = ""
	}
	if err := l.keyring.check(at, "both ends"); err != nil {
		return err
	}
	if l.listen != "" {
		return l.serve(cmd.Context(), cmd.ErrOrStderr())
	}
	if err := l.check(); err != nil {
		return err
	}
	return l.measure(cmd)
}

func (l *linker) check() error {
	if len(l.phases) == 0 {
		return usage("--measure: want some of %v", linktest.Phases)
	}
	for i, p := range l.phases {
		if !slices.Contains(linktest.Phases, linktest.Phase(p)) || slices.Contains(l.phases[:i], p) {
			return usage("--measure: want some of %v, each once, not %q", linktest.Phases, p)
		}
	}
	if len(l.sizes) == 0 {
		return usage("--sizes: want at least one size")
	}
	if l.size < linktest.SizeMin || l.size > linktest.SizeMax {
		return usage("--size: a message has %d to %d bytes, not %d", linktest.SizeMin, linktest.SizeMax, l.size)
	}
	for _, size := range l.sizes {
		if size < linktest.SizeMin || size > linktest.SizeMax {
			return usage("--sizes: a message has %d to %d bytes, not %d", linktest.SizeMin, linktest.SizeMax, size)
		}
	}
	return nil
}

// ---- the end that answers

func (l *linker) serve(ctx context.Context, talk io.Writer) error {
	listener, err := linktest.Listen(l.listen, l.spin.get(), l.keys...)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("--listen: %s is in use by another process", l.listen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("--listen: %s is not an address of this machine", l.listen)
	case err != nil:
		return fmt.Errorf("--listen: %w", err)
	}
	if advice := listener.Advice(); advice != "" {
		fmt.Fprintln(talk, advice)
	}
	fmt.Fprintf(talk, "listening on %v; measure with: vrnode link%s --to HOST:%d\n", listener.Addr(), l.flags(), listener.Addr().Port())
	if l.insecure {
		fmt.Fprintln(talk, "without a key: whoever reaches this address can have it send as much as it can")
	}
	return listener.Serve(ctx, func(from netip.AddrPort) { fmt.Fprintf(talk, "%v measures\n", from) })
}

// ---- the end that measures

func (l *linker) measure(cmd *cobra.Command) error {
	cfg := linktest.Config{
		To: l.to, Duration: l.duration.get(), Patience: l.timeout.get(), Size: l.size, Sizes: l.sizes, Keys: l.keys, Spin: l.spin.get(),
	}
	for _, p := range linktest.Phases { // in their order, whatever that of the flag
		if slices.Contains(l.phases, string(p)) {
			cfg.Phases = append(cfg.Phases, p)
		}
	}
	bar := newBar(linkBarMax, "")
	cfg.Progress = func(p linktest.Progress) { showProgress(bar, p) }
	report, err := linktest.Measure(cmd.Context(), cfg)
	_ = bar.Clear() // it is for the eye only
	if report == nil {
		return fmt.Errorf("--to: %w", err)
	}
	if len(report.Rows) > 0 {
		if printed := l.print(cmd.OutOrStdout(), report); printed != nil {
			return printed
		}
	}
	return l.explain(report, err)
}

// mtuMin is the least MTU of an interface for the datagrams that every path must carry, with the
// headers of UDP and IPv6.
const mtuMin = wire.DatagramBase + 8 + 40

// explain says what to do about a link that fails.
func (l *linker) explain(r *linktest.Report, err error) error {
	switch {
	case errors.Is(err, linktest.ErrDenied):
		return unavailable("%s %v\n%s", l.to, r.Denied, l.remedy(r.Denied))
	case errors.Is(err, linktest.ErrNobody) && r.TooBig > 0:
		return unavailable("the interface towards %s does not take datagrams of %d bytes: raise its MTU to %d or more", l.to, wire.DatagramBase, mtuMin)
	case errors.Is(err, linktest.ErrNobody) && r.Received > 0:
		return unavailable("something at %s sends datagrams, but it is not the listener of this version of vrnode (%d sent, %d received): "+
			"is vrnode link --listen what runs there?", l.to, r.Sent, r.Received)
	case errors.Is(err, linktest.ErrNobody):
		return unavailable("nobody answers at %s within %v: is vrnode link --listen running there, is the address right, and do firewalls "+
			"let UDP through in both directions, in datagrams of %d bytes? (%d sent, none received)", l.to, l.timeout.get(), wire.DatagramBase, r.Sent)
	case errors.Is(err, linktest.ErrSilent):
		return unavailable("%w: nothing came from %s for %v (see --timeout); what is printed was measured before", err, l.to, l.timeout.get())
	case errors.Is(err, linktest.ErrRestarted):
		return unavailable("%w; what is printed was measured before", err)
	}
	return err
}

// remedy says what to do about an end that refuses to talk.
func (l *linker) remedy(why wire.Denied) string {
	switch why {
	case wire.DeniedPlain, wire.DeniedSealed, wire.DeniedKey:
		return "Both ends need a --key-file with the same key, or none."
	case wire.DeniedVersion:
		return "Run the same version of vrnode at both ends."
	}
	return "Is vrnode link --listen what runs there?"
}

// linkBarMax is the length of the bar in its own units.
const linkBarMax = 1000

func showProgress(bar *progressbar.ProgressBar, p linktest.Progress) {
	text := string(p.Phase)
	if p.BytesPerSecond > 0 && p.Phase != linktest.Ping {
		text += " " + bitsPerSecond(p.BytesPerSecond)
	}
	bar.Describe(text)
	_ = bar.Set(int(linkBarMax * p.Share)) // it is for the eye only
}

// ---- the tables

func (l *linker) print(w io.Writer, r *linktest.Report) error {
	if l.output.json() {
		return printJSON(w, r)
	}
	printLink(w, r)
	return nil
}

func printLink(w io.Writer, r *linktest.Report) {
	longest := 0
	for i := range r.Rows {
		longest = max(longest, r.Rows[i].Path.DatagramBytes)
	}
	fmt.Fprintf(w, "%s to %s: first answer after %.1f ms, datagrams of up to %d bytes\n", r.Local, r.To, r.ConnectMillis, longest)
	if r.Advice != "" {
		fmt.Fprintln(w, r.Advice)
	}
	printRoundTrips(w, r.Rows)
	printPaths(w, r.Rows)
	if r.Interrupted {
		fmt.Fprintf(w, "\nthe last phase is not whole: %.1f s of it\n", r.Rows[len(r.Rows)-1].Seconds)
	}
}

// printRoundTrips prints what messages saw.
func printRoundTrips(w io.Writer, rows []linktest.Row) {
	fmt.Fprintln(w, "\nround trips, µs")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbytes\tcount\tper second\tmin\tp50\tp90\tp99\tp99.9\tmax\t")
	line := func(name string, r *linktest.RoundTrips) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, r.Bytes, r.Count, r.PerSecond,
			r.LeastMicros, r.P50Micros, r.P90Micros, r.P99Micros, r.P999Micros, r.MostMicros)
	}
	for _, row := range rows {
		if row.Beside == nil {
			line(string(row.Phase), &row.RoundTrips)
		} else {
			line("ping beside "+string(row.Phase), row.Beside)
		}
	}
	t.Flush()
}

// printPaths prints what the transport saw.
func printPaths(w io.Writer, rows []linktest.Row) {
	fmt.Fprintln(w, "\ntransport")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbytes\trate\tdatagrams\tlost\tsent again\toverflowed here, there\tRTT µs\tleast\twindow KiB\t")
	for _, row := range rows {
		p := row.Path
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\t%d\t%d, %d\t%.0f ± %.0f\t%.0f\t%d\t\n", row.Phase, max(row.Bytes, row.AnswerBytes), bitsPerSecond(row.BytesPerSecond),
			p.Sent, share(p), p.Again, row.OverflowedHere, row.OverflowedThere, p.SRTTMicros, p.RTTVarMicros, p.RTTMinMicros, p.WindowBytes>>10)
	}
	t.Flush()
	for _, row := range rows {
		if row.Path.Partings > 0 {
			fmt.Fprintf(w, "\n%s: datagrams that the kernel has joined get lost, and others do not; they were sent one by one for a minute\n", row.Phase)
		}
	}
}

func share(p linktest.Path) string { return fmt.Sprintf("%d (%.2f %%)", p.Lost, p.LossPercent) }

// bitsPerSecond writes a rate as people who build networks do.
func bitsPerSecond(bytes float64) string {
	bits := 8 * bytes
	for _, unit := range []string{"bit/s", "kbit/s", "Mbit/s"} {
		if bits < 1000 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", bits), ".0") + " " + unit
		}
		bits /= 1000
	}
	return fmt.Sprintf("%.2f Gbit/s", bits)
}
