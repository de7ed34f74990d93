package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vrnode/vr"
	"vrnode/vr/node"
	"vrnode/wire"
)

func newServe() *cobra.Command {
	var (
		id      uint64
		group   access
		service machineFlag
		logs    format
		level   format
		memory  size
		spin    duration
		spool   string
	)
	cmd := &cobra.Command{
		Use:   "serve --id N --peers ID=HOST:PORT,… --key-file FILE",
		Short: "Run a replica",
		Long: `serve runs one replica until it is told to stop. All replicas of a group get the same --peers.

A replica keeps what it knows in its memory only. Every start is the same: it asks the others for
the memory of the group. If the group is new, nobody has any, and it must be formed, once, with
vrnode form. To restart a replica after a crash, run the same command line again.

A replica keeps the operations of late, in --log-memory, for others that missed a few. One that lacks
more gets the whole state from the others.

With --key-file the replica is in secure mode, like all the others and all clients: see vrnode help
keygen. SIGHUP makes it read the file again.

What happens is logged to standard error.`,
		Example: `  vrnode serve --id 1 --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 --key-file group.key`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkServe(id, &group); err != nil {
				return err
			}
			if memory.get() < vr.LogBytesMin {
				least := size(vr.LogBytesMin)
				return usage("--log-memory %v is less than a log needs, which is %v", &memory, &least)
			}
			s := server{id: id, group: &group, memory: memory.get(), spool: spool, spin: spin.get(), talk: cmd.ErrOrStderr(), log: newLogger(cmd.ErrOrStderr(), &logs, &level)}
			makeRoom()
			return s.run(cmd.Context(), service.get().new())
		},
	}
	cmd.Flags().Uint64Var(&id, "id", 0, "the number of this replica")
	group.addTo(cmd)
	service.addTo(cmd, "the service to replicate")
	logs.formats, logs.value = []string{"text", "json"}, "text"
	cmd.Flags().Var(&logs, "log-format", "how to write the log")
	level.formats, level.value = []string{"info", "debug"}, "info"
	cmd.Flags().Var(&level, "log-level", "how much to log: debug is also what a bad network causes, and every checkpoint")
	memory.addTo(cmd, "log-memory", vr.LogBytesDefault, "memory for operations that other replicas may lack; the same for all")
	spin.addTo(cmd, "spin", 0, "how long to look for messages before sleeping, such as 50µs: faster, and takes most of a CPU under load")
	cmd.Flags().StringVar(&spool, "spool", "", "a directory for states on their way; with one of its own, a replica that is started again keeps what it has fetched")
	return cmd
}

// makeRoom has the runtime use a processor more than there are. The protocol has a thread of its own, which is
// in the kernel between any two messages; when it comes back and the runtime has given all its processors to
// what computes for long, it waits up to 10 ms for one. The kernel shares them out better.
func makeRoom() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

func checkServe(id uint64, group *access) error {
	if err := group.check(); err != nil {
		return err
	}
	if id == 0 {
		return usage("--id is missing: which of the replicas in --peers is this one?")
	}
	if _, listed := group.peers[id]; !listed {
		return usage("--id %d is not in --peers, which lists %v", id, slices.Sorted(maps.Keys(group.peers)))
	}
	return nil
}

func newLogger(w io.Writer, f, level *format) *slog.Logger {
	var options slog.HandlerOptions
	if level.value == "debug" {
		options.Level = slog.LevelDebug
	}
	if f.json() {
		return slog.New(slog.NewJSONHandler(w, &options))
	}
	return slog.New(slog.NewTextHandler(w, &options))
}

// A server is the replica of this process.
type server struct {
	id     uint64
	group  *access
	memory int
	spool  string
	spin   time.Duration
	talk   io.Writer
	log    *slog.Logger
}

// hintAfter is how long a replica may be without memory before people are told what to do. One
// that recovers takes far less.
const hintAfter = 2 * time.Second

func (s *server) run(ctx context.Context, machine vr.StateMachine) error {
	signal.Ignore(syscall.SIGPIPE) // the replica outlives whoever reads its log
	n, err := node.Start(node.Config{ID: s.id, Peers: s.group.peers, Keys: s.group.keys, Machine: machine, LogMemory: s.memory, SpoolDir: s.spool, Spin: s.spin, Logger: s.log})
	if err != nil {
		return s.explain(err)
	}
	defer n.Close()
	fmt.Fprintf(s.talk, "replica %d listens on %s\n", s.id, s.group.peers[s.id])
	if exposed := s.group.exposed(); exposed != "" && len(s.group.keys) == 0 {
		s.log.Warn("without a key: whoever reaches this replica can read and forge everything", "replica", s.id, "address", exposed)
	}
	hangUp := make(chan os.Signal, 1)
	if s.group.file != "" {
		signal.Notify(hangUp, syscall.SIGHUP)
		defer signal.Stop(hangUp)
	}
	hint := time.After(hintAfter)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-hangUp:
			s.reread(n)
		case <-hint:
			if status := n.Status(); status.Status == wire.StatusRecovering {
				s.hint(status.Peers)
			}
		}
	}
	fmt.Fprintf(s.talk, "replica %d stops\n", s.id)
	return nil
}

// explain turns the error of a replica that does not start into one that names the flag.
func (s *server) explain(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("--peers: the address of replica %d, %s, is in use by another process", s.id, s.group.peers[s.id])
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("--id %d: the address of this replica in --peers, %s, is not one of this machine", s.id, s.group.peers[s.id])
	}
	if name, why, found := strings.Cut(err.Error(), "SpoolDir: "); found && name == "node: " {
		return usage("--spool: %s", why)
	}
	return fmt.Errorf("--peers: %w", err)
}

// reread takes the keys that are in the key file now. If something is wrong with it, the keys stay
// what they are.
func (s *server) reread(n *node.Node) {
	keys, err := readKeys(s.group.file)
	if err == nil {
		err = n.SetKeys(keys)
	}
	if err != nil {
		s.log.Error("the keys stay what they are", "replica", s.id, "error", err)
		return
	}
	attrs := []any{"replica", s.id, "key", keys[0].ID().String()}
	if len(keys) > 1 {
		attrs = append(attrs, "also", keys[1].ID().String())
	}
	s.log.Info("the key file was read again", attrs...)
}

// hint says what can be done for a replica that has found no memory yet.
func (s *server) hint(peers []node.PeerStatus) {
	for _, p := range peers {
		if p.Denied != "" {
			fmt.Fprintf(s.talk, "replica %v %s\n", p.ID, p.Denied)
		}
	}
	fmt.Fprintf(s.talk, `replica %d has no memory yet and keeps asking the others.
If the group is new, start all replicas and then, once:
  vrnode form %s
To see how the others are:
  vrnode status %s
`, s.id, s.group.flags(), s.group.flags())
}
