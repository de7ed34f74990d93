package vr

import (
	"testing"
	"time"

	"vrnode/wire"
)

// The answer of a donor that has promised a newer view tells that the view is wanted, not that it
// has started: it may need this replica's promise.
func TestLogOfAPromisedViewMakesAPromise(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.tell(2, g.from(1), &wire.Prepare{First: 1000, Entries: entries(1)})
	g.tell(2, g.fromPrimary(2), &wire.Log{})
	if s := g.replicas[2].Status(); s.View != 2 || g.replicas[2].viewChange.await {
		t.Errorf("awaits a view that has not started: %+v", s)
	}
}

// On a link that takes longer for a part of the log than a fetch waits before it asks again, a
// replica recovers nonetheless, and not by having everything sent many times.
func TestRecoveryOverASlowLink(t *testing.T) {
	const rate = 1 << 20 // bytes a second for Logs; the rest goes before them
	g := newGroup(t, 3)
	g.form()
	for range 10 {
		for range 8 {
			g.client.Submit(g.now, make([]byte, 60<<10))
		}
		g.run(5 * time.Millisecond)
	}
	g.start(3)
	var free time.Duration // when the link is
	var sent int
	type log struct {
		at     time.Duration
		packet packet
	}
	var slow []log
	size := g.replicas[1].log.bytes
	began := g.now
	for ; g.replicas[3].status == wire.StatusRecovering && g.now < began+time.Minute; g.now += time.Millisecond {
		for len(slow) > 0 && slow[0].at <= g.now {
			g.deliver(slow[0].packet)
			slow = slow[1:]
		}
		var out Effects
		for _, id := range g.ids {
			g.replicas[id].Tick(g.now, &out)
		}
		g.take(&out)
		for len(g.queue) > 0 {
			p := g.queue[0]
			g.queue = g.queue[1:]
			if wire.Kind(p.bytes[0]) != wire.KindLog {
				g.deliver(p)
				continue
			}
			free = max(free, g.now) + time.Duration(len(p.bytes))*time.Second/rate
			slow = append(slow, log{free, p})
			sent += len(p.bytes)
		}
	}
	t.Logf("%d bytes came in %v, for %d", sent, g.now-began, size)
	if g.replicas[3].status != wire.StatusNormal || sent > 4*size {
		t.Errorf("%d bytes in %v, for a log of %d", sent, g.now-began, size)
	}
}

// late makes a group whose third replica has missed three requests and whatever else was said, and is still not
// heard.
func late(t *testing.T) (g *group, primary, r *Replica) {
	g = newGroup(t, 3)
	g.form()
	primary, r = g.replicas[1], g.replicas[3]
	g.replicas[3] = nil
	g.submit(3)
	for len(g.results) < 3 {
		g.run(time.Millisecond)
	}
	return g, primary, r
}

// fill has the primary answer the GetLog that was asked of it, and returns what the replica then says.
func (g *group) fill(primary, r *Replica, asked *Effects) *Effects {
	var given, more Effects
	primary.Step(g.now, &asked.Messages[0].Header, asked.Messages[0].Message, &given)
	r.Step(g.now, &given.Messages[0].Header, given.Messages[0].Message, &more)
	return &more
}

// A backup that fills a gap goes on to what is committed meanwhile, without being told by a Prepare.
func TestGapEndsAtTheCommitNumber(t *testing.T) {
	g, primary, r := late(t)
	missing := r.log.head + 1
	var asked Effects
	r.askLog(g.now, missing, &asked)
	more := g.fill(primary, r, &asked)
	for _, e := range more.Messages {
		if m, ok := e.Message.(*wire.GetLog); ok && m.From == missing+1 && m.To == primary.commit {
			return
		}
	}
	t.Errorf("asks for nothing more: %v", more.Messages)
}

// A backup that fills a gap does not ask for what it keeps already: Prepares that came early.
func TestGapEndsAtWhatIsKept(t *testing.T) {
	g, primary, r := late(t)
	missing := r.log.head + 1
	var early, asked Effects
	h := primary.header()
	r.Step(g.now, &h, primary.prepare(missing+1, &early), &asked)
	more := g.fill(primary, r, &asked)
	if r.log.head != primary.log.head {
		t.Fatalf("has %d ops of %d", r.log.head, primary.log.head)
	}
	for _, e := range more.Messages {
		if m, ok := e.Message.(*wire.GetLog); ok {
			t.Errorf("asks for %d to %d, which it has kept", m.From, m.To)
		}
	}
}
