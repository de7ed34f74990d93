package main

import (
	"context"
	"time"

	"vrnode/internal/bench"
	"vrnode/vr"
	"vrnode/vr/client"
	"vrnode/wire"
)

// probeTimeout is how long a diagnosis waits for replicas that do not answer.
const probeTimeout = time.Second

// probe asks every replica how it is. Those that do not answer in time are in the answers too.
func probe(ctx context.Context, group peers) ([]vr.Answer, error) {
	c, err := client.Start(client.Config{Peers: group})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Probe(ctx)
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
	c, err := client.Start(client.Config{Peers: group})
	if err != nil {
		return wire.ClusterID{}, err
	}
	defer c.Close()
	cluster, err := c.Form(ctx)
	if err != nil && ctx.Err() != nil {
		return wire.ClusterID{}, unavailable("%w", err) // somebody did not answer
	}
	return cluster, err
}

// dial returns a client of a group that serves.
func dial(ctx context.Context, group peers) (submit bench.Submitter, closeClient func() error, err error) {
	if err := diagnose(ctx, group); err != nil {
		return nil, nil, err
	}
	c, err := client.Start(client.Config{Peers: group})
	if err != nil {
		return nil, nil, err
	}
	return c.Go, c.Close, nil
}
