// Package node runs a replica inside a program. Implement StateMachine, start a Node on each of
// one, three or more machines, call Form once in the life of the group, and Submit commands on any
// of them; the package's example does all of it.
//
// The group lives as long as more than half of its members do not lose their memory at the same
// time: nothing is ever written to disk. A node that was restarted gets its memory back from the
// others by itself.
package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/loop"
	"vrnode/vr"
)

// The errors of a Node, for errors.Is. More than one may apply.
var (
	// ErrClosed: the node was closed.
	ErrClosed = loop.ErrClosed
	// ErrOutcomeUnknown: no result has come. The command may have been executed, once, or may
	// still be, also when nobody has answered yet.
	ErrOutcomeUnknown = loop.ErrOutcomeUnknown
	// ErrUnavailable: the group did not serve in time. The text says why, as far as is known.
	ErrUnavailable = loop.ErrUnavailable
	// ErrBusy: too many commands are under way, in this node or in the group.
	ErrBusy = loop.ErrBusy
	// ErrWrongCluster: the group that the node's commands belonged to is not there any more.
	ErrWrongCluster = loop.ErrWrongCluster
	// ErrSessionExpired: the group has closed the node's client session before it answered. It
	// is an ErrOutcomeUnknown.
	ErrSessionExpired = loop.ErrSessionExpired
	// ErrTooLong: the command is longer than 64 KiB.
	ErrTooLong = loop.ErrTooLong
	// ErrNotFormed: Form did not succeed.
	ErrNotFormed = loop.ErrNotFormed
)

// A StateMachine is your service. It must be deterministic: the same commands in the same order
// give the same results everywhere. Apply is called with one command after the other, on every
// replica, and must return quickly: until it does, the node does nothing else. Snapshot is called now
// and then, must be as quick, and returns a state that does not change any more; Restore makes another
// machine of that state.
type StateMachine = vr.StateMachine

// A Key is the secret that the replicas of a group and its clients share. noise.ParseKeys reads
// what vrnode keygen has written.
type Key = noise.Key

// An Event is something worth telling people; it prints as one line.
type Event = vr.Event

// Config is what a node needs to know. ID, Peers and Machine are required.
type Config struct {
	// ID is the number of this replica, from 1 to 65535, and never that of another machine.
	ID uint64
	// Peers are the addresses, as host:port, of all replicas of the group by their numbers, this
	// one included. The node listens at its own.
	Peers map[uint64]string
	// Machine is the service, in its initial state.
	Machine StateMachine
	// LogMemory is how many bytes of memory the node takes for operations that others may lack, 0 for
	// 256 MiB; at least 4 MiB. A replica that lacks more than the others have kept gets the whole state
	// from them. It should be the same for all replicas.
	LogMemory int
	// SpoolDir is a directory for states while they are moved, "" for that of temporary files. It needs
	// room for two states. In a directory of its own, a node that is started again while it fetched a
	// state goes on with what it had.
	SpoolDir string
	// Spin is for how long the node asks its socket again and again before it sleeps, usually 0. About
	// 50 µs halve the time that a command takes where CPUs have nothing else to do; the node takes most
	// of one while there is load. Linux only.
	Spin time.Duration
	// Keys put the node in secure mode: it talks only to those who have one of them, and nobody
	// else can read or forge what they say. There may be two while one replaces the other; see
	// SetKeys. Without keys the node is in plain mode, in which whoever can reach it can do
	// everything, and which is meant for loopback addresses and networks of your own.
	Keys []Key
	// Logger is told what happens; nil keeps the node silent.
	Logger *slog.Logger
	// OnEvent, if not nil, is called with every event but commits, one at a time. The node does
	// not wait for it: events that come faster than it returns are dropped. It must not call
	// Close.
	OnEvent func(Event)
}

// A Node is a running replica, and a client of its group. All methods may be called by many
// goroutines at a time.
type Node struct {
	id   uint64
	loop *loop.Loop
}

// Start runs a replica. It does not wait for the others: the replica recovers the memory of the
// group as soon as enough of them answer, or starts with an empty one when the group is formed.
// Errors name the field of the Config that is wrong, or the address that is not free.
func Start(cfg Config) (*Node, error) {
	switch {
	case cfg.ID == 0:
		return nil, fmt.Errorf("node: ID: missing, must be one of Peers")
	case cfg.Machine == nil:
		return nil, fmt.Errorf("node: Machine: missing")
	case cfg.LogMemory != 0 && cfg.LogMemory < vr.LogBytesMin:
		return nil, fmt.Errorf("node: LogMemory: %d bytes, must be at least %d", cfg.LogMemory, vr.LogBytesMin)
	}
	l, err := loop.Open(loop.Config{
		Self: cfg.ID, Peers: cfg.Peers, Machine: cfg.Machine, LogBytes: cfg.LogMemory, SpoolDir: cfg.SpoolDir, Spin: cfg.Spin, Keys: cfg.Keys,
		Observe: observer(&cfg), ObserveTransfer: transferObserver(&cfg), ObservePause: pauseObserver(&cfg),
	})
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	if advice := l.Advice(); advice != "" && cfg.Logger != nil {
		cfg.Logger.Warn(advice)
	}
	return &Node{cfg.ID, l}, nil
}

// Submit has a command of at most 64 KiB executed by the group, and returns its result. It does
// not matter which replica is the primary. If ctx ends first, the error says why there was no
// result, and is an ErrOutcomeUnknown unless the command is surely never executed.
func (n *Node) Submit(ctx context.Context, command []byte) (result []byte, err error) {
	result, err = n.loop.Submit(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	return result, nil
}

// SetKeys replaces the keys of a node in secure mode, at any time. To replace the key of a group,
// give every member the new key and the old one, in this order, and when all of them have both,
// the new one alone. Commands go on; those under way when the old key goes take a little longer.
func (n *Node) SetKeys(keys []Key) error {
	if err := n.loop.SetKeys(keys); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

// Close ends the node at once, as a crash would: what it remembers is gone, and the others notice
// by its silence. Commands without a result fail with ErrClosed.
func (n *Node) Close() error { return n.loop.Close() }

// Form makes a new group of all the replicas in peers, which must be up and without memory, and
// returns its id. It is done once in the life of a group, from any program. In secure mode it
// needs the keys.
func Form(ctx context.Context, peers map[uint64]string, keys ...Key) (cluster string, err error) {
	l, err := loop.Open(loop.Config{Peers: peers, Keys: keys})
	if err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	defer l.Close()
	id, err := l.Form(ctx)
	if err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	return id.String(), nil
}
