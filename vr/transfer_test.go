package vr

import (
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
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

// A GetLog is answered by as many Logs as it asks for, if there is so much, and no more than there may be.
func TestLogsOfAnAnswer(t *testing.T) {
	for _, test := range []struct{ there, asked, want int }{
		{3, 0, 1}, {3, 1, 1}, {3, 2, 2}, {3, 3, 3}, {3, 9, 3}, {logsMax + 2, logsMax + 1, logsMax},
	} {
		g := newGroup(t, 3)
		g.form()
		primary := g.replicas[1]
		g.commitLong(1)
		first := primary.log.head + 1
		g.commitLong(test.there * (logChunkBytes / primary.log.entry(first-1).Size()))
		h, out := g.replicas[3].header(), &Effects{}
		m := &wire.GetLog{LastNormal: primary.lastNormal, From: first, To: primary.log.head, Logs: uint64(test.asked)}
		primary.Step(g.now, &h, m, out)
		next, ends := first, []wire.OpNumber{}
		for i, e := range out.Messages {
			log := e.Message.(*wire.Log)
			if log.First != next || log.PrevChain != primary.log.chain(next-1) {
				t.Errorf("Log %d begins with op %d, not %d", i, log.First, next)
			}
			next += wire.OpNumber(log.Entries.Len())
			ends = append(ends, log.Last)
		}
		if len(out.Messages) != test.want || slices.ContainsFunc(ends, func(end wire.OpNumber) bool { return end != next-1 }) {
			t.Errorf("%d Logs, not %d, answer one GetLog that asks for %d, and they end with %v, not %d", len(out.Messages), test.want, test.asked, ends, next-1)
		}
	}
}

// lateAnswer makes a replica that has asked for several Logs, and what answers it.
func lateAnswer(t *testing.T) (g *group, far *Replica, logs []wire.Envelope) {
	g = newGroup(t, 3)
	g.form()
	far, primary := g.replicas[3], g.replicas[1]
	g.replicas[3] = nil
	g.commitLong(6 * logChunkBytes / wire.CommandMax)
	g.run(200 * time.Millisecond)
	var asked, given Effects
	far.logs = logsMax
	far.askLog(g.now, primary.log.head, &asked)
	primary.Step(g.now, &asked.Messages[0].Header, asked.Messages[0].Message, &given)
	if len(given.Messages) < 6 {
		t.Fatalf("only %d Logs", len(given.Messages))
	}
	return g, far, given.Messages
}

// keepAll has a replica keep as many Logs as it can, copies of one that begin later, and returns the last.
func keepAll(t *testing.T, g *group, far *Replica, log *wire.Envelope) (m wire.Log) {
	t.Helper()
	far.fetch.to = 1000
	m = *log.Message.(*wire.Log)
	var out Effects
	for i := range 2 * logsMax {
		m.First = wire.OpNumber(100 + i)
		if why := far.onLog(g.now, &log.Header, &m, &out); why != TooEarly {
			t.Fatal(why)
		}
	}
	return m
}

// Logs may come in any order: none is asked for once more, and in the end nothing of them is kept.
func TestLogsInAnyOrder(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var more Effects
	for _, e := range slices.Backward(logs) {
		more.Reset()
		far.Step(g.now, &e.Header, e.Message, &more)
		for _, e := range more.Messages {
			if again, is := e.Message.(*wire.GetLog); is {
				t.Errorf("asks again, for ops %d to %d", again.From, again.To)
			}
		}
	}
	if primary := g.replicas[1]; far.log.head != primary.log.head || len(far.ahead.kept) > 0 || far.fetch.purpose != 0 {
		t.Errorf("has %d ops of %d, keeps %d Logs", far.log.head, primary.log.head, len(far.ahead.kept))
	}
}

// When the rest of an answer does not come, it is asked for after the time that has to pass without any of it,
// and one Log at a time. What has come early is forgotten with the fetch, and what nobody waits for is not kept.
func TestRestOfAnAnswer(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var more Effects
	g.now += 10 * time.Millisecond
	far.Step(g.now, &logs[0].Header, logs[0].Message, &more)
	far.Step(g.now, &logs[2].Header, logs[2].Message, &more)
	if at := g.now + far.fetch.wait; far.timers[timerFetch] != at {
		t.Errorf("asks again at %v, not %v", far.timers[timerFetch], at)
	}
	g.now = far.timers[timerFetch]
	more.Reset()
	far.onFetchTimer(g.now, &more)
	hole := logs[1].Message.(*wire.Log)
	if m := more.Messages[0].Message.(*wire.GetLog); m.From != hole.First || m.To != logs[2].Message.(*wire.Log).First-1 {
		t.Errorf("asks for %v", m)
	}
	if why := far.onLog(g.now, &logs[3].Header, &wire.Log{LastNormal: far.lastNormal, First: far.fetch.to + 1, Entries: logs[0].Message.(*wire.Log).Entries}, &more); why != NothingNew {
		t.Errorf("what is not asked for: %v", why)
	}
	if len(far.ahead.kept) != 1 {
		t.Errorf("%d Logs are kept", len(far.ahead.kept))
	}
	far.startViewChange(g.now, far.view+1, &more)
	if len(far.ahead.kept) > 0 {
		t.Error("a Log is kept of a fetch that is over")
	}
}

// A hole that takes several Logs is asked for without what is kept behind it, also by who goes on to ask.
func TestLongHole(t *testing.T) {
	g, far, logs := lateAnswer(t)
	primary := g.replicas[1]
	var out Effects
	g.now += 80 * time.Millisecond
	far.Step(g.now, &logs[0].Header, logs[0].Message, &out)
	for _, e := range logs[4:] {
		far.Step(g.now, &e.Header, e.Message, &out)
	}
	out.Reset()
	g.now = far.timers[timerFetch]
	far.onFetchTimer(g.now, &out)
	var given Effects
	primary.Step(g.now, &out.Messages[0].Header, out.Messages[0].Message, &given)
	if len(given.Messages) != 3 {
		t.Fatalf("%d Logs are given for the hole", len(given.Messages))
	}
	asks, wait := far.logs, far.patience
	g.now += 80 * time.Millisecond
	out.Reset()
	for _, e := range given.Messages {
		far.Step(g.now, &e.Header, e.Message, &out)
	}
	for _, e := range out.Messages {
		if m, is := e.Message.(*wire.GetLog); is {
			t.Errorf("asks for ops %d to %d, which are kept", m.From, m.To)
		}
	}
	if far.log.head != primary.log.head || far.logs != asks || far.patience != wait {
		t.Errorf("has %d ops of %d; asked for %d Logs, now for %d; waited %v, now %v",
			far.log.head, primary.log.head, asks, far.logs, wait, far.patience)
	}
}

// What lies in front of all that is kept is asked for, and taken, even if no more can be kept: it needs no room for long.
func TestHoleInFrontOfAllThatCanBeKept(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var out Effects
	keepAll(t, g, far, &logs[2])
	if why := far.onLog(g.now, &logs[1].Header, logs[1].Message.(*wire.Log), &out); why != TooEarly || len(far.ahead.kept) != 2*logsMax {
		t.Errorf("%v, %d Logs are kept", why, len(far.ahead.kept))
	}
	far.Step(g.now, &logs[0].Header, logs[0].Message, &out)
	if second := logs[1].Message.(*wire.Log); far.log.head != second.First+wire.OpNumber(second.Entries.Len())-1 {
		t.Errorf("has %d ops", far.log.head)
	}
	out.Reset()
	far.fetch.asked, far.fetch.asking = far.log.head, false
	far.askOn(g.now, &out)
	if len(out.Messages) != 1 {
		t.Errorf("says %v", out.Messages)
	}
}

// Over a path on which every answer comes after it was asked for again, a replica learns to wait longer.
func TestPatienceIsLearnt(t *testing.T) {
	g, n, lost := newLongPath(t, 80*time.Millisecond), 0, 0
	g.loses = func(m wire.Message) bool {
		if p, is := m.(*wire.Prepare); is && p.Entries.Len() > 0 {
			if n++; n%40 == 0 {
				lost++
				return true
			}
		}
		return false
	}
	g.loadOf(4000, 20, 8<<10)
	if r := g.replicas[3]; lost == 0 || r.patience < 320*time.Millisecond {
		t.Errorf("%d Prepares were lost; waits %v for an answer", lost, r.patience)
	}
}

// What was under way when the hole in front of it was asked for, and is asked for once more after that, has not come at once.
func TestAnswerToWhatWasAskedBefore(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var out Effects
	next := logs[3].Message.(*wire.Log).First
	for _, e := range logs[4:] {
		far.Step(g.now, &e.Header, e.Message, &out)
	}
	far.fetch.asked, far.fetch.asking = next-1, true
	g.now = far.timers[timerFetch]
	far.onFetchTimer(g.now, &out)
	far.fetch.asked, far.fetch.asking, far.fetch.since = next-1, true, g.now
	wait := far.fetch.wait
	g.now += time.Millisecond
	far.Step(g.now, &logs[3].Header, logs[3].Message, &out)
	if far.fetch.asked != logs[3].Message.(*wire.Log).Last || far.fetch.wait != wait || far.logs != logsMax {
		t.Errorf("asked up to %d; waits %v, not %v, for %d Logs", far.fetch.asked, far.fetch.wait, wait, far.logs)
	}
}

// A fetch that goes on beyond what it was for asks for all that follows, also if some of it was kept.
func TestFetchGoesOn(t *testing.T) {
	g, far, logs := lateAnswer(t)
	third := logs[2].Message.(*wire.Log)
	var out Effects
	far.endFetch()
	far.status = wire.StatusViewChange
	far.beginFetch(g.now, fetch{purpose: fetchCommitted, lastNormal: far.lastNormal, to: third.First, donor: 1, staging: far.log.piece(far.log.head)}, &out)
	for _, i := range []int{2, 0, 1} {
		far.Step(g.now, &logs[i].Header, logs[i].Message, &out)
	}
	far.fetch.to = g.replicas[1].log.head
	out.Reset()
	far.sendGetLog(g.now, &out)
	if m := out.Messages[0].Message.(*wire.GetLog); m.From != far.fetched()+1 {
		t.Errorf("has %d ops, asks for %d to %d", far.fetched(), m.From, m.To)
	}
}

// How many Logs are asked for is learnt from how long answers take, and how much of that nothing comes.
func TestLogsAskedFor(t *testing.T) {
	const rtt = 100 * time.Millisecond
	for _, test := range []struct {
		name               string
		logs               uint64
		least, took, pause time.Duration
		want               uint64
	}{
		{"first", 0, 0, rtt, rtt, 2},
		{"empty path", 2, rtt, rtt, rtt, 4},
		{"most", logsMax, rtt, rtt, rtt, logsMax},
		{"near", 4, 0, fetchLatency - 1, fetchLatency - 1, 1},
		{"half full", 4, rtt, rtt, rtt / 2, 4},
		{"late", 4, rtt, 2*rtt + 1, 0, 4},
		{"full", 4, rtt, 3*rtt + 1, 0, 2},
		{"narrow", 1, rtt, 4 * rtt, 0, 1},
	} {
		r := Replica{logs: test.logs, fetch: fetch{least: test.least}}
		r.adapt(test.took, test.pause)
		if r.logs != test.want {
			t.Errorf("%s: asks for %d Logs, not %d", test.name, r.logs, test.want)
		}
		if want := max(2*test.took, fetchIntervalMin); r.fetch.wait != want {
			t.Errorf("%s: waits %v, not %v", test.name, r.fetch.wait, want)
		}
	}
}

// What has come is used at once, whoever it is from and whatever fills the hole in front of it: a Log of another
// replica, or a Prepare. None is kept twice.
func TestKeptLogsAreUsed(t *testing.T) {
	for _, how := range []string{"another replica", "a Prepare"} {
		g, far, logs := lateAnswer(t)
		var out Effects
		for range 3 {
			for _, e := range logs[1:] {
				far.Step(g.now, &e.Header, e.Message, &out)
			}
		}
		if n := len(far.ahead.kept); n != len(logs)-1 {
			t.Errorf("%d Logs are kept of %d", n, len(logs)-1)
		}
		first, h := logs[0].Message.(*wire.Log), logs[0].Header
		if how == "a Prepare" {
			far.Step(g.now, &h, &wire.Prepare{First: first.First, PrevChain: first.PrevChain, Commit: first.Commit, Entries: first.Entries}, &out)
		} else {
			h.From, h.Incarnation = 2, g.replicas[2].incarnation
			far.Step(g.now, &h, first, &out)
		}
		if far.log.head != g.replicas[1].log.head || len(far.ahead.kept) > 0 {
			t.Errorf("%s fills the hole: %d ops of %d, %d Logs are kept", how, far.log.head, g.replicas[1].log.head, len(far.ahead.kept))
		}
	}
}

// A replica that knows of more ops when all that it asked for is under way asks for them.
func TestMoreIsAskedForAtOnce(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var out Effects
	far.Step(g.now, &logs[0].Header, logs[0].Message, &out)
	end := logs[0].Message.(*wire.Log).Last
	out.Reset()
	far.askLog(g.now, end+5, &out)
	far.askOn(g.now, &out)
	if len(out.Messages) != 1 || out.Messages[0].Message.(*wire.GetLog).From != end+1 {
		t.Errorf("says %v", out.Messages)
	}
	out.Reset()
	far.askLog(g.now, end+6, &out)
	far.askOn(g.now, &out)
	if len(out.Messages) != 0 {
		t.Errorf("asks once more: %v", out.Messages)
	}
}

// A Log without ops that answers what was asked for while others are under way does not mean that those are
// forgotten.
func TestRestIsNotForgotten(t *testing.T) {
	g, far, logs := lateAnswer(t)
	h, end := logs[0].Header, logs[0].Message.(*wire.Log).Last
	var out Effects
	if why := far.onLog(g.now, &h, &wire.Log{First: end + 1}, &out); why != CannotGive || far.lacks != 0 {
		t.Errorf("%v, lacks a state of op %d", why, far.lacks)
	}
	if why := far.onLog(g.now, &h, &wire.Log{First: end + 1, Last: end}, &out); why != CannotGive || far.lacks != end {
		t.Errorf("%v, lacks a state of op %d, not %d", why, far.lacks, end)
	}
}

// An answer that brings nothing, because all of it came otherwise, is an answer, and what follows is asked for.
// Where it ends nobody needs to believe.
func TestAnswerThatBringsNothing(t *testing.T) {
	g, far, logs := lateAnswer(t)
	far.fetch.to++
	var out Effects
	h, first := logs[0].Header, *logs[0].Message.(*wire.Log)
	far.Step(g.now, &h, &wire.Prepare{First: first.First, PrevChain: first.PrevChain, Entries: first.Entries}, &out)
	out.Reset()
	first.Last = viewMax
	if why := far.onLog(g.now, &h, &first, &out); why != NothingNew || far.fetch.asked != far.fetch.to {
		t.Errorf("%v, asked for up to %d of %d", why, far.fetch.asked, far.fetch.to)
	}
	far.fetch.asked, far.fetch.asking, first.Last = first.First-1, true, first.First
	far.Step(g.now, &h, &first, &out)
	if len(out.Messages) != 1 || out.Messages[0].Message.Kind() != wire.KindGetLog {
		t.Errorf("says %v", out.Messages)
	}
}

// As many Logs are kept as answer two GetLogs, and none when the fetch is over.
func TestKeptLogsAreBounded(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var out Effects
	m := keepAll(t, g, far, &logs[1])
	m.First++
	if why := far.onLog(g.now, &logs[1].Header, &m, &out); why != TooMuchEarly {
		t.Error(why)
	}
	far.askAgain(g.now, &out)
	if len(far.ahead.kept) > 0 {
		t.Error("Logs are kept of a fetch that is over")
	}
}

// What nothing is kept of is asked for one Log at a time when an answer does not come, and for so long the next
// fetch waits as well.
func TestNoAnswer(t *testing.T) {
	g, far, logs := lateAnswer(t)
	var out Effects
	g.now += 200 * time.Millisecond
	far.Step(g.now, &logs[0].Header, logs[0].Message, &out)
	wait := far.fetch.wait
	if want := g.now + wait; wait != 400*time.Millisecond || far.timers[timerFetch] != want {
		t.Errorf("waits %v, until %v", wait, far.timers[timerFetch])
	}
	far.logs = logsMax
	g.now = far.timers[timerFetch]
	out.Reset()
	far.Tick(g.now, &out)
	asks := 0
	for _, e := range out.Messages {
		if m, is := e.Message.(*wire.GetLog); is {
			if asks++; m.Logs != 1 || m.From != far.log.head+1 || m.Has != far.log.head {
				t.Errorf("asks for %v", m)
			}
		}
	}
	if asks != 1 || far.timers[timerFetch] != g.now+2*wait {
		t.Errorf("asks %d times, next at %v", asks, far.timers[timerFetch])
	}
	far.endFetch()
	far.beginFetch(g.now, fetch{purpose: fetchGap, to: 100, donor: 1}, &out)
	if far.fetch.wait != wait {
		t.Errorf("the next fetch waits %v, not %v", far.fetch.wait, wait)
	}
}

// A Log that is lost under load is asked for again, although others come all the time.
func TestHoleUnderLoad(t *testing.T) {
	race.SkipLong(t)
	for _, resends := range []bool{true, false} {
		g, lost := newLongPath(t, 40*time.Millisecond), false
		g.lag(1400)
		g.loses = func(m wire.Message) bool {
			switch m := m.(type) {
			case *wire.Prepare:
				return !resends
			case *wire.Log:
				if !lost && m.Entries.Len() > 0 && m.First > g.replicas[3].fetch.asked+1 && m.Last > m.First+10 {
					lost = true
					return true
				}
			}
			return false
		}
		g.load(6000)
		if behind := g.behind(); !lost || behind > 100 {
			t.Errorf("Prepares come: %v; lost: %v; %d ops behind", resends, lost, behind)
		}
	}
}
