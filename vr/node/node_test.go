package node_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vrnode/vr"
	"vrnode/vr/node"
	"vrnode/wire"
)

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// A group is some nodes of this process.
type group struct {
	t     testing.TB
	peers map[uint64]string
	nodes map[uint64]*node.Node
	// recovered has an item for each time that a node got its memory back.
	recovered chan uint64
}

func newGroup(t testing.TB, n int) *group {
	g := &group{t: t, peers: freePeers(n), nodes: map[uint64]*node.Node{}, recovered: make(chan uint64, 100)}
	for id := range g.peers {
		g.start(id)
	}
	t.Cleanup(func() {
		for id := range g.nodes {
			g.kill(id)
		}
	})
	return g
}

func (g *group) start(id uint64) {
	g.t.Helper()
	n, err := node.Start(node.Config{ID: id, Peers: g.peers, Machine: new(counter), OnEvent: func(e node.Event) {
		if e.Kind == vr.EventRecovered {
			g.recovered <- id
		}
	}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.nodes[id] = n
}

func (g *group) kill(id uint64) {
	g.nodes[id].Close()
	delete(g.nodes, id)
}

func (g *group) form() {
	g.t.Helper()
	if _, err := node.Form(within(g.t, 10*time.Second), g.peers); err != nil {
		g.t.Fatal(err)
	}
}

// submit has n one-byte commands executed one after the other and checks that each was executed
// once: the service counts from sum.
func (g *group) submit(via uint64, n, sum int) {
	g.t.Helper()
	ctx := within(g.t, 20*time.Second)
	for i := range n {
		result, err := g.nodes[via].Submit(ctx, []byte("x"))
		if err != nil || string(result) != strconv.Itoa(sum+i+1) {
			g.t.Fatalf("command %d by node %d: result %q, %v; want %d", i, via, result, err, sum+i+1)
		}
	}
}

func (g *group) primary() uint64 {
	for id, n := range g.nodes {
		if n.Status().Role == "primary" {
			return id
		}
	}
	g.t.Fatal("there is no primary")
	return 0
}

func TestGroupOutlivesItsPrimary(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.submit(1, 500, 0)
	g.submit(2, 500, 500)

	primary := g.primary()
	g.kill(primary)
	other := primary%3 + 1
	g.submit(other, 100, 1000)

	g.start(primary)
	select {
	case id := <-g.recovered:
		if id != primary {
			t.Errorf("node %d recovered, want %d", id, primary)
		}
	case <-within(t, 20*time.Second).Done():
		t.Fatal("it does not recover")
	}
	// It was there when the next one dies.
	g.kill(g.primary())
	g.submit(primary, 100, 1100)
}

func TestStatus(t *testing.T) {
	g := newGroup(t, 3)
	if s := g.nodes[1].Status(); s.Role != "recovering" || s.Cluster != "" {
		t.Errorf("before Form: %+v", s)
	}
	g.form()
	g.submit(1, 10, 0)
	s := g.nodes[g.primary()].Status()
	if s.Role != "primary" || s.Status != wire.StatusNormal || s.Primary != s.ID || len(s.Cluster) != 32 || s.Commit < 11 ||
		s.Applied != s.Commit || s.FailuresTolerable != 1 || len(s.Peers) != 2 || s.Incarnation == 0 || s.Sessions != 1 {
		t.Errorf("primary: %+v", s)
	}
	for _, p := range s.Peers {
		if p.RTT <= 0 || p.Heard < 0 {
			t.Errorf("the primary's view of node %v: %+v", p.ID, p)
		}
	}
	if s := g.nodes[uint64(s.Primary)%3+1].Status(); s.Role != "backup" || s.FailuresTolerable != -1 {
		t.Errorf("backup: %+v", s)
	}
	n := g.nodes[1]
	n.Close()
	if s := n.Status(); s.Role != "" {
		t.Errorf("after Close: %+v", s)
	}
}

func TestManyAtATime(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	ctx := within(t, 20*time.Second)
	var submitters sync.WaitGroup
	for i := range 300 {
		submitters.Go(func() {
			for range 10 {
				if _, err := g.nodes[uint64(i%3)+1].Submit(ctx, []byte("x")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	submitters.Wait()
	g.submit(1, 1, 3000)
}

func TestErrors(t *testing.T) {
	g := newGroup(t, 3)
	n := g.nodes[1]
	_, err := n.Submit(within(t, 300*time.Millisecond), []byte("x"))
	if !errors.Is(err, node.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, node.ErrOutcomeUnknown) ||
		!strings.Contains(err.Error(), "never formed") {
		t.Errorf("not formed: %v", err)
	}
	g.form()
	g.submit(1, 1, 1) // the one that waited was executed, which is why its outcome was unknown
	if _, err := node.Form(within(t, 10*time.Second), g.peers); !errors.Is(err, node.ErrNotFormed) || !strings.Contains(err.Error(), "which lives") {
		t.Errorf("formed twice: %v", err)
	}
	if _, err := n.Submit(t.Context(), make([]byte, wire.CommandMax+1)); !errors.Is(err, node.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	g.kill(2)
	g.kill(3)
	_, err = n.Submit(within(t, 300*time.Millisecond), []byte("x"))
	if !errors.Is(err, node.ErrUnavailable) || !errors.Is(err, node.ErrOutcomeUnknown) {
		t.Errorf("no quorum: %v", err)
	}
	pending := make(chan error)
	go func() {
		_, err := n.Submit(context.Background(), []byte("x"))
		pending <- err
	}()
	n.Close()
	if err := <-pending; !errors.Is(err, node.ErrClosed) {
		t.Errorf("closed meanwhile: %v", err)
	}
	if _, err := n.Submit(t.Context(), []byte("x")); !errors.Is(err, node.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Replicas join only a group of those that they were told of.
func TestFormOfOthers(t *testing.T) {
	g := newGroup(t, 4)
	delete(g.peers, 4)
	_, err := node.Form(within(t, 300*time.Millisecond), g.peers)
	if !errors.Is(err, node.ErrNotFormed) || !strings.Contains(err.Error(), "replicas [1 2 3] have not joined") || !strings.Contains(err.Error(), "same peers") {
		t.Errorf("%v", err)
	}
}

func TestConfigErrorsNameTheField(t *testing.T) {
	peers := freePeers(3)
	tooMany := map[uint64]string{}
	for id := range uint64(10) {
		tooMany[id+1] = "127.0.0.1:" + strconv.Itoa(int(id)+1)
	}
	machine := new(counter)
	for _, c := range []struct {
		name string
		cfg  node.Config
		want string
	}{
		{"no ID", node.Config{Peers: peers, Machine: machine}, "node: ID: "},
		{"no machine", node.Config{ID: 1, Peers: peers}, "node: Machine: "},
		{"no peers", node.Config{ID: 1, Machine: machine}, "node: Peers: "},
		{"too many peers", node.Config{ID: 1, Peers: tooMany, Machine: machine}, "node: Peers: 10 replicas"},
		{"not a peer", node.Config{ID: 4, Peers: peers, Machine: machine}, "node: ID: replica 4"},
		{"a number too high", node.Config{ID: 1, Peers: map[uint64]string{1 << 16: "127.0.0.1:1"}, Machine: machine}, "node: Peers: replica 65536"},
		{"no port", node.Config{ID: 1, Peers: map[uint64]string{1: "127.0.0.1"}, Machine: machine}, `node: Peers: replica 1 at "127.0.0.1"`},
		{"port 0", node.Config{ID: 1, Peers: map[uint64]string{1: "127.0.0.1:0"}, Machine: machine}, `node: Peers: replica 1 at "127.0.0.1:0"`},
		{"no host", node.Config{ID: 1, Peers: map[uint64]string{1: ":7000"}, Machine: machine}, `node: Peers: replica 1 at ":7000"`},
		{"any host", node.Config{ID: 1, Peers: map[uint64]string{1: "0.0.0.0:7000"}, Machine: machine}, `node: Peers: replica 1 at "0.0.0.0:7000"`},
		{"any host of IPv6", node.Config{ID: 1, Peers: map[uint64]string{1: "[::]:7000"}, Machine: machine}, `node: Peers: replica 1 at "[::]:7000"`},
		{"IPv4 and IPv6", node.Config{ID: 1, Peers: map[uint64]string{1: "127.0.0.1:7000", 2: "[::1]:7000"}, Machine: machine}, "node: Peers: replicas 1 and 2 can not reach"},
		{"one address twice", node.Config{ID: 1, Peers: map[uint64]string{1: "127.0.0.1:7000", 2: "127.0.0.1:7000"}, Machine: machine}, "node: Peers: replicas 1 and 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := node.Start(c.cfg)
			if err == nil {
				n.Close()
				t.Fatal("it starts")
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, want %s…", err, c.want)
			}
		})
	}
}

func TestPortInUse(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	address := conn.LocalAddr().String()
	_, err = node.Start(node.Config{ID: 1, Peers: map[uint64]string{1: address}, Machine: new(counter)})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), address) {
		t.Errorf("%v", err)
	}
}

func TestNamesAreResolved(t *testing.T) {
	_, port, _ := net.SplitHostPort(freePeers(1)[1])
	g := &group{t: t, peers: map[uint64]string{1: "localhost:" + port}, nodes: map[uint64]*node.Node{}, recovered: make(chan uint64, 1)}
	g.start(1)
	defer g.kill(1)
	g.form()
	g.submit(1, 10, 0)
}

func TestLog(t *testing.T) {
	var text strings.Builder // written by one goroutine, read when it has ended
	peers := freePeers(1)
	n, err := node.Start(node.Config{ID: 1, Peers: peers, Machine: new(counter), Logger: slog.New(slog.NewTextHandler(&text, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Form(within(t, 10*time.Second), peers); err != nil {
		t.Error(err)
	}
	n.Close()
	for _, want := range []string{`level=INFO msg="the group is formed" replica=1`, `msg="the view has started" replica=1 view=0 primary=1 op=0`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is missing in the log:\n%s", want, &text)
		}
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	count := func() int {
		runtime.GC()
		return runtime.NumGoroutine()
	}
	before := count()
	for range 3 {
		g := newGroup(t, 3)
		g.form()
		g.submit(1, 10, 0)
		for id := range g.nodes {
			g.kill(id)
		}
	}
	if after := count(); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines more than before:\n%s", after-before, stacks[:runtime.Stack(stacks, true)])
	}
}

// BenchmarkSubmit is one command at a time through three nodes of this process.
func BenchmarkSubmit(b *testing.B) {
	g := newGroup(b, 3)
	g.form()
	g.submit(1, 100, 0)
	n := g.nodes[g.primary()]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Submit(b.Context(), []byte("a command of 24 bytes...")); err != nil {
			b.Fatal(err)
		}
	}
}
