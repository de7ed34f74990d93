package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the command vrnode, too. Such a process ends with the test that
// started it, also if that is killed.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vrnode": func() {
		go endWith(os.Getppid())
		main()
	}})
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
// which wants an exit code. $PEERS are three addresses on which nobody listens; $PEER1 is the
// first of them.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": wantCode},
		Setup: func(env *testscript.Env) error {
			addresses, err := freeAddresses(3)
			if err != nil {
				return err
			}
			env.Setenv("PEERS", peersText(addresses))
			env.Setenv("PEER1", addresses[0])
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

// freeAddresses finds UDP addresses of this machine on which nobody listens now.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer conn.Close() // after all are found, so that they differ
		addresses = append(addresses, conn.LocalAddr().String())
	}
	return addresses, nil
}

// peersText writes --peers for replicas 1, 2, 3 …
func peersText(addresses []string) string {
	var items []string
	for i, a := range addresses {
		items = append(items, strconv.Itoa(i+1)+"="+a)
	}
	return strings.Join(items, ",")
}
