package client_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"vrnode/internal/ports"
	"vrnode/vr/client"
	"vrnode/vr/node"
	"vrnode/wire"
)

type counter struct{ n int }

func (c *counter) Apply(_ uint64, command []byte) []byte {
	c.n += len(command)
	return strconv.AppendInt(nil, int64(c.n), 10)
}

// startGroup runs three replicas in this process and a client of them.
func startGroup(t testing.TB) (*client.Client, []*node.Node) {
	var nodes []*node.Node
	peers, err := ports.Replicas(3)
	if err != nil {
		t.Fatal(err)
	}
	for id := range peers {
		n, err := node.Start(node.Config{ID: id, Peers: peers, Machine: new(counter)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		nodes = append(nodes, n)
	}
	c, err := client.Start(client.Config{Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, nodes
}

// patience bounds the waits for what comes soon unless the machine has other things to do. Only a test
// that fails lasts so long.
const patience = 2 * time.Minute

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestClient(t *testing.T) {
	c, _ := startGroup(t)
	ctx := within(t, patience)
	answers, err := c.Probe(ctx)
	if err != nil || len(answers) != 3 {
		t.Fatalf("%v, %v", answers, err)
	}
	for _, a := range answers {
		if !a.Known || a.Status != wire.StatusRecovering {
			t.Errorf("before Form: %+v", a)
		}
	}
	cluster, err := c.Form(ctx)
	if err != nil || cluster.IsZero() {
		t.Fatal(err)
	}
	if _, err := c.Form(ctx); !errors.Is(err, client.ErrNotFormed) {
		t.Errorf("formed twice: %v", err)
	}

	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				if _, err := c.Submit(ctx, []byte("x")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Add(2000)
	for range 2000 {
		c.Go([]byte("x"), func(_ []byte, err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	all.Wait()
	if result, err := c.Submit(ctx, []byte("x")); err != nil || string(result) != "3001" {
		t.Errorf("%q, %v; want 3001", result, err)
	}
}

// What Close cuts off in the middle may have been executed, and what was never sent was not.
func TestCloseInTheMiddle(t *testing.T) {
	end := make(chan error, 1)
	done := func(_ []byte, err error) { end <- err }

	c, nodes := startGroup(t)
	c.Go([]byte("x"), done)
	c.Close()
	if err := <-end; !errors.Is(err, client.ErrClosed) || errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("without a group: %v", err)
	}
	for _, n := range nodes {
		n.Close()
	}

	c, nodes = startGroup(t)
	ctx := within(t, patience)
	if _, err := c.Form(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(ctx, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Close()
	}
	c.Go([]byte("x"), done)
	c.Probe(within(t, 20*time.Millisecond)) // nobody answers, but by now the command is sent
	c.Close()
	if err := <-end; !errors.Is(err, client.ErrClosed) || !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("with a group: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	peers, err := ports.Replicas(1)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Start(client.Config{Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	// Its outcome is unknown as soon as it was taken, for which a busy machine may take a while.
	for d := 50 * time.Millisecond; !errors.Is(err, client.ErrOutcomeUnknown); d *= 2 {
		if _, err = c.Submit(within(t, d), []byte("x")); !errors.Is(err, client.ErrUnavailable) || d > patience {
			t.Fatalf("Submit: %v", err)
		}
	}
	if answers, err := c.Probe(within(t, 50*time.Millisecond)); err != nil || len(answers) != 1 || answers[0].Known {
		t.Errorf("Probe: %+v, %v", answers, err)
	}
	if _, err := c.Form(within(t, 50*time.Millisecond)); !errors.Is(err, client.ErrNotFormed) {
		t.Errorf("Form: %v", err)
	}
	c.Close()
	if _, err := c.Submit(t.Context(), []byte("x")); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Submit after Close: %v", err)
	}
}
