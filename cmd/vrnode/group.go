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
func startClient(group peers) (*client.Client, error) {
	c, err := client.Start(client.Config{Peers: group})
	if err != nil {
		return nil, fmt.Errorf("--peers: %w", err)
	}
	return c, nil
}

// probe asks every replica how it is. Those that do not answer before ctx ends are in the answers
// too. If all do, and are about to change the view, which does not take long, it asks again.
func probe(ctx context.Context, group peers) ([]vr.Answer, error) {
	c, err := startClient(group)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	answers, err := c.Probe(ctx)
	for err == nil && ctx.Err() == nil && judge(answers, &group).changing {
		var again []vr.Answer
		if again, err = c.Probe(ctx); ctx.Err() == nil {
			answers = again
		}
	}
	return answers, err
}

// diagnose says why a group does not serve, as an error, and what to do about it. It returns nil
// if the group looks well.
func diagnose(ctx context.Context, group peers) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	answers, err := probe(ctx, group)
	if err != nil {
		return err
	}
	h := judge(answers, &group)
	return h.unavailable()
}

// form makes a group of all replicas.
func form(ctx context.Context, group peers) (wire.ClusterID, error) {
	c, err := startClient(group)
	if err != nil {
		return wire.ClusterID{}, err
	}
	defer c.Close()
	cluster, err := c.Form(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return wire.ClusterID{}, unavailable("%w", err) // somebody did not answer
	}
	return cluster, err
}

// dial returns a client of a group that serves.
func dial(ctx context.Context, group peers) (submit bench.Submitter, closeClient func() error, err error) {
	if err := diagnose(ctx, group); err != nil {
		return nil, nil, err
	}
	c, err := startClient(group)
	if err != nil {
		return nil, nil, err
	}
	return c.Go, c.Close, nil
}
