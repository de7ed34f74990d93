package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vrnode/internal/bench"
	"vrnode/vr"
	"vrnode/vr/client"
	"vrnode/wire"
)

// probeTimeout is how long a diagnosis waits for replicas that do not answer.
const probeTimeout = time.Second

// startClient returns a client of the group, which need not serve.
func startClient(group *access) (*client.Client, error) {
	c, err := client.Start(client.Config{Peers: group.peers, Keys: group.keys})
	if err != nil {
		return nil, fmt.Errorf("--peers: %w", err)
	}
	return c, nil
}

// probe asks every replica how it is. Those that do not answer before ctx ends are in the answers
// too. If all do, and are about to change the view, which does not take long, it asks again.
func probe(ctx context.Context, group *access) (answers, error) {
	c, err := startClient(group)
	if err != nil {
		return answers{}, err
	}
	defer c.Close()
	var all answers
	all.replicas, err = c.Probe(ctx)
	for err == nil && ctx.Err() == nil && judge(all, group).changing {
		var again []vr.Answer
		if again, err = c.Probe(ctx); ctx.Err() == nil {
			all.replicas = again
		}
	}
	all.denials = c.Denials()
	return all, err
}

// answers are what the replicas said of themselves, and why some would not speak.
type answers struct {
	replicas []vr.Answer
	denials  []client.Denial
}

// denial returns why a replica would not speak, or 0.
func (a *answers) denial(id wire.Peer) wire.Denied {
	for _, d := range a.denials {
		if d.ID == id {
			return d.Why
		}
	}
	return 0
}

// diagnose says why a group does not serve, as an error, and what to do about it. It returns nil
// if the group looks well.
func diagnose(ctx context.Context, group *access) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	all, err := probe(ctx, group)
	if err != nil {
		return err
	}
	h := judge(all, group)
	return h.unavailable()
}

// form makes a group of all replicas.
func form(ctx context.Context, group *access) (wire.ClusterID, error) {
	c, err := startClient(group)
	if err != nil {
		return wire.ClusterID{}, err
	}
	defer c.Close()
	cluster, err := c.Form(ctx)
	refused := err != nil && len(c.Denials()) > 0 && ctx.Err() == nil
	if refused || errors.Is(err, context.DeadlineExceeded) {
		return wire.ClusterID{}, unavailable("%w", err) // somebody did not answer, or not to us
	}
	return cluster, err
}

// dial returns a client of a group that serves.
func dial(ctx context.Context, group *access) (submit bench.Submitter, closeClient func() error, err error) {
	if err := diagnose(ctx, group); err != nil {
		return nil, nil, err
	}
	c, err := startClient(group)
	if err != nil {
		return nil, nil, err
	}
	return c.Go, c.Close, nil
}
