package siege

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/memory"
	"vrnode/internal/ports"
	"vrnode/vr/client"
	"vrnode/vr/node"
)

const (
	replicas = 3
	// outstanding is how many operations the client of the group has under way.
	outstanding = 64
	// least is how many operations a phase has at least, however long that takes.
	least = 200
)

// A Phase is a time with or without a flood.
type Phase struct {
	Commits int
	// PerSecond is the rate at which a client has operations executed.
	PerSecond float64
	// Memory is what Go uses, Peak the most that was in RAM, both of the replica that has most, in
	// bytes; Peak is 0 where the system does not tell.
	Memory, Peak int64
}

// Figures are what came of a measurement.
type Figures struct {
	Secure         bool
	Calm, Flooded  Phase
	After          int // operations executed when the flood was over
	Flood          Report
	FloodPerSecond float64
}

// Measure starts a group of three processes, in secure mode or not, and has a client work with it for
// a duration, and as long again while a fourth process floods all three.
func Measure(ctx context.Context, secure bool, duration time.Duration) (*Figures, error) {
	g := group{figures: Figures{Secure: secure}}
	defer g.close()
	if err := g.begin(ctx); err != nil {
		return nil, err
	}
	var err error
	if g.figures.Calm, err = g.work(ctx, duration); err != nil {
		return nil, fmt.Errorf("without a flood: %w", err)
	}
	flooder, err := start(ctx, role{Peers: g.peers, Keys: g.keys})
	if err != nil {
		return nil, err
	}
	defer flooder.kill()
	began := time.Now()
	if g.figures.Flooded, err = g.work(ctx, duration); err != nil {
		return nil, fmt.Errorf("in the flood: %w", err)
	}
	lasted := time.Since(began)
	if err := flooder.end(&g.figures.Flood); err != nil {
		return nil, err
	}
	g.figures.FloodPerSecond = float64(g.figures.Flood.Sent) / lasted.Seconds()
	after, err := g.work(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("after the flood: %w", err)
	}
	g.figures.After = after.Commits
	return &g.figures, nil
}

type group struct {
	peers     map[uint64]string
	keys      []noise.Key
	processes []*process
	client    *client.Client
	figures   Figures
}

func (g *group) close() {
	if g.client != nil {
		g.client.Close()
	}
	for _, p := range g.processes {
		p.kill()
	}
}

func (g *group) begin(ctx context.Context) (err error) {
	if g.figures.Secure {
		g.keys = []noise.Key{{1}}
	}
	if g.peers, err = ports.Replicas(replicas); err != nil {
		return err
	}
	for id := range g.peers {
		p, err := start(ctx, role{Replica: id, Peers: g.peers, Keys: g.keys})
		if err != nil {
			return err
		}
		g.processes = append(g.processes, p)
	}
	if _, err := node.Form(ctx, g.peers, g.keys...); err != nil {
		return err
	}
	g.client, err = client.Start(client.Config{Peers: g.peers, Keys: g.keys})
	return err
}

// work has operations executed for a duration, and at least least of them.
func (g *group) work(ctx context.Context, duration time.Duration) (p Phase, err error) {
	ends := make(chan error, outstanding) // room for all, so that no callback waits
	submit := func() { g.client.Go([]byte("add 1"), func(_ []byte, err error) { ends <- err }) }
	began := time.Now()
	under := 0
	for ; under < outstanding; under++ {
		submit()
	}
	for under > 0 {
		select {
		case err := <-ends:
			if err != nil {
				return p, err
			}
			p.Commits++
			if p.Commits < least || time.Since(began) < duration {
				submit()
			} else {
				under--
			}
		case <-ctx.Done():
			return p, fmt.Errorf("%d operations were executed, then no more: %w", p.Commits, context.Cause(ctx))
		}
	}
	p.PerSecond = float64(p.Commits) / time.Since(began).Seconds()
	for _, r := range g.processes {
		used, err := r.memory()
		if err != nil {
			return p, err
		}
		p.Memory, p.Peak = max(p.Memory, used), max(p.Peak, memory.Peak(r.cmd.Process.Pid))
	}
	return p, nil
}

// Print prints a table.
func Print(w io.Writer, all []*Figures) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "mode\tcommits/s calm\tflooded\tratio\tMiB calm\tflooded\tflood datagrams/s\tMiB sent\tMiB back\tworst back/sent\tsessions\t")
	for _, f := range all {
		mode := "plain"
		if f.Secure {
			mode = "secure"
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.2f\t%d\t%d\t%.0f\t%d\t%d\t%.2f\t%d\t\n", mode, f.Calm.PerSecond, f.Flooded.PerSecond,
			f.Flooded.PerSecond/f.Calm.PerSecond, f.Calm.Peak>>20, f.Flooded.Peak>>20,
			f.FloodPerSecond, f.Flood.SentBytes>>20, f.Flood.BackBytes>>20, f.Flood.Amplified, f.Flood.Sessions)
	}
	return t.Flush()
}
