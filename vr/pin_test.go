package vr

import (
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/wire"
)

// needy makes a group of three whose third replica has lost its memory, and lacks what the others have
// forgotten.
func needy(t *testing.T, bytes int) (g *group, r *Replica) {
	g = smallLogs(t, 3, bytes)
	for g.replicas[1].log.base == 0 {
		g.submit(10)
		g.run(3 * time.Millisecond)
	}
	return g, g.lose(3)
}

// lose starts a replica without memory, and waits until it knows that it lacks what the others have forgotten.
func (g *group) lose(id wire.Peer) *Replica {
	g.start(id)
	r := g.replicas[id]
	for i := 0; r.lacks == 0; i++ {
		if i == 100 {
			g.t.Fatal("it lacks nothing")
		}
		g.run(10 * time.Millisecond)
	}
	return r
}

// The others keep the log from the state on that somebody waits for, as long as it says so and as their
// memory lasts. Then they forget it, and the replica knows that the state is of no use before it reads it.
func TestLogIsPinnedForAState(t *testing.T) {
	const bound = 64 << 10
	g, r := needy(t, bound)
	op := g.replicas[2].Checkpoint().Op
	r.Expect(g.now, op)
	g.run(20 * time.Millisecond)
	most := 0
	for g.replicas[1].log.base <= op {
		g.submit(10)
		g.run(3 * time.Millisecond)
		for _, id := range g.ids[:2] {
			if b := g.replicas[id].log.bytes; g.replicas[id].log.base == op {
				most = max(most, b)
			}
			if b := g.replicas[id].log.bytes; b > bound {
				t.Fatalf("a log of %d bytes", b)
			}
		}
		if b := g.replicas[1].log.bytes; g.replicas[1].log.base < op && b > g.replicas[1].keepBytes()+20*(loggedBytes+2) {
			t.Fatalf("keeps %d bytes before it has to", b)
		}
	}
	if most < bound*3/4 || most > bound*7/8+20*(loggedBytes+2) {
		t.Errorf("held %d bytes of %d", most, bound)
	}
	g.submit(10)
	g.run(pinInterval + 10*time.Millisecond) // asks once more
	if g.replicas[1].log.bytes > g.replicas[1].keepBytes() {
		t.Errorf("still keeps %d bytes, of use to nobody", g.replicas[1].log.bytes)
	}
	if r.BeginRestore(op) {
		t.Error("reads a state that the log does not follow any more")
	}
	need, lacks := r.NeedState()
	if !lacks || need.MinOp <= op || need.MinOp > g.replicas[1].log.base {
		t.Errorf("needs %+v, the others have a log from %d", need, g.replicas[1].log.base)
	}
	r.Expect(g.now, g.replicas[2].Checkpoint().Op)
	g.run(10 * time.Millisecond)
	if !g.carry(2, 3) {
		t.Fatal("does not want the newer one")
	}
	r.Expect(g.now, 0)
	g.run(2 * time.Second)
	g.wantApplied(len(g.results))
}

// Who waits for a state and is not heard any more is not waited for.
func TestPinEnds(t *testing.T) {
	const bound = 64 << 10
	g, r := needy(t, bound)
	op := g.replicas[2].Checkpoint().Op
	r.Expect(g.now, op)
	g.run(20 * time.Millisecond)
	for g.replicas[1].log.base < op || g.replicas[1].log.bytes < bound*5/8 {
		g.submit(10)
		g.run(3 * time.Millisecond)
	}
	g.replicas[3] = nil
	g.run(pinTime - 2*pinInterval)
	if r := g.replicas[1]; r.log.base != op {
		t.Errorf("forgot it at once: %+v", r.Status())
	}
	g.run(2 * pinInterval)
	if r := g.replicas[1]; r.log.base == op || r.log.bytes > r.keepBytes() {
		t.Errorf("keeps it for ever: %+v", r.Status())
	}
}

// Only the primary's log counts: where that of another one begins, and what was asked before the state
// was known, says nothing about it.
func TestTailIsThePrimarys(t *testing.T) {
	g, r := needy(t, 64<<10)
	op := g.replicas[2].Checkpoint().Op
	r.Expect(g.now, op)
	say := func(from wire.Peer, first, last wire.OpNumber, want Reason) {
		t.Helper()
		if why := g.tell(3, g.from(from), &wire.Log{First: first, Commit: first + 10, Last: last}); why != want {
			t.Errorf("%v, want %v", why, want)
		}
	}
	say(2, op+5, op+4, NotAwaited)
	if r.expected.begins != 0 {
		t.Error("believes a backup")
	}
	say(1, op+5, 0, NotAwaited)
	if r.expected.begins != 0 {
		t.Error("takes for the beginning of a log what was asked for")
	}
	say(1, op+5, op+4, NotAwaited)
	if r.expected.begins != op+4 {
		t.Errorf("the log begins after %d", r.expected.begins)
	}
	say(1, op+1, 0, 0)
	if r.expected.begins != 0 || !r.BeginRestore(op) {
		t.Error("the log goes back far enough, and the state is not wanted")
	}
}

// A replica that asks for the log from far back gets no Prepares meanwhile, which it could not keep, and all
// the sooner catches up; near the end it gets them again.
func TestFarReplicaGetsNoPrepares(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	far := g.replicas[3]
	g.replicas[3] = nil // hears nothing
	g.commitLong(earlyBytes/wire.CommandMax + 2)
	primary := g.replicas[1]
	// prepares asks for a part of the log, and tells whether the next op is sent as well.
	prepares := func(from, to wire.OpNumber) (sent bool) {
		if why := g.tell(1, far.header(), &wire.GetLog{Has: from - 1, From: from, To: to}); why != 0 {
			t.Fatal(why)
		}
		g.submit(1)
		var asked, out Effects
		g.client.Tick(g.now, &asked)
		g.take(&asked)
		g.deliver(g.queue[0])
		g.queue = nil
		primary.Tick(g.now, &out)
		for _, e := range out.Messages {
			if m, ok := e.Message.(*wire.Prepare); ok && e.To == 3 {
				sent = m.First == primary.log.head
			}
		}
		g.take(&out)
		g.run(3 * time.Millisecond)
		return sent
	}
	if prepares(far.log.head+1, primary.log.head) {
		t.Error("sends what cannot be kept")
	}
	if prepares(far.log.head+1, far.log.head) {
		t.Error("sends what cannot be kept to one who waits for a state")
	}
	if !prepares(far.log.head+1, far.log.head+1) {
		t.Error("sends nothing to one to whom the rest may be under way")
	}
	if !prepares(primary.log.head-5, primary.log.head) {
		t.Error("sends nothing to one who is near")
	}
	g.replicas[3] = far
	g.run(200 * time.Millisecond)
	g.wantApplied(len(g.results))
}

// A replica that has all that is committed gets Prepares, however long the ops before them were: it may be
// the one that all others wait for.
func TestNeededReplicaIsNotFar(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.commitLong(2 * earlyBytes / wire.CommandMax)
	g.replicas[2], g.replicas[3] = nil, nil
	g.submit(4 * earlyBytes / wire.CommandMax)
	g.run(3 * time.Millisecond)
	primary := g.replicas[1]
	if primary.log.head-primary.commit < earlyBytes/wire.CommandMax {
		t.Fatalf("%+v", primary.Status())
	}
	primary.pins[2] = pin{after: primary.commit, until: g.now + pinTime}
	if primary.isFar(2) {
		t.Error("who has all that is committed is far")
	}
	primary.pins[2].after = 1
	primary.primary.match[2] = 0
	if !primary.isFar(2) {
		t.Error("who has next to nothing is near")
	}
	primary.primary.match[2] = primary.commit
	if primary.isFar(2) {
		t.Error("who has come near by Prepares is far")
	}
}

// A longPath is to and from replica 3 of a group, and what is said on it takes some time.
type longPath struct {
	*group
	delay  time.Duration
	rate   int // bytes in a second to replica 3; 0: any number
	late   []delayed
	free   time.Duration // when the path to replica 3 is
	logged int           // bytes of Logs to it
	loses  func(wire.Message) bool
}

type delayed struct {
	at time.Duration
	p  packet
}

func newLongPath(t *testing.T, delay time.Duration) *longPath {
	g := &longPath{group: newGroup(t, 3), delay: delay, loses: func(wire.Message) bool { return false }}
	g.form()
	return g
}

// carry delivers what is due.
func (g *longPath) carry() {
	for len(g.late) > 0 && g.late[0].at <= g.now {
		g.deliver(g.late[0].p)
		g.late = g.late[1:]
	}
	for len(g.queue) > 0 {
		p := g.queue[0]
		g.queue = g.queue[1:]
		h, m, err := g.decoder.Decode(p.bytes)
		switch {
		case err != nil:
			g.t.Fatal(err)
		case h.From == 3:
			g.hold(g.now+g.delay, p)
		case p.to != 3:
			g.deliver(p)
		case !g.loses(m):
			if _, is := m.(*wire.Log); is {
				g.logged += len(p.bytes)
			}
			at := g.now + g.delay
			if g.rate > 0 {
				g.free = max(g.free, g.now) + time.Duration(len(p.bytes))*time.Second/time.Duration(g.rate)
				at = g.free + g.delay
			}
			g.hold(at, p)
		}
	}
}

// hold keeps a packet until its time, behind all that are earlier.
func (g *longPath) hold(at time.Duration, p packet) {
	i := len(g.late)
	for i > 0 && g.late[i-1].at > at {
		i--
	}
	g.late = slices.Insert(g.late, i, delayed{at, p})
}

// load has so many milliseconds pass, while 16 MB come in a second.
func (g *longPath) load(ms int) { g.loadOf(ms, 2, 32<<10) }

// loadOf has so many milliseconds pass, with a command of so many bytes every few.
func (g *longPath) loadOf(ms, every, bytes int) {
	for i := range ms {
		if i%every == 0 {
			g.client.Submit(g.now, make([]byte, bytes))
		}
		for range 10 {
			var out Effects
			for _, id := range g.ids {
				g.replicas[id].Tick(g.now, &out)
			}
			g.client.Tick(g.now, &out)
			g.take(&out)
			g.carry()
		}
		g.now += time.Millisecond
	}
}

// lag is load of which replica 3 hears nothing.
func (g *longPath) lag(ms int) {
	loses := g.loses
	g.loses = func(wire.Message) bool { return true }
	g.load(ms)
	g.loses = loses
}

// behind returns how many ops replica 3 has not yet.
func (g *longPath) behind() int { return int(g.replicas[1].log.head - g.replicas[3].log.head) }

// A backup at the end of a long path, on which more is under way than fills a Log, misses a Prepare and
// does not fall behind: what is under way to it is not what it lacks.
func TestLongPathIsNotFarBehind(t *testing.T) {
	race.SkipLong(t)
	g := newLongPath(t, 80*time.Millisecond)
	lost := false
	g.loses = func(m wire.Message) bool {
		_, prepare := m.(*wire.Prepare)
		if lost || !prepare || g.now < 1500*time.Millisecond {
			return false
		}
		lost = true
		return true
	}
	g.load(4000)
	if behind := g.behind(); !lost || behind > 60 {
		t.Errorf("lost: %v; %d ops behind, of which 40 are under way", lost, behind)
	}
}

// A backup over a long path, which nothing reached for a second, catches up with the load.
func TestFarReplicaCatchesUpOverALongPath(t *testing.T) {
	race.SkipLong(t)
	g := newLongPath(t, 80*time.Millisecond)
	g.lag(1000)
	g.load(200)
	if behind := g.behind(); behind < 400 {
		t.Fatalf("only %d ops behind", behind)
	}
	g.load(7000)
	if behind := g.behind(); behind > 60 {
		t.Errorf("%d ops behind, of which 40 are under way", behind)
	}
}

// A backup near by asks for one Log at a time: for more the primary would let others wait.
func TestShortPathGetsOneLog(t *testing.T) {
	g := newLongPath(t, 3*time.Millisecond)
	g.lag(1000)
	for range 200 {
		g.load(1)
		if logs := g.replicas[3].logs; logs > 1 {
			t.Fatalf("asks for %d Logs", logs)
		}
	}
	g.load(1500)
	if behind := g.behind(); behind > 10 {
		t.Errorf("%d ops behind", behind)
	}
}

// A backup over a narrow path does not ask for much at once: the path is not wider for it.
func TestNarrowPathGetsFewLogs(t *testing.T) {
	g := newLongPath(t, 20*time.Millisecond)
	g.rate = 4 << 20
	g.lag(1000)
	for range 300 {
		g.load(10)
		if logs := g.replicas[3].logs; logs > 4 {
			t.Fatalf("asks for %d Logs of 64 ms each", logs)
		}
	}
	if most := 3*g.rate + 4*logChunkBytes; g.logged > most {
		t.Errorf("%d bytes were sent, and there is room for %d", g.logged, most)
	}
}
