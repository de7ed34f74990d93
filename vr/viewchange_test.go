package vr

import (
	"testing"
	"time"

	"vrnode/wire"
)

// A StartView can be lost while the ops that it stands on are being fetched, or find no room among
// the Prepares that came early. The next one stands on more ops: the fetch must go on, and the
// StartView must be kept, however many Prepares there are.
func TestStartViewAfterAFinishedFetch(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	r, primary := g.replicas[3], g.fromPrimary(1)
	var chains []wire.Chain
	var all []wire.Entry
	var chain wire.Chain
	for s, e := entries(8), (wire.Entry{}); s.Next(&e); {
		chain, _ = chain.Next(&e, nil)
		chains, all = append(chains, chain), append(all, e)
	}
	startView := func(base wire.OpNumber) (asked bool) {
		var out Effects
		m := &wire.StartView{Op: base, Commit: base, Base: base, BaseChain: chains[base-1]}
		r.Step(g.now, &primary, m, &out)
		for _, e := range out.Messages {
			if m, ok := e.Message.(*wire.GetLog); ok && m.To == base {
				asked = true
			}
		}
		return asked
	}
	give := func(first, last wire.OpNumber) {
		m := &wire.Log{LastNormal: 1, First: first, Commit: last}
		if first > 1 {
			m.PrevChain = chains[first-2]
		}
		for _, e := range all[first-1 : last] {
			m.Entries = m.Entries.Append(&e)
		}
		g.tell(3, primary, m)
	}
	if !startView(5) {
		t.Fatal("the ops under the StartView were not asked for")
	}
	r.backup.early.clear() // the StartView is lost
	for range earlyMax {
		g.tell(3, primary, &wire.Prepare{First: 9, PrevChain: chains[7], Entries: entries(1)})
	}
	give(1, 5)
	if !startView(8) {
		t.Error("the fetch does not go on for a later StartView")
	}
	give(6, 8)
	if s := r.Status(); s.Status != wire.StatusNormal || s.View != 1 || s.Op != 8 || s.Commit != 8 {
		t.Errorf("after all it needs: %+v", s)
	}
}

// A StartView can be large. A replica that asks for it again and again while it is under way does
// not get as many copies.
func TestStartViewIsNotRepeatedEachTimeItIsAskedFor(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	ask := map[string]wire.Message{
		"GetView": &wire.GetView{}, "DoViewChange": &wire.DoViewChange{}, "StartViewChange": &wire.StartViewChange{},
	}
	for _, id := range g.ids[1:] { // view 1 starts
		h := g.from(3)
		h.View = 1
		g.tell(id, h, &wire.JoinView{})
	}
	g.run(50 * time.Millisecond)
	if s := g.replicas[2].Status(); s.Status != wire.StatusNormal || s.View != 1 {
		t.Fatalf("%+v", s)
	}
	for name, m := range ask {
		sent := 0
		for range 100 {
			g.now += viewChangeInterval / 2
			h := g.from(3)
			if name == "StartViewChange" {
				h.View = 0
			}
			var out Effects
			g.replicas[2].Step(g.now, &h, m, &out)
			for _, e := range out.Messages {
				if e.Message.Kind() == wire.KindStartView {
					sent++
				}
			}
		}
		if sent == 0 || sent > 8 {
			t.Errorf("%d copies for 100 %v in a second", sent, name)
		}
	}
}

// A replica that was stopped itself listens before it suspects anybody. One that is stopped again
// and again, on a machine that has too much to do, replaces a dead primary all the same.
func TestLateSuspicion(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.run(50 * time.Millisecond)
	r := g.replicas[2]
	votes := func() (n int) {
		g.now = r.timers[timerSuspect] + suspectTimeout
		var out Effects
		r.Tick(g.now, &out)
		for _, e := range out.Messages {
			if e.Message.Kind() == wire.KindStartViewChange {
				n++
			}
		}
		return n
	}
	for range 2 {
		if votes() != 0 {
			t.Error("it votes at once")
		}
		h := g.fromPrimary(0)
		g.tell(2, h, &wire.Commit{Seq: r.backup.heartbeat + 1})
	}
	if votes() != 0 || votes() != 2 {
		t.Error("it does not listen once, and then vote")
	}
}

// A backup that has heard its primary at long intervals is patient with it, within a bound, and is not
// for ever.
func TestPatience(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	g.run(50 * time.Millisecond)
	r := g.replicas[2]
	patience := func(silence time.Duration) time.Duration {
		g.now += silence
		g.tell(2, g.fromPrimary(0), &wire.Commit{Seq: r.backup.heartbeat + 1})
		return r.timers[timerSuspect] - g.now
	}
	for _, c := range []struct{ silence, least time.Duration }{
		{heartbeatInterval, suspectTimeout},
		{80 * time.Millisecond, 240 * time.Millisecond},
		{time.Hour, 3 * silenceMax},
	} {
		if got := patience(c.silence); got < c.least || got >= c.least+suspectJitter {
			t.Errorf("after %v of silence it waits for %v, want %v", c.silence, got, c.least)
		}
	}
	for _, every := range []time.Duration{heartbeatInterval, heartbeatInterval / 100} {
		patience(time.Hour)
		for end := g.now + time.Second; g.now < end; {
			patience(every)
		}
		if got := patience(every); got < 2*silenceMax {
			t.Errorf("a second later it waits for %v, heard every %v", got, every)
		}
	}
	for end := g.now + 2*silenceFades; g.now < end; {
		patience(heartbeatInterval)
	}
	if got := patience(heartbeatInterval); got >= suspectTimeout+suspectJitter {
		t.Errorf("it still waits for %v", got)
	}
}

// Who has heard the primary lately does not join another one's vote.
func TestJoinsAVote(t *testing.T) {
	for _, c := range []struct {
		silence time.Duration
		joins   bool
	}{{suspectTimeout/2 - time.Millisecond, false}, {suspectTimeout/2 + time.Millisecond, true}} {
		g := newGroup(t, 3)
		g.form()
		g.run(50 * time.Millisecond)
		r := g.replicas[2]
		g.tell(2, g.fromPrimary(0), &wire.Commit{Seq: r.backup.heartbeat + 1})
		g.now += c.silence
		g.tell(2, g.from(3), &wire.StartViewChange{})
		if joins := r.status == wire.StatusViewChange; joins != c.joins { // two votes are enough
			t.Errorf("it has not heard the primary for %v, joins: %v", c.silence, joins)
		}
	}
}

// Two primaries, each of which has fallen silent because it heard nobody, find each other again.
func TestSilentPrimariesMeet(t *testing.T) {
	g := newGroup(t, 3)
	g.form()
	old := g.replicas[1]
	g.replicas[1] = nil
	g.run(time.Second)
	if !g.replicas[2].isPrimary() {
		t.Fatalf("%+v", g.replicas[2].Status())
	}
	g.replicas[3] = nil
	g.run(time.Second)
	g.replicas[1] = old
	g.run(time.Second)
	if s := old.Status(); s.View != 1 || !old.isBackup() {
		t.Errorf("%+v", s)
	}
	g.submit(1)
	g.run(time.Second)
	g.wantApplied(1)
}
