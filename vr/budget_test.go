package vr

import (
	"io"
	"runtime"
	"strconv"
	"testing"
	"time"

	"vrnode/wire"
)

// A circuit is three replicas and a client that hand each other their messages without a codec
// or a network: what it costs is what the state machines cost.
type circuit struct {
	replicas [3]*Replica
	client   *Client
	out      [4]Effects
	now      time.Duration
	finished int
}

// constant is a state machine that does nothing.
type constant struct{ result [8]byte }

func (m *constant) Apply(uint64, []byte) []byte { return m.result[:] }

func (m *constant) Snapshot() io.WriterTo { return m }

func (m *constant) WriteTo(io.Writer) (int64, error) { return 0, nil }

func (m *constant) Restore(io.Reader) error { return nil }

func newCircuit() *circuit {
	ids := []wire.Peer{1, 2, 3}
	c := &circuit{now: time.Second, client: NewClient(ClientConfig{Self: clientID, Replicas: ids})}
	form := &wire.Form{}
	for i, id := range ids {
		c.replicas[i] = New(Config{Self: id, Incarnation: 1, Replicas: ids}, new(constant))
		form.Members = append(form.Members, wire.Member{ID: id, Incarnation: 1})
	}
	for _, r := range c.replicas {
		r.Step(c.now, &wire.Header{Cluster: wire.ClusterID{1}, From: operatorID}, form, &c.out[3])
	}
	return c
}

// commit submits n commands and passes messages on until all have results.
func (c *circuit) commit(n int) {
	c.now += 100 * time.Microsecond
	for range n {
		c.client.Submit(c.now, []byte("a command of 24 bytes..."))
	}
	for c.finished = 0; c.finished < n; {
		for i := range c.out {
			c.out[i].Reset()
		}
		c.client.Tick(c.now, &c.out[3])
		c.pass(&c.out[3])
		c.replicas[0].Tick(c.now, &c.out[0])
		c.pass(&c.out[0]) // Prepares make PrepareOKs
		c.pass(&c.out[1])
		c.pass(&c.out[2]) // which make Replies
		c.pass(&c.out[0])
		c.finished += len(c.out[3].Results)
	}
}

func (c *circuit) pass(out *Effects) {
	for i := range out.Messages {
		e := &out.Messages[i]
		if e.To == clientID {
			c.client.Step(c.now, &e.Header, e.Message, &c.out[3])
		} else if e.To.IsReplica() {
			c.replicas[e.To-1].Step(c.now, &e.Header, e.Message, &c.out[e.To-1])
		}
	}
	out.Messages = out.Messages[:0]
}

// The budget of the normal case is no allocation. The log's memory comes in segments of 1024 ops,
// which is less than one allocation an op.
func TestNormalCaseDoesNotAllocate(t *testing.T) {
	for _, batch := range []int{1, 64} {
		c := newCircuit()
		for range 3 {
			c.commit(SessionWindow) // every slot of the window has its memory
		}
		if n := testing.AllocsPerRun(1000, func() { c.commit(batch) }); n > 0 {
			t.Errorf("committing a batch of %d ops allocates %v times, budget 0", batch, n)
		}
	}
}

// To give a part of the log takes no new memory: it is much, and who asks for it asks again and again.
func TestGivingTheLogDoesNotAllocate(t *testing.T) {
	c := newCircuit()
	c.commit(SessionWindow)
	h := c.replicas[1].header()
	m := &wire.GetLog{From: 1, To: c.replicas[0].log.head}
	if n := testing.AllocsPerRun(100, func() {
		c.out[0].Reset()
		c.replicas[0].Step(c.now, &h, m, &c.out[0])
	}); n > 0 || len(c.out[0].Messages) != 1 {
		t.Errorf("giving %d times allocates %v times, budget 0", len(c.out[0].Messages), n)
	}
}

// What many GetLogs at once have taken does not stay.
func TestGivenLogsAreForgotten(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.commitLong(2 * logChunkBytes / wire.CommandMax)
	primary, h, out := g.replicas[1], g.replicas[3].header(), &Effects{}
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	for range 20 * wire.MembersMax {
		primary.Step(g.now, &h, &wire.GetLog{LastNormal: primary.lastNormal, From: 2, To: primary.log.head, Logs: logsMax}, out)
	}
	if n := len(out.Messages); n > 20*wire.MembersMax+logsMax {
		t.Errorf("%d Logs at once", n)
	}
	out.Reset()
	if stays := heap() - before; stays > 2*logsMax*logChunkBytes {
		t.Errorf("%d bytes stay", stays)
	}
	runtime.KeepAlive(out)
}

// BenchmarkStepCommit is one op through the client, the primary and two backups.
func BenchmarkStepCommit(b *testing.B) {
	for _, batch := range []int{1, 64, 1024} {
		b.Run("batch="+strconv.Itoa(batch), func(b *testing.B) {
			c := newCircuit()
			c.commit(1000)
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				c.commit(batch)
			}
		})
	}
}

// BenchmarkStepPrepare is a backup's share: taking a Prepare of one op.
func BenchmarkStepPrepare(b *testing.B) {
	c := newCircuit()
	backup, out := c.replicas[1], &c.out[1]
	h := wire.Header{Cluster: wire.ClusterID{1}, From: 1, Incarnation: 1}
	m := &wire.Prepare{}
	e := wire.Entry{Kind: wire.EntryCommand, Client: clientID, Session: 1, Body: make([]byte, 64)}
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		m.First, m.Commit = backup.log.head+1, backup.log.head
		m.PrevChain = backup.log.chain(backup.log.head)
		e.Request++
		m.Entries = m.Entries.Reset().Append(&e)
		backup.Step(c.now, &h, m, out)
	}
}
