package statexfer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"vrnode/netem/link"
	"vrnode/wire"
)

// A table is a state: records of a key and a value, by key. It is never changed once it is written.
type table []record

type record struct {
	key   uint64
	value []byte
}

// newTable returns n records with values of size bytes that do not shrink.
func newTable(seed uint64, n, size int) table {
	rng := rand.New(rand.NewPCG(seed, 7))
	var t table
	for i := range n {
		t = append(t, record{uint64(i) * 1000, randomBytes(rng, size)})
	}
	return t
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b[:n]
}

// change returns a table in which the share of records has other values.
func (t table) change(seed uint64, share float64) table {
	rng := rand.New(rand.NewPCG(seed, 8))
	t = slices.Clone(t)
	for i := range t {
		if rng.Float64() < share {
			t[i].value = randomBytes(rng, len(t[i].value))
		}
	}
	return t
}

func (t table) WriteTo(w io.Writer) (n int64, err error) {
	var b []byte
	for _, r := range t {
		b = append(binary.BigEndian.AppendUint64(b[:0], r.key), r.value...)
		written, err := w.Write(b)
		n += int64(written)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t table) bytes() []byte {
	var b bytes.Buffer
	t.WriteTo(&b)
	return b.Bytes()
}

// A world is sources and targets with links between them, in virtual time.
type world struct {
	t     rapid.TB
	seed  uint64
	now   time.Duration
	nodes []*node
	links map[[2]wire.Peer]*link.Link
	link.Settings
	due   []due
	order int
	// jobTime is how long a job takes.
	jobTime time.Duration
	// tamper may change a message on its way, and tells whether it goes on; nil lets all pass.
	tamper func(from, to *node, m wire.Message) bool
	moved  int // bytes of all messages
	trace  []string
}

// A due is something that happens at a time.
type due struct {
	at    time.Duration
	order int
	do    func()
}

type node struct {
	w    *world
	peer wire.Peer
	run  int // 0 while it is down
	runs int
	*Source
	*Target
	out      Effects
	disk     *diskOf // of the target
	restored []byte
	ready    *Ready
	events   []Event
	sent     int // bytes of messages sent
	maxServe int
	hung     bool // its disk: chunks are written when it is not any more
	// keeps: what was restored stays.
	keeps bool
	// outrun tells of a Ready that it is of no use, nil if all are.
	outrun func(*Ready) bool
}

// A diskOf is a spool that outlives its process, and may fail.
type diskOf struct {
	Memory
	fail error
}

func (d *diskOf) WriteAt(b []byte, at int64) (int, error) {
	if d.fail != nil {
		return 0, d.fail
	}
	return d.Memory.WriteAt(b, at)
}

func newWorld(t rapid.TB, seed uint64, peers int) *world {
	w := &world{t: t, seed: seed, links: map[[2]wire.Peer]*link.Link{}, jobTime: 50 * time.Microsecond}
	w.Delay.Mean = 200 * time.Microsecond
	w.Rate = link.Rate{Bits: 1e9, Queue: 64 << 20}
	for i := range peers {
		n := &node{w: w, peer: wire.Peer(i + 1)}
		w.nodes = append(w.nodes, n)
		n.start()
	}
	return w
}

func (n *node) start() {
	n.runs++
	n.run = n.runs
	n.Source = NewSource(SourceConfig{Self: n.peer, Header: headerOf(n.peer), Open: func() (Spool, error) { return &Memory{}, nil }})
	n.Target = NewTarget(TargetConfig{Self: n.peer, Open: func(wire.ClusterID) (Spool, error) {
		if n.disk == nil || n.disk.closed {
			n.disk = &diskOf{}
		}
		return n.disk, nil
	}})
}

// headerOf returns what tells a source the header of its messages.
func headerOf(p wire.Peer) func() wire.Header {
	return func() wire.Header { return wire.Header{From: p} }
}

func (n *node) crash() { n.run = 0 }

func (w *world) node(p wire.Peer) *node { return w.nodes[p-1] }

func (w *world) at(at time.Duration, do func()) {
	w.order++
	w.due = append(w.due, due{at, w.order, do})
}

// checkpoint returns one of a state.
func checkpoint(op wire.OpNumber, state io.WriterTo) Checkpoint {
	return Checkpoint{Op: op, Chain: wire.Chain(op * 3), Epoch: 1, Members: []wire.Member{{ID: 1, Incarnation: 1}, {ID: 2, Incarnation: 1}}, State: state}
}

// offer gives some nodes a checkpoint.
func (w *world) offer(op wire.OpNumber, state table, peers ...wire.Peer) {
	for _, p := range peers {
		w.node(p).Offer(checkpoint(op, state))
	}
}

// need makes a node need a state.
func (w *world) need(p wire.Peer, minOp wire.OpNumber, old io.WriterTo, donors ...wire.Peer) *node {
	n := w.node(p)
	n.Start(w.now, Need{MinOp: minOp, Donors: donors, Old: old}, &n.out)
	w.collect(n)
	return n
}

// collect carries out what a node wants done.
func (w *world) collect(n *node) {
	run := n.run
	for _, e := range n.out.Messages {
		if e.To > wire.Peer(len(w.nodes)) {
			continue
		}
		var encoder wire.Encoder
		b := encoder.Append(nil, &e.Header, e.Message)
		if p, ok := e.Message.(*wire.Piece); ok && !bytes.Equal(p.Parts.Parcel().Message(), b) {
			w.t.Fatalf("%v sends a piece that is not what was sealed", n.peer)
		}
		w.send(n, w.node(e.To), b)
	}
	for _, j := range n.out.Jobs {
		var do func()
		do = func() {
			if _, stores := j.(*storeJob); stores && n.hung {
				w.at(w.now+time.Second, do)
			} else if n.run == run {
				j.Run(func() {})
				j.Done(w.now, &n.out)
				w.collect(n)
			}
		}
		w.at(w.now+w.jobTime, do)
	}
	if r := n.out.Ready; r != nil {
		n.ready = r
		w.at(w.now+w.jobTime, func() {
			if n.run != run {
				return
			}
			if n.outrun != nil && n.outrun(r) {
				n.Renew(w.now, &n.out)
				w.need(n.peer, r.Op+1, nil, n.donorsOf()...)
				return
			}
			b, err := io.ReadAll(r.State)
			if err == nil {
				n.restored = b
			}
			n.Restored(w.now, err, &n.out)
			if n.Keeps() && !n.keeps {
				n.Stop(&n.out)
			}
			w.collect(n)
		})
	}
	for _, e := range n.out.Events {
		n.events = append(n.events, e)
		w.trace = append(w.trace, fmt.Sprintf("%v %d! %v", w.now, n.peer, e))
	}
	n.out.Reset()
	n.maxServe = max(n.maxServe, n.Transfers())
}

func (w *world) send(from, to *node, b []byte) {
	way := [2]wire.Peer{from.peer, to.peer}
	if w.links[way] == nil {
		w.links[way] = link.New(w.Settings, w.seed+uint64(from.peer)*100+uint64(to.peer))
	}
	w.moved += len(b)
	from.sent += len(b)
	deliveries, _ := w.links[way].Send(w.now, len(b))
	run := to.run
	for _, d := range deliveries {
		w.at(d.At, func() {
			if to.run == run {
				w.receive(from, to, b)
			}
		})
	}
}

func (w *world) receive(from, to *node, b []byte) {
	var d wire.Decoder
	var parcel wire.Parcel
	b = bytes.Clone(b)
	h, m, err := d.Decode(b)
	if err != nil {
		w.t.Fatal(err)
	}
	if p, ok := m.(*wire.Piece); ok && w.now%3 > 0 { // as if the others were compressed
		parcel.Swap(b)
		p.Parts = p.Parts.In(&parcel)
	}
	if w.tamper != nil && !w.tamper(from, to, m) || to.run == 0 {
		return
	}
	switch m.(type) {
	case *wire.GetManifest, *wire.GetBlocks, *wire.GetPiece:
		to.Source.Step(w.now, h, m, &to.out)
	default:
		to.Target.Step(w.now, h, m, &to.out)
	}
	if had := parcel.Swap(nil); cap(had) > 0 && &had[:1][0] == &b[0] {
		clear(b) // the transport puts something else there
	}
	w.collect(to)
}

func (n *node) donorsOf() (peers []wire.Peer) {
	for _, d := range n.donors {
		peers = append(peers, d.peer)
	}
	return peers
}

// step does what happens next, and tells whether anything did before the end.
func (w *world) step(end time.Duration) bool {
	at, next := end, -1
	for i, d := range w.due {
		if d.at < at || d.at == at && next >= 0 && d.order < w.due[next].order {
			at, next = d.at, i
		}
	}
	var ticks *node
	for _, n := range w.nodes {
		if n.run > 0 {
			if d := min(n.Source.Deadline(), n.Target.Deadline()); d < at {
				at, next, ticks = max(d, w.now), -1, n
			}
		}
	}
	if next < 0 && ticks == nil {
		w.now = end
		return false
	}
	w.now = max(w.now, at)
	if ticks != nil {
		ticks.Source.Tick(w.now, &ticks.out)
		ticks.Target.Tick(w.now, &ticks.out)
		if d := min(ticks.Source.Deadline(), ticks.Target.Deadline()); d <= w.now {
			w.t.Fatalf("%v at %v: Deadline %v after Tick", ticks.peer, w.now, d)
		}
		w.collect(ticks)
		return true
	}
	do := w.due[next].do
	last := len(w.due) - 1
	w.due[next] = w.due[last]
	w.due = w.due[:last]
	do()
	return true
}

// until runs until something holds, for a time at most.
func (w *world) until(limit time.Duration, what string, holds func() bool) {
	w.t.Helper()
	end := w.now + limit
	for !holds() {
		if !w.step(end) {
			for _, line := range w.trace[max(0, len(w.trace)-40):] {
				w.t.Log(line)
			}
			for _, n := range w.nodes {
				if n.run > 0 && n.phase != wire.TransferIdle {
					w.t.Logf("%v: %+v", n.peer, n.Progress(w.now))
				}
			}
			w.t.Fatalf("after %v: not %s", limit, what)
		}
	}
}

func (w *world) run(d time.Duration) {
	for end := w.now + d; w.step(end); {
	}
}

// mustRestore waits for the end of a transfer and compares what was restored.
func (w *world) mustRestore(n *node, op wire.OpNumber, want table) {
	w.t.Helper()
	w.until(10*time.Minute, "restored", func() bool { return n.has(EventRestored) && n.phase == wire.TransferIdle })
	if n.ready.Op != op || n.ready.Chain != wire.Chain(op*3) || len(n.ready.Members) != 2 {
		w.t.Fatalf("restored %+v, want op %d", n.ready.Checkpoint, op)
	}
	if !bytes.Equal(n.restored, want.bytes()) || n.ready.Size != uint64(len(n.restored)) {
		w.t.Fatalf("restored %d bytes that are not the %d of the source", len(n.restored), len(want.bytes()))
	}
}

// count returns how often an event happened; has tells whether it did.
func (n *node) count(k EventKind) (times int) {
	for _, e := range n.events {
		if e.Kind == k {
			times++
		}
	}
	return times
}

func (n *node) has(k EventKind) bool { return n.count(k) > 0 }
