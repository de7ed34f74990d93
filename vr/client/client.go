// Package client lets a program outside the group have commands executed by it.
//
//	c, err := client.Start(client.Config{Peers: map[uint64]string{
//		1: "10.0.0.1:7000", 2: "10.0.0.2:7000", 3: "10.0.0.3:7000",
//	}})
//	…
//	result, err := c.Submit(ctx, []byte("add 5"))
//
// A command is executed once, whatever gets lost or crashes meanwhile: the client repeats it until
// it has the result, and replicas remember what they have executed.
package client

import (
	"context"
	"fmt"

	"vrnode/frag/noise"
	"vrnode/internal/loop"
	"vrnode/internal/stack"
	"vrnode/vr"
	"vrnode/wire"
)

// The errors of a Client, for errors.Is. More than one may apply.
var (
	// ErrClosed: the client was closed.
	ErrClosed = loop.ErrClosed
	// ErrOutcomeUnknown: no result has come. The command may have been executed, once, or may
	// still be, also when nobody has answered yet.
	ErrOutcomeUnknown = loop.ErrOutcomeUnknown
	// ErrUnavailable: the group did not serve in time. The text says why, as far as is known.
	ErrUnavailable = loop.ErrUnavailable
	// ErrBusy: too many commands are under way, in this client or in the group.
	ErrBusy = loop.ErrBusy
	// ErrWrongCluster: the group that the client belonged to is not there any more.
	ErrWrongCluster = loop.ErrWrongCluster
	// ErrSessionExpired: the group has closed the client's session before it answered. It is an
	// ErrOutcomeUnknown.
	ErrSessionExpired = loop.ErrSessionExpired
	// ErrTooLong: the command is longer than 64 KiB.
	ErrTooLong = loop.ErrTooLong
	// ErrNotFormed: Form did not succeed.
	ErrNotFormed = loop.ErrNotFormed
)

// A Key is the secret that the replicas of a group and its clients share. noise.ParseKeys reads
// what vrnode keygen has written.
type Key = noise.Key

// Config is what a client needs to know.
type Config struct {
	// Peers are the addresses, as host:port, of all replicas by their numbers.
	Peers map[uint64]string
	// Keys are those of the group, if it is in secure mode: one, or two while one replaces the
	// other.
	Keys []Key
	// SpoolDir is a directory for a state that is on its way to or from a file, "" for that of temporary
	// files. It needs room for the state.
	SpoolDir string
}

// A Client talks to one group. All methods may be called by many goroutines at a time: their
// commands travel together.
type Client struct{ loop *loop.Loop }

// Start returns a client. It does not wait for the group.
func Start(cfg Config) (*Client, error) {
	l, err := loop.Open(loop.Config{Peers: cfg.Peers, Keys: cfg.Keys, SpoolDir: cfg.SpoolDir})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Client{l}, nil
}

// Submit has a command of at most 64 KiB executed by the group, and returns its result. If ctx
// ends first, the error says why there was no result, and is an ErrOutcomeUnknown unless the
// command is surely never executed.
func (c *Client) Submit(ctx context.Context, command []byte) (result []byte, err error) {
	result, err = c.loop.Submit(ctx, command)
	return result, wrap(err)
}

// Go is Submit for those who want thousands of commands under way without as many goroutines. It
// does not wait: done is called with the end of the command, once, by a goroutine of the client.
// That goroutine calls all of them, one at a time and in the order of the commands; while one of
// them takes its time, the others wait. At most 4096 commands may be under way, one more ends at
// once with ErrBusy. done may call Go but not Close.
func (c *Client) Go(command []byte, done func(result []byte, err error)) {
	c.loop.Go(command, done)
}

// Probe asks every replica how it is. If ctx ends before all have answered, those that have not
// are among the answers with Known unset.
func (c *Client) Probe(ctx context.Context) ([]vr.Answer, error) {
	answers, err := c.loop.Probe(ctx)
	return answers, wrap(err)
}

// A Denial says why a replica refuses to talk to this client; it prints as a sentence.
type Denial = stack.Denial

// Denials returns which replicas refuse to talk to this client, and why, as far as they say:
// because it has another key, for example. Anybody on the path can make that up.
func (c *Client) Denials() []Denial { return c.loop.Denials() }

// SetKeys replaces the keys of a client that has some, at any time.
func (c *Client) SetKeys(keys []Key) error { return wrap(c.loop.SetKeys(keys)) }

// Form makes a new group of all replicas in Config.Peers, which must be up and without memory, and
// returns its id. It is done once in the life of a group.
func (c *Client) Form(ctx context.Context) (wire.ClusterID, error) {
	cluster, err := c.loop.Form(ctx)
	return cluster, wrap(err)
}

// Close ends the client at once. Commands without a result fail with ErrClosed.
func (c *Client) Close() error { return c.loop.Close() }

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("client: %w", err)
}
