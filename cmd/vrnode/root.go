package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// execute runs the command line and returns the exit code. The first SIGINT or SIGTERM asks the
// command to end tidily, the second ends the process.
func execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root, stdout := newRoot(), &outlet{w: os.Stdout}
	root.SetArgs(args)
	root.SetOut(stdout)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = stdout.err
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintf(os.Stderr, "vrnode: %v\n", err)
	}
	return exitCode(err)
}

// An outlet remembers the first failure to write, so that no command takes a result for delivered
// that was not.
type outlet struct {
	w   io.Writer
	err error
}

func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "vrnode",
		Short: "Viewstamped Replication: a service in the memory of several machines",
		Long: `vrnode replicates a service over the memory of several machines with Viewstamped Replication.
A group of 2f+1 replicas survives the loss of any f of them, memory included.

Results go to standard output, everything else to standard error.

Exit codes:
  0   done
  1   failed
  2   the outcome is unknown: the operation may have been executed, or may still be
  3   the group, or the other end of a link, is unavailable
  64  wrong usage`,
		Example: `  vrnode demo
  vrnode serve --id 1 --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 --key-file group.key
  vrnode help call`,
		Version:       version(),
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(newDemo(), newServe(), newForm(), newBackup(), newRestore(), newCall(), newStatus(), newKeygen(), newSim(), newLab(), newBench(), newLink(), newRelay())
	return root
}

// knownCommand refuses what is not a subcommand, and says what may have been meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return usage("unknown command %q: did you mean %s?", args[0], strings.Join(like, " or "))
	}
	return usage("unknown command %q (see vrnode --help)", args[0])
}

// noArguments is cobra.NoArgs with our exit code.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "vrnode (unknown) " + runtime.Version()
	}
	setting := make(map[string]string)
	for _, s := range info.Settings {
		setting[s.Key] = s.Value
	}
	text := "vrnode " + info.Main.Version
	if revision := setting["vcs.revision"]; revision != "" {
		text += " " + revision
	}
	if setting["vcs.modified"] == "true" {
		text += " (modified)"
	}
	return fmt.Sprintf("%s %s %s/%s", text, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
