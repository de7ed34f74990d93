package client_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"vrnode/internal/ports"
	"vrnode/internal/tally"
	"vrnode/vr/client"
	"vrnode/vr/node"
	"vrnode/wire"
)

// startGroup runs three replicas in this process and a client of them.
func startGroup(t testing.TB) (*client.Client, []*node.Node) {
	peers, nodes := startReplicas(t)
	return startClient(t, peers), nodes
}

func startReplicas(t testing.TB, keys ...node.Key) (peers map[uint64]string, nodes []*node.Node) {
	peers, err := ports.Replicas(3)
	if err != nil {
		t.Fatal(err)
	}
	for id := range peers {
		n, err := node.Start(node.Config{ID: id, Peers: peers, Machine: new(tally.Machine), Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		nodes = append(nodes, n)
	}
	return peers, nodes
}

func startClient(t testing.TB, peers map[uint64]string, keys ...client.Key) *client.Client {
	c, err := client.Start(client.Config{Peers: peers, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
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

// TestKeys: who has no key or another one is told so, in the words that people read.
func TestKeys(t *testing.T) {
	ours, others := client.Key{1}, client.Key{2}
	peers, nodes := startReplicas(t, ours)
	// denied has a client ask until all replicas have said why they refuse.
	denied := func(c *client.Client, want string) {
		t.Helper()
		if answers, err := c.Probe(within(t, patience)); err != nil || answers[0].Known || len(c.Denials()) != 3 {
			t.Fatalf("answers %v, %v, denials %v, want %q", answers, err, c.Denials(), want)
		}
		if _, err := c.Form(within(t, 10*time.Millisecond)); !errors.Is(err, client.ErrNotFormed) || !strings.Contains(err.Error(), "replica 1 "+want) {
			t.Errorf("Form: %v", err)
		}
		if _, err := c.Submit(within(t, 10*time.Millisecond), []byte("x")); !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "replica 1 "+want) {
			t.Errorf("Submit: %v", err)
		}
	}
	denied(startClient(t, peers), "wants a key, and this end has none")
	denied(startClient(t, peers, others), "uses another key")

	c := startClient(t, peers, ours)
	ctx := within(t, patience)
	if _, err := c.Form(ctx); err != nil {
		t.Fatal(err)
	}
	submit := func(want string) {
		t.Helper()
		if result, err := c.Submit(ctx, []byte("x")); err != nil || string(result) != want {
			t.Fatalf("%q, %v; want %s", result, err, want)
		}
	}
	submit("1")
	for _, keys := range [][]node.Key{{others, ours}, {others}} {
		for _, n := range nodes {
			if err := n.SetKeys(keys); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.SetKeys(keys); err != nil {
			t.Fatal(err)
		}
	}
	submit("2")
	if err := startClient(t, peers).SetKeys([]client.Key{ours}); err == nil {
		t.Error("a client in plain mode takes keys")
	}
	if err := c.SetKeys(nil); err == nil || !strings.Contains(err.Error(), "Keys: there is no key in it") {
		t.Errorf("no keys: %v", err)
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
