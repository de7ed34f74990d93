package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vrnode/internal/ports"
	"vrnode/wire"
)

// TestMain makes the test binary the command vrnode, too. Such a process ends with the test that
// started it, also if that is killed.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vrnode": func() {
		go endWith(os.Getppid())
		main()
	}, "stranger": stranger})
}

// stranger is a program that answers HELLOs at an address as a replica of another version does.
func stranger() {
	go endWith(os.Getppid())
	conn, err := net.ListenPacket("udp", os.Args[1])
	if err != nil {
		panic(err)
	}
	b := make([]byte, wire.DatagramMax)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			panic(err)
		}
		d := wire.AppendDenial(make([]byte, wire.DatagramHeaderSize), &wire.Denial{Quote: wire.Sum(b[:n]), Why: wire.DeniedVersion})
		wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramDenial, Length: uint16(len(d) - wire.DatagramHeaderSize)}, wire.DenialBinding())
		conn.WriteTo(d, from)
	}
}

func endWith(parent int) {
	for os.Getppid() == parent {
		time.Sleep(100 * time.Millisecond)
	}
	os.Exit(exitFailed)
}

// TestScript runs testdata/script. Besides the commands of testscript there is
//
//	code N COMMAND ARG…
//
// which wants an exit code, and
//
//	until PATTERN COMMAND ARG…
//
// which repeats a command until its standard output is as wanted: on a busy machine a group may be
// changing its view at any time. $PEERS are three addresses on which nobody listens; $PEER1,
// $PEER2 and $PEER3 are each of them. The program stranger is a replica of another version.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": wantCode, "until": until},
		Setup: func(env *testscript.Env) error {
			addresses, err := ports.Free(3)
			if err != nil {
				return err
			}
			env.Setenv("PEERS", peersText(addresses))
			env.Setenv("PEER1", addresses[0])
			env.Setenv("PEER2", addresses[1])
			env.Setenv("PEER3", addresses[2])
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND ARG…")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); ; {
		err := ts.Exec(args[1], args[2:]...)
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("the standard output never has %q: %v", args[0], err)
		}
	}
}

// peersText writes --peers for replicas 1, 2, 3 …
func peersText(addresses []string) string {
	var items []string
	for i, a := range addresses {
		items = append(items, strconv.Itoa(i+1)+"="+a)
	}
	return strings.Join(items, ",")
}
