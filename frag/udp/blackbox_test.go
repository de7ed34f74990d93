package udp_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vrnode/frag"
	"vrnode/frag/noise"
	"vrnode/frag/udp"
	"vrnode/internal/fragtest"
	"vrnode/internal/ports"
	"vrnode/wire"
)

// These are the cases of the black-box suite in which sockets and processes matter; the map of all is
// in frag/blackbox_test.go.

// listenerVariable is in the environment of a process that is replica 2 of TestCase03KilledProcess:
// its address, its incarnation, and its key, if any.
const listenerVariable = "VRNODE_UDP_LISTENER"

func TestMain(m *testing.M) {
	if text := os.Getenv(listenerVariable); text != "" {
		if err := listener(strings.Fields(text)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// listener prints all messages that are delivered to it, until its input ends.
func listener(args []string) error {
	conn, err := udp.Listen(netip.MustParseAddrPort(args[0]))
	if err != nil {
		return err
	}
	var incarnation wire.Incarnation
	if _, err := fmt.Sscan(args[1], &incarnation); err != nil {
		return err
	}
	cfg := config(2, incarnation, len(args) > 2)
	cfg.Replicas = []frag.Address{{ID: 1, Addr: netip.MustParseAddrPort("127.0.0.1:1")}} // it finds out
	n := fragtest.Start(conn, cfg, fragtest.Hooks{Got: func(_ wire.Peer, m []byte) { fmt.Println(string(m)) }})
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	return n.Close()
}

// config is that of a replica in the mode.
func config(self wire.Peer, incarnation wire.Incarnation, secure bool) frag.Config {
	cfg := frag.Config{Self: self, Incarnation: incarnation, Seed: uint64(self)<<32 | uint64(incarnation)}
	binary.LittleEndian.PutUint64(cfg.Entropy[:], cfg.Seed)
	if secure {
		cfg.Keys = []noise.Key{{1, 2, 3}}
	}
	return cfg
}

func inBothModes(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("secure", func(t *testing.T) { test(t, true) })
}

// A child is a process that runs listener.
type child struct {
	*testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startListener(t *testing.T, addr string, incarnation int, secure bool) *child {
	t.Helper()
	c := &child{T: t, cmd: exec.Command(os.Args[0])}
	role := fmt.Sprintf("%s %d", addr, incarnation)
	if secure {
		role += " secure"
	}
	c.cmd.Env, c.cmd.Stderr = append(os.Environ(), listenerVariable+"="+role), os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.cmd.StdinPipe(); err != nil { // which ends with this process
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	c.lines = bufio.NewScanner(out)
	c.line()
	return c
}

func (c *child) line() string {
	c.Helper()
	if !c.lines.Scan() {
		c.Fatal("the process has ended")
	}
	return c.lines.Text()
}

// kill sends SIGKILL.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// reach sends messages until the process has got one of them, and returns what it got before.
func (c *child) reach(from *fragtest.End, name string) (before []string) {
	c.Helper()
	got := make(chan string)
	go func() {
		defer close(got)
		for c.lines.Scan() {
			got <- c.lines.Text()
			if strings.HasPrefix(c.lines.Text(), name) {
				return
			}
		}
	}()
	i, arrived := 0, false
	fragtest.Until(c, name, func() bool {
		if i++; i%50 == 1 { // one may be lost with the session of a run that is over
			from.Send(2, 1, fmt.Append(nil, name, i))
		}
		for {
			select {
			case line, ok := <-got:
				if !ok {
					return arrived
				}
				if arrived = strings.HasPrefix(line, name); !arrived {
					before = append(before, line)
				}
			default:
				return false
			}
		}
	})
	return before
}

// TestCase03KilledProcess: a process is killed and another one takes its place, at the same address.
// All that the first one was sent is sent to the second one, many times, and none of it is delivered.
func TestCase03KilledProcess(t *testing.T) {
	inBothModes(t, func(t *testing.T, secure bool) {
		free, err := ports.Free(1)
		if err != nil {
			t.Fatal(err)
		}
		var old [][]byte
		recording := true
		cfg := config(1, 1, secure)
		to := netip.MustParseAddrPort(free[0])
		cfg.Replicas = []frag.Address{{ID: 2, Addr: to}}
		n := fragtest.Start(open(t, "127.0.0.1:0"), cfg, fragtest.Hooks{Out: func(d wire.Datagram) bool {
			if recording {
				old = append(old, bytes.Clone(d.Bytes))
			}
			return true
		}})
		defer n.Close()
		first := startListener(t, free[0], 5, secure)
		for i := range 20 {
			n.Send(2, frag.Lane(i%frag.LanesMax), fmt.Appendf(nil, "first %d %s", i, hex.EncodeToString(make([]byte, 100*i))))
		}
		for range 20 {
			if line := first.line(); !strings.HasPrefix(line, "first ") {
				t.Fatalf("delivered %.50q", line)
			}
		}
		first.kill()
		n.Do(func(*frag.Endpoint, time.Duration) { recording = false })
		second := startListener(t, free[0], 6, secure)
		if got := second.reach(n, "second"); len(got) != 0 {
			t.Errorf("delivered %.50q", got)
		}
		elsewhere := listen(t, "127.0.0.1:0")
		for range 10 {
			for _, d := range old {
				n.Write(wire.Datagram{Addr: to, Bytes: bytes.Clone(d)})
				write(t, elsewhere, wire.Datagram{Addr: to, Bytes: d})
			}
			for _, line := range second.reach(n, "third") {
				if !strings.HasPrefix(line, "second") && !strings.HasPrefix(line, "third") {
					t.Errorf("delivered %.50q", line)
				}
			}
		}
		if s := n.Peer(2); !s.Connected || s.Incarnation != 6 {
			t.Errorf("connected to run %d: %v", s.Incarnation, s.Connected)
		}
	})
}

// A conversation is two or more ends, each of which counts what is delivered to it, by number.
type conversation struct {
	*testing.T
	ends map[wire.Peer]*fragtest.End
	mu   sync.Mutex
	got  map[string]int
	next int
}

// open opens a socket for an End, which will close it.
func open(t *testing.T, addr string) *udp.Conn {
	t.Helper()
	conn, err := udp.Listen(netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func newConversation(t *testing.T) *conversation {
	c := &conversation{T: t, ends: map[wire.Peer]*fragtest.End{}, got: map[string]int{}}
	t.Cleanup(func() {
		for _, n := range c.ends {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

func (c *conversation) add(conn *udp.Conn, cfg frag.Config, hooks fragtest.Hooks) {
	hooks.Got = func(from wire.Peer, m []byte) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got[fmt.Sprint(from, ">", cfg.Self, " ", binary.LittleEndian.Uint64(m))]++
	}
	c.ends[cfg.Self] = fragtest.Start(conn, cfg, hooks)
}

// times tells how often a message was delivered.
func (c *conversation) times(from, to wire.Peer, number int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[fmt.Sprint(from, ">", to, " ", number)]
}

// send queues messages and returns their numbers.
func (c *conversation) send(from, to wire.Peer, count, size int) (numbers []int) {
	for range count {
		c.next++
		m := make([]byte, size)
		binary.LittleEndian.PutUint64(m, uint64(c.next))
		fragtest.Until(c, "room", func() bool { return c.ends[from].Send(to, frag.Lane(c.next%frag.LanesMax), m) })
		numbers = append(numbers, c.next)
	}
	return numbers
}

// arrive waits until messages have arrived. If a session was lost meanwhile, which takes seconds in
// which nothing is heard, they are sent again, as its user would do.
func (c *conversation) arrive(from, to wire.Peer, numbers []int, size int) {
	c.Helper()
	sessions := c.ends[from].Peer(to).Sessions
	for _, number := range numbers {
		fragtest.Until(c, "message", func() bool {
			if s := c.ends[from].Peer(to); s.Sessions > sessions || s.Queued == 0 && c.times(from, to, number) == 0 {
				sessions = s.Sessions
				number = c.send(from, to, 1, size)[0]
			}
			return c.times(from, to, number) > 0
		})
	}
}

// once looks that nothing was delivered twice.
func (c *conversation) once() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for m, times := range c.got {
		if times != 1 {
			c.Errorf("%s was delivered %d times", m, times)
		}
	}
}

// TestCase08OutageOnSockets: datagrams vanish at a socket, one way, both, or one in three of those
// that acknowledge; when they come through again, all messages do.
func TestCase08OutageOnSockets(t *testing.T) {
	for _, o := range []struct {
		name    string
		in, out int // of three datagrams, so many are lost
	}{{"both ways", 3, 3}, {"the way out", 0, 3}, {"the way in", 3, 0}, {"acknowledgements", 1, 0}} {
		t.Run(o.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, secure bool) {
				c := newConversation(t)
				conns := map[wire.Peer]*udp.Conn{1: open(t, "127.0.0.1:0"), 2: open(t, "127.0.0.1:0")}
				var down atomic.Bool
				dice := 0
				pass := func(lost int) func(wire.Datagram) bool {
					return func(wire.Datagram) bool { dice++; return !down.Load() || dice%3 >= lost }
				}
				for id, conn := range conns {
					cfg := config(id, 1, secure)
					cfg.Replicas = []frag.Address{{ID: 3 - id, Addr: conns[3-id].LocalAddr()}}
					hooks := fragtest.Hooks{}
					if id == 1 {
						hooks.In, hooks.Out = pass(o.in), pass(o.out)
					}
					c.add(conn, cfg, hooks)
				}
				c.arrive(1, 2, c.send(1, 2, 4, 100), 100)
				down.Store(true)
				there, back := c.send(1, 2, 20, 5000), c.send(2, 1, 20, 5000)
				if o.in == 3 || o.out == 3 {
					probes := c.ends[1].Peer(2).Probes
					fragtest.Until(t, "probes", func() bool {
						s := c.ends[1].Peer(2)
						return s.Probes >= probes+3 || !s.Connected
					})
				} else {
					c.arrive(1, 2, there, 5000)
				}
				down.Store(false)
				c.arrive(1, 2, there, 5000)
				c.arrive(2, 1, back, 5000)
				c.once()
			})
		})
	}
}

// TestCase09SocketErrors: a port is closed, which the kernel reports; an address is of another family;
// the others do not notice. When the port is open, what waits for it arrives.
func TestCase09SocketErrors(t *testing.T) {
	inBothModes(t, func(t *testing.T, secure bool) {
		c := newConversation(t)
		free, err := ports.Free(1)
		if err != nil {
			t.Fatal(err)
		}
		one, two := open(t, "127.0.0.1:0"), open(t, "127.0.0.1:0")
		cfg := config(1, 1, secure)
		cfg.Replicas = []frag.Address{
			{ID: 2, Addr: two.LocalAddr()}, {ID: 3, Addr: netip.MustParseAddrPort(free[0])}, {ID: 4, Addr: netip.MustParseAddrPort("[::1]:7")},
		}
		c.add(one, cfg, fragtest.Hooks{})
		for id, conn := range map[wire.Peer]*udp.Conn{2: two} {
			cfg := config(id, 1, secure)
			cfg.Replicas = []frag.Address{{ID: 1, Addr: c.ends[1].Addr}}
			c.add(conn, cfg, fragtest.Hooks{})
		}
		var waiting []int
		for range 10 {
			c.send(1, 4, 1, 100)
			waiting = append(waiting, c.send(1, 3, 1, 100)...)
			c.arrive(1, 2, c.send(1, 2, 3, 3000), 3000)
		}
		if s := c.ends[1].Peer(2); s.Sessions != 1 && s.Probes == 0 {
			t.Errorf("%d sessions with who was always there", s.Sessions)
		}
		cfg = config(3, 1, secure)
		cfg.Replicas = []frag.Address{{ID: 1, Addr: c.ends[1].Addr}}
		c.add(open(t, free[0]), cfg, fragtest.Hooks{})
		c.arrive(1, 3, waiting, 100)
		c.once()
	})
}

// TestCase12Race: others wake the owner of a socket all the time, while it sends and receives and when
// it closes the socket. The race detector looks on.
func TestCase12Race(t *testing.T) {
	inBothModes(t, func(t *testing.T, secure bool) {
		c := newConversation(t)
		conns := map[wire.Peer]*udp.Conn{}
		for id := range wire.Peer(3) {
			conns[id+1] = open(t, "127.0.0.1:0")
		}
		var replicas []frag.Address
		for id, conn := range conns {
			replicas = append(replicas, frag.Address{ID: id, Addr: conn.LocalAddr()})
		}
		var stop atomic.Bool
		var wakers sync.WaitGroup
		for id, conn := range conns {
			cfg := config(id, 1, secure)
			cfg.Replicas = replicas
			c.add(conn, cfg, fragtest.Hooks{})
			end := c.ends[id]
			wakers.Go(func() {
				for !stop.Load() {
					conn.Wake()
					end.Stats()
				}
			})
		}
		for from := range wire.Peer(3) {
			for to := range wire.Peer(3) {
				if from != to {
					c.arrive(from+1, to+1, c.send(from+1, to+1, 20, 3000), 3000)
				}
			}
		}
		stop.Store(true)
		wakers.Wait()
		c.once()
		for _, conn := range conns {
			wakers.Go(func() {
				for range 100 {
					conn.Wake() // while, and after, it is closed
				}
			})
		}
		for id, n := range c.ends {
			delete(c.ends, id)
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
		wakers.Wait()
	})
}
