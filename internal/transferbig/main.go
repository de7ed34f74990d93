//go:build linux

// Transferbig measures what a group of processes does with a state that is large: how fast a replica
// that has lost its memory gets it from the others, what that takes of their memory, and what commits
// notice of it.
//
//	main.go     what to do
//	group.go    the processes of a group
//	journal.go  what they log
//	load.go     operations that fill the state, or go on meanwhile
//	lost.go     the first run: a replica loses its memory and gets it back
//	killed.go   the second run: a source dies meanwhile, and the target as well
//	stopped.go  the third run: a replica stands still for long, while the others work as fast as they can
//	checkpoints.go  the fourth run: checkpoints, and for how long a replica hears nobody for one
//	link.go     what the transport can do between two processes
//	spare.go    memory for what a transfer needs
//	report.go   what came of it, and what it should have been
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An options is what was asked for on the command line.
type options struct {
	vrnode  string
	size    size
	runs    string
	idle    time.Duration
	stopped time.Duration
	output  string
	talk    bool
}

// A size is a number of bytes.
type size int64

func (s *size) String() string { return fmt.Sprintf("%dMiB", *s>>20) }

// Set reads a size as 256MiB or 2GiB.
func (s *size) Set(text string) error {
	for suffix, shift := range map[string]int{"MiB": 20, "GiB": 30} {
		number, found := strings.CutSuffix(text, suffix)
		if n, err := strconv.ParseUint(number, 10, 20); found && err == nil && n > 0 {
			*s = size(n << shift)
			return nil
		}
	}
	return errors.New("want a number and a unit, as in 256MiB or 2GiB")
}

// A measurement is something that can be measured, by its name in the flag.
type measurement struct {
	name    string
	measure func(context.Context, *options, *report) error
}

var runs = []measurement{{"lost", measureLost}, {"killed", measureKilled}, {"stopped", measureStopped}, {"checkpoints", measureCheckpoints}}

// names returns what all of them are called, as the flag takes it.
func names() string {
	var all []string
	for _, r := range runs {
		all = append(all, r.name)
	}
	return strings.Join(all, ",")
}

// errMissed says that a goal was not reached.
var errMissed = errors.New("a goal was missed")

func main() {
	o := options{size: 256 << 20}
	flag.StringVar(&o.vrnode, "vrnode", "bin/vrnode", "the program to measure")
	flag.Var(&o.size, "size", "the bytes of all values")
	flag.StringVar(&o.runs, "runs", names(), "what to measure: a replica has lost its memory; both ends of a transfer are killed; a replica is stopped under full load; frequent checkpoints")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "how long to look at commits that nothing disturbs")
	flag.DurationVar(&o.stopped, "stopped", time.Minute, "how long the replica is stopped")
	flag.StringVar(&o.output, "o", "table", "how to print the result: table or json")
	flag.BoolVar(&o.talk, "v", false, "print what the replicas log")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "transferbig:", err)
		os.Exit(1)
	}
}

// run measures and prints.
func run(ctx context.Context, o *options) error {
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("-o %s: want table or json", o.output)
	}
	chosen := strings.Split(o.runs, ",")
	for _, name := range chosen {
		if !slices.ContainsFunc(runs, func(r measurement) bool { return r.name == name }) {
			return fmt.Errorf("-runs: %q is none of %s", name, names())
		}
	}
	r := &report{Size: int64(o.size)}
	for _, one := range runs {
		if !slices.Contains(chosen, one.name) {
			continue
		}
		if err := one.measure(ctx, o, r); err != nil {
			if len(r.Rows) > 0 {
				_ = r.print(os.Stdout)
			}
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	if o.output == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else if err := r.print(os.Stdout); err != nil {
		return err
	}
	if r.missed() {
		return errMissed
	}
	return nil
}
