package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// TestInterrupted: whoever interrupts a command is told so, and nothing else: replicas that nobody has
// waited for are not called silent.
func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(errors.New("enough"))
	for _, args := range []string{
		"status --peers 1=127.0.0.1:1", "form --peers 1=127.0.0.1:1", "call --peers 1=127.0.0.1:1 read", "sim --seeds 5", "demo -o json",
		"link --to 127.0.0.1:1",
	} {
		var stdout, stderr bytes.Buffer
		root := newRoot()
		root.SetArgs(strings.Fields(args))
		root.SetOut(&stdout)
		root.SetErr(&stderr)
		err := root.ExecuteContext(ctx)
		if err == nil || !strings.Contains(err.Error(), "enough") || exitCode(err) != exitFailed {
			t.Errorf("%s: %v, exit code %d", args, err, exitCode(err))
		}
		if text := stdout.String(); text != "" && !strings.Contains(text, "runs: 0") {
			t.Errorf("%s: the output is %s", args, text)
		}
	}
}
