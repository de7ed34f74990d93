package vr

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vrnode/wire"
)

// A group is a few replicas and a client on a perfect network without delay, for tests of one
// path at a time. Everything about faults is in internal/sim.
type group struct {
	t        testing.TB
	now      time.Duration
	replicas map[wire.Peer]*Replica
	machines map[wire.Peer]*tape
	ids      []wire.Peer
	client   *Client
	operator *Operator
	queue    []packet
	results  []Result
	encoder  wire.Encoder
	decoder  wire.Decoder
	runs     uint64
	logBytes int // of replicas that are started
	keep     func(id wire.Peer, tail *wire.Log)
}

type packet struct {
	to    wire.Peer
	bytes []byte
}

// tape is a state machine that records what it applied.
type tape struct{ applied []string }

func (m *tape) Apply(op uint64, command []byte) []byte {
	m.applied = append(m.applied, string(command))
	return fmt.Appendf(nil, "%d", len(m.applied))
}

func (m *tape) Snapshot() io.WriterTo { return written(m.applied[:len(m.applied):len(m.applied)]) }

// written is a tape at one moment, a record for each command.
type written []string

func (t written) WriteTo(w io.Writer) (n int64, err error) {
	for _, command := range t {
		some, err := io.WriteString(w, command+"\n")
		if n += int64(some); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (m *tape) Restore(r io.Reader) error {
	all, err := io.ReadAll(r)
	m.applied = nil
	for line := range strings.Lines(string(all)) {
		m.applied = append(m.applied, strings.TrimSuffix(line, "\n"))
	}
	return err
}

var (
	clientID   = wire.ClientPeer(0xc1<<16, 0)
	operatorID = wire.ClientPeer(0x0b<<16, 0)
)

func newGroup(t testing.TB, n int) *group {
	g := &group{t: t, now: time.Second, replicas: map[wire.Peer]*Replica{}, machines: map[wire.Peer]*tape{}}
	for i := range n {
		g.ids = append(g.ids, wire.Peer(i+1))
	}
	for _, id := range g.ids {
		g.start(id)
	}
	g.client = NewClient(ClientConfig{Self: clientID, Replicas: g.ids})
	g.operator = NewOperator(OperatorConfig{Self: operatorID, Replicas: g.ids})
	return g
}

// start boots a replica without memory; if it ran before, this is a crash and a restart.
func (g *group) start(id wire.Peer) {
	g.runs++
	g.machines[id] = &tape{}
	g.replicas[id] = New(Config{Self: id, Incarnation: wire.Incarnation(g.runs), Replicas: g.ids, Seed: g.runs, LogBytes: g.logBytes}, g.machines[id])
}

// restarted is a group that has executed 3 ops, and whose replica 3 is without memory.
func restarted(t *testing.T) *group {
	g := newGroup(t, 3)
	g.form()
	g.submit(3)
	g.run(20 * time.Millisecond)
	g.start(3)
	return g
}

func (g *group) form() {
	g.operator.Probe(g.now)
	g.run(10 * time.Millisecond)
	if why, _ := g.operator.CanForm(); why != "" {
		g.t.Fatal(why)
	}
	g.operator.Form(g.now, wire.ClusterID{1}, wire.Base{})
	g.run(10 * time.Millisecond)
	if !g.operator.Done() {
		g.t.Fatal("the group was not formed")
	}
}

// run lets time pass, in steps of a millisecond.
func (g *group) run(d time.Duration) {
	for end := g.now + d; g.now < end; g.now += time.Millisecond {
		g.settle()
	}
}

// settle ticks everybody and delivers everything until nothing more happens at this time.
func (g *group) settle() {
	for range 1000 {
		var out Effects
		for _, id := range g.ids {
			if r := g.replicas[id]; r != nil {
				r.Tick(g.now, &out)
			}
		}
		g.client.Tick(g.now, &out)
		g.operator.Tick(g.now, &out)
		g.take(&out)
		if len(g.queue) == 0 {
			return
		}
		for len(g.queue) > 0 {
			p := g.queue[0]
			g.queue = g.queue[1:]
			g.deliver(p)
		}
	}
	g.t.Fatal("the group does not come to rest")
}

func (g *group) deliver(p packet) {
	h, m, err := g.decoder.Decode(p.bytes)
	if err != nil {
		g.t.Fatal(err)
	}
	var out Effects
	switch p.to {
	case clientID:
		g.client.Step(g.now, h, m, &out)
	case operatorID:
		g.operator.Step(g.now, h, m, &out)
	default:
		if r := g.replicas[p.to]; r != nil {
			r.Step(g.now, h, m, &out)
		}
		if out.Tail != nil && g.keep != nil {
			g.keep(p.to, out.Tail)
		}
	}
	g.take(&out)
}

func (g *group) take(out *Effects) {
	for _, e := range out.Messages {
		g.queue = append(g.queue, packet{e.To, g.encoder.Append(nil, &e.Header, e.Message)})
	}
	for _, r := range out.Results {
		r.Body = append([]byte(nil), r.Body...)
		g.results = append(g.results, r)
	}
}

// carry brings a replica the newest checkpoint of another one, if it needs a state. It tells whether
// the replica has begun to read it.
func (g *group) carry(from, to wire.Peer) bool {
	c := g.replicas[from].Checkpoint()
	if c == nil || !g.replicas[to].BeginRestore(c.Op) {
		return false
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		g.t.Fatal(err)
	}
	state, err := ReadCheckpoint(&b, g.machines[to])
	if err != nil {
		g.t.Fatal(err)
	}
	var out Effects
	g.replicas[to].Install(g.now, state, &out)
	g.take(&out)
	return true
}

func (g *group) submit(n int) {
	for range n {
		if _, ok := g.client.Submit(g.now, []byte("op")); !ok {
			g.t.Fatal("the window is full")
		}
	}
}

// commitLong submits n commands, as long as they may be, and gives each time.
func (g *group) commitLong(n int) {
	for range n {
		if _, ok := g.client.Submit(g.now, make([]byte, wire.CommandMax)); !ok {
			g.t.Fatal("the window is full")
		}
		g.run(3 * time.Millisecond)
	}
}

// wantApplied checks that every living replica has executed exactly the n ops, and the client has
// as many results.
func (g *group) wantApplied(n int) {
	g.t.Helper()
	if len(g.results) != n {
		g.t.Errorf("the client has %d results, want %d", len(g.results), n)
	}
	for _, id := range g.ids {
		if r := g.replicas[id]; r != nil && len(g.machines[id].applied) != n {
			g.t.Errorf("replica %v applied %d ops, want %d; %+v", id, len(g.machines[id].applied), n, r.Status())
		}
	}
}

func TestNormalCase(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			g := newGroup(t, n)
			g.form()
			g.submit(100)
			g.run(30 * time.Millisecond)
			g.submit(1)
			g.run(30 * time.Millisecond)
			g.wantApplied(101)
		})
	}
}

// Before there is a group nobody can tell it from one that has lost its memory; afterwards all can.
func TestFormedGroupIsNotLost(t *testing.T) {
	for _, n := range []int{3, 5} {
		g := newGroup(t, n)
		g.run(time.Second)
		for _, id := range g.ids {
			if !g.replicas[id].Status().GroupLost {
				t.Errorf("replica %v of %d has hope without any memory", id, n)
			}
		}
		g.form()
		g.run(50 * time.Millisecond)
		for _, id := range g.ids {
			if s := g.replicas[id].Status(); s.GroupLost {
				t.Errorf("replica %v of %d: %+v", id, n, s)
			}
		}
	}
}

// A backup hears no other backup, but does not believe for ever that they are without memory.
func TestGroupIsNotLostForEver(t *testing.T) {
	g := newGroup(t, 5)
	g.form()
	for _, id := range []wire.Peer{3, 4, 5} {
		g.recoveryOf(id, g.replicas[id].incarnation, 2)
	}
	if g.run(50 * time.Millisecond); !g.replicas[2].Status().GroupLost {
		t.Error("three of five say that they have no memory")
	}
	if g.run(recentlyRecovering); g.replicas[2].Status().GroupLost {
		t.Error("they have said nothing of the kind for long")
	}
}

func TestPrimaryLosesItsMemoryAndRecovers(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.submit(10)
	g.run(30 * time.Millisecond)
	g.start(1)
	g.submit(10)
	g.run(2 * time.Second)
	g.wantApplied(20)
	for _, id := range g.ids {
		if s := g.replicas[id].Status(); s.Status != wire.StatusNormal || s.View == 0 {
			t.Errorf("replica %v: %+v", id, s)
		}
	}
}

func TestPrimaryDies(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.submit(10)
	g.run(30 * time.Millisecond)
	g.replicas[1] = nil
	g.submit(10)
	g.run(time.Second)
	g.wantApplied(20)
	g.start(1)
	g.submit(10)
	g.run(2 * time.Second)
	g.wantApplied(30)
}

func TestAllLoseTheirMemory(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.submit(10)
	g.run(30 * time.Millisecond)
	for _, id := range g.ids {
		g.start(id)
	}
	g.submit(1)
	g.run(5 * time.Second)
	if len(g.results) != 10 {
		t.Errorf("%d results of a group without memory, want the 10 from before", len(g.results))
	}
	for _, id := range g.ids {
		if s := g.replicas[id].Status(); s.Status != wire.StatusRecovering || !s.GroupLost {
			t.Errorf("replica %v: %+v", id, s)
		}
	}
	if why := g.client.Refused(); why.NoMemory != 3 || !why.GroupLost {
		t.Errorf("the client was told %+v", why)
	}
}
