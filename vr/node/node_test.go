package node_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"slices"
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

// patience bounds the waits for what comes soon unless the machine has other things to do. Only a test
// that fails lasts so long.
const patience = 2 * time.Minute

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// until waits until something holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// eventually repeats something with more and more time, until it fails as wanted. It fails in another
// way where the machine has not come to it in time. It returns the last error.
func eventually(t testing.TB, attempt func(context.Context) error, wanted func(error) bool) (err error) {
	t.Helper()
	for d := 100 * time.Millisecond; d < patience; d *= 2 {
		if err = attempt(within(t, d)); wanted(err) {
			return err
		}
	}
	t.Fatalf("it ends with: %v", err)
	return err
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
	if _, err := node.Form(within(g.t, patience), g.peers); err != nil {
		g.t.Fatal(err)
	}
}

// submit has n one-byte commands executed one after the other and checks that each was executed
// once: the service counts from sum.
func (g *group) submit(via uint64, n, sum int) {
	g.t.Helper()
	ctx := within(g.t, patience)
	for i := range n {
		result, err := g.nodes[via].Submit(ctx, []byte("x"))
		if err != nil || string(result) != strconv.Itoa(sum+i+1) {
			g.t.Fatalf("command %d by node %d: result %q, %v; want %d", i, via, result, err, sum+i+1)
		}
	}
}

// role waits for a node with a role and more that is wanted of it, and returns how it is. A busy machine
// may change the view at any time.
func (g *group) role(role string, wanted func(*node.Status) bool) (s node.Status) {
	g.t.Helper()
	until(g.t, "a "+role+" as wanted", func() bool {
		for _, n := range g.nodes {
			if s = n.Status(); s.Role == role && wanted(&s) {
				return true
			}
		}
		return false
	})
	return s
}

func (g *group) primary() uint64 {
	g.t.Helper()
	return uint64(g.role("primary", func(*node.Status) bool { return true }).ID)
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
	case <-within(t, patience).Done():
		t.Fatal("it does not recover")
	}
	// The two who are left when the next one dies need it.
	if next := g.primary(); next != primary {
		other = next
	}
	g.kill(other)
	g.submit(primary, 100, 1100)
}

func TestStatus(t *testing.T) {
	g := newGroup(t, 3)
	if s := g.nodes[1].Status(); s.Role != "recovering" || s.Cluster != "" {
		t.Errorf("before Form: %+v", s)
	}
	g.form()
	g.submit(1, 10, 0)
	s := g.role("primary", func(s *node.Status) bool {
		lost := slices.ContainsFunc(s.Peers, func(p node.PeerStatus) bool { return p.RTT <= 0 || p.Heard < 0 })
		return s.Commit >= 11 && s.FailuresTolerable == 1 && !lost
	})
	if s.Status != wire.StatusNormal || s.Primary != s.ID || len(s.Cluster) != 32 ||
		s.Applied != s.Commit || len(s.Peers) != 2 || s.Incarnation == 0 || s.Sessions != 1 {
		t.Errorf("primary: %+v", s)
	}
	if s := g.role("backup", func(*node.Status) bool { return true }); s.FailuresTolerable != -1 || s.Primary == s.ID {
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
	ctx := within(t, patience)
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
	waiting := 0
	submit := func(ctx context.Context) error {
		_, err := n.Submit(ctx, []byte("x"))
		if errors.Is(err, node.ErrOutcomeUnknown) {
			waiting++
		}
		return err
	}
	err := eventually(t, submit, func(err error) bool {
		return errors.Is(err, node.ErrOutcomeUnknown) && strings.Contains(err.Error(), "never formed")
	})
	if !errors.Is(err, node.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not formed: %v", err)
	}
	g.form()
	g.submit(1, 1, waiting) // what waited was executed, which is why its outcome was unknown
	if _, err := node.Form(within(t, patience), g.peers); !errors.Is(err, node.ErrNotFormed) || !strings.Contains(err.Error(), "which lives") {
		t.Errorf("formed twice: %v", err)
	}
	if _, err := n.Submit(t.Context(), make([]byte, wire.CommandMax+1)); !errors.Is(err, node.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	g.kill(2)
	g.kill(3)
	err = eventually(t, submit, func(err error) bool { return errors.Is(err, node.ErrOutcomeUnknown) })
	if !errors.Is(err, node.ErrUnavailable) {
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
	form := func(ctx context.Context) error {
		_, err := node.Form(ctx, g.peers)
		return err
	}
	err := eventually(t, form, func(err error) bool { return strings.Contains(err.Error(), "replicas [1 2 3] have not joined") })
	if !errors.Is(err, node.ErrNotFormed) || !strings.Contains(err.Error(), "same peers") {
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
	if _, err := node.Form(within(t, patience), peers); err != nil {
		t.Error(err)
	}
	n.Close()
	for _, want := range []string{`level=INFO msg="the group is formed" replica=1`, `msg="the view has started" replica=1 view=0 primary=1 op=0`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is missing in the log:\n%s", want, &text)
		}
	}
}

// Checkpoints are counted, and logged for who wants to know that much.
func TestCheckpointsInStatusAndLog(t *testing.T) {
	var text strings.Builder // written by one goroutine, read when it has ended
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	peers := freePeers(1)
	n, err := node.Start(node.Config{ID: 1, Peers: peers, Machine: new(counter), LogMemory: vr.LogBytesMin, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Form(within(t, patience), peers); err != nil {
		t.Error(err)
	}
	if s := n.Status(); s.Checkpoints != 0 || s.PauseMean != 0 || s.PauseMost != 0 {
		t.Errorf("no checkpoint yet, and %d, %v, %v", s.Checkpoints, s.PauseMean, s.PauseMost)
	}
	for n.Status().Checkpoints < 2 {
		if _, err := n.Submit(within(t, patience), make([]byte, 60<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if s := n.Status(); s.PauseMean <= 0 || s.PauseMost < s.PauseMean {
		t.Errorf("%d, %v, %v", s.Checkpoints, s.PauseMean, s.PauseMost)
	}
	n.Close()
	if strings.Count(text.String(), `"took a checkpoint`) < 2 || !strings.Contains(text.String(), " pause=") {
		t.Errorf("the log is\n%s", &text)
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		g := newGroup(t, 3)
		g.form()
		g.submit(1, 10, 0)
		for id := range g.nodes {
			g.kill(id)
		}
	}
	defer func() {
		if t.Failed() {
			stacks := make([]byte, 1<<16)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
		}
	}()
	// A goroutine that has said its last word may still have to return.
	until(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
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
