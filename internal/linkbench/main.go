//go:build linux

// Linkbench measures the transport against what the kernel can do at best: over a veth pair of MTU
// 1500 between two network namespaces, bulk against runs of full-size UDP datagrams that cross the
// kernel in one piece (UDP_SEGMENT, UDP_GRO), and small round trips against those of plain blocking
// sockets. Other transports can be measured beside them. All take turns, because other work on the
// machine slows down each, and what counts is the ratio.
//
//	main.go      what to do
//	subjects.go  what is measured, in rounds
//	table.go     what came of it
//	cpus.go      where they run
//	work.go      how busy the machine is with other things
//	network.go   the two hosts, and processes on them
//	raw.go       the floors
//	ours.go      the transport, by package linktest
//	others.go    the other transports, which are in the module in peers
//
// It needs root, or user namespaces. Nothing is left of it: see kernel.Rerun.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vrnode/netem/kernel"
)

// An options is what was asked for on the command line.
type options struct {
	rounds   int
	duration time.Duration
	output   string
	peers    string
	profile  string
	spin     time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often to measure everything; the medians are printed")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "how long to measure each")
	flag.StringVar(&o.output, "o", "table", "how to print the result: table or json")
	flag.StringVar(&o.peers, "peers", "", "the program built in internal/linkbench/peers; other transports are left out without it")
	flag.StringVar(&o.profile, "profile", "", "write CPU profiles of the two ends of plain bulk to `FILE`.listen and FILE.measure")
	role := flag.String("role", "", "what a process is that linkbench has started")
	flag.DurationVar(&o.spin, "spin", 0, "how long to spin before sleeping; only with -role")
	sealed := flag.Bool("sealed", false, "in secure mode; only with -role")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	code := 0
	switch {
	case *role != "":
		err = act(ctx, *role, *sealed, &o)
	case o.rounds < 1 || o.output != "table" && o.output != "json":
		err = fmt.Errorf("-rounds %d, -o %s: want a positive number, and table or json", o.rounds, o.output)
	case !kernel.Inside():
		code, err = kernel.Rerun(ctx, false)
	default:
		err = run(ctx, &o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "linkbench:", err)
		code = 1
	}
	os.Exit(code)
}

// act is what the processes on the two hosts do.
func act(ctx context.Context, role string, sealed bool, o *options) error {
	if role != "listen" {
		defer context.AfterFunc(ctx, func() { os.Exit(1) })() // the floors wait for nothing but datagrams
	}
	switch role {
	case "sink":
		return sink()
	case "source":
		return source(o.duration)
	case "echo":
		return echo()
	case "ping":
		return ping(o.duration)
	case "listen":
		return listen(ctx, sealed, o)
	case "bulk", "small":
		return ask(ctx, role, sealed, o)
	}
	return fmt.Errorf("-role: %q is none", role)
}

// run measures and prints.
func run(ctx context.Context, o *options) error {
	if err := kernel.Settle(); err != nil {
		return err
	}
	if err := makeHosts(); err != nil {
		return err
	}
	rows, others, err := measure(ctx, subjects(o), o)
	if err != nil {
		return err
	}
	r := newReport(rows, others, o)
	if o.output == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.print(os.Stdout)
}
