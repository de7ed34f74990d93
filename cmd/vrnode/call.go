package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vrnode/vr"
	"vrnode/vr/client"
)

func newCall() *cobra.Command {
	c := new(caller)
	cmd := &cobra.Command{
		Use:   "call --peers ID=HOST:PORT,… OP [ARG] | -",
		Short: "Have operations executed by the group",
		Long: fmt.Sprintf(`call sends an operation to the group and prints its result. With - it takes operations from
standard input, one a line, and prints one result a line in the same order; up to %d of them are
under way at a time.

An operation is executed once, also when replicas crash meanwhile and when messages get lost: call
repeats it until there is an answer or the time is over.

The operations of the accumulator: add N, subtract N, multiply N, clear, read. The result is the
new value.

Those of kv: get KEY, put KEY VALUE, delete KEY, swap KEY OLD NEW, increment KEY N, and range FROM
TO LIMIT, where an empty TO is the end. The result is a value in quotes, ok, or absent; a range is
"KEY"="VALUE" for each key, and tells where to go on if there is more. In lines of standard input,
a word with spaces or quotes in it stands in quotes, as in Go.

Whatever the service, a result may be error: REASON.

Exit code 1: a result is an error. 2: an operation got no answer, it may have been executed or may
still be. 3: the group is unavailable.`, vr.SessionWindow),
		Example: `  vrnode call --peers … add 5
  vrnode call --peers … --machine kv put greeting "hello, world"
  seq 1000 | sed 's/^/add /' | vrnode call --peers … -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("which operation? For example: %s --peers … add 5", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	cmd.Flags().SetInterspersed(false) // so that -3 is a number
	c.group.addTo(cmd)
	c.service.addTo(cmd, "the service that the group replicates")
	c.timeout.addTo(cmd, "timeout", 10*time.Second, "how long to wait for each answer")
	return cmd
}

// A caller is what the flags of call say.
type caller struct {
	group   access
	service machineFlag
	timeout duration
}

func (c *caller) run(cmd *cobra.Command, args []string) error {
	if err := c.group.check(); err != nil {
		return err
	}
	input := cmd.InOrStdin()
	if len(args) > 1 || args[0] != "-" {
		command := c.service.get().command(args)
		if err := c.service.get().check(command); err != nil {
			return usage("%w", err)
		}
		input = bytes.NewReader(command)
	}
	group, err := startClient(&c.group)
	if err != nil {
		return err
	}
	defer group.Close()
	s := stream{
		check: c.service.get().check, submit: group.Go, timeout: c.timeout.get(), window: vr.SessionWindow,
		abandon: func() { group.Close() },
	}
	err = s.run(cmd.Context(), input, cmd.OutOrStdout())
	if silence, ok := errors.AsType[*noAnswer](err); ok {
		return c.explain(cmd.Context(), s.answered+1, silence)
	}
	if err != nil {
		return err
	}
	if s.failed > 0 {
		return fmt.Errorf("%d of %d operations failed", s.failed, s.answered)
	}
	return nil
}

// explain turns the end of an operation, the number of which is told, into an error with an exit
// code and, if the group is to blame, with the reason.
func (c *caller) explain(ctx context.Context, number int, silence *noAnswer) error {
	err := fmt.Errorf("operation %d: %w", number, silence)
	if ctx.Err() != nil && !errors.Is(err, client.ErrOutcomeUnknown) {
		return fmt.Errorf("%w; it and later ones were not executed", err)
	}
	trouble := diagnose(context.WithoutCancel(ctx), &c.group)
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown) && trouble != nil:
		return unknown("%w; it and later ones may have been executed, or may still be\n%w", err, trouble)
	case errors.Is(err, client.ErrOutcomeUnknown):
		return unknown("%w; it and later ones may have been executed, or may still be", err)
	case trouble != nil:
		return trouble
	}
	return unavailable("%w", err)
}
