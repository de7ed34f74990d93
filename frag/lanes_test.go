package frag

import (
	"fmt"
	"testing"
	"time"

	"vrnode/wire"
)

func TestUrgentOvertakesBulk(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(l *lab, n *end)
	}{
		{"lane 0", func(l *lab, n *end) { n.Send(l.now, 2, 0, []byte("urgent")) }},
		{"lane 1", func(l *lab, n *end) { n.Send(l.now, 2, 1, []byte("urgent")) }},
		{"slot", func(l *lab, n *end) { n.SendLatest(l.now, 2, 3, []byte("urgent")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1, 1, 2)
			a, b := l.ends[0], l.ends[1]
			l.connect(a, b)
			l.Delay.Mean = time.Millisecond
			for range 4 {
				a.Send(l.now, 2, 3, text(1, 1<<20))
			}
			l.pass(500 * time.Microsecond) // the window is full
			c.send(l, a)
			took := l.run(time.Second, func() bool { return len(b.got) > 0 })
			if string(b.got[0].bytes) != "urgent" || took > l.Delay.Mean {
				t.Errorf("%d bytes came first, after %v", len(b.got[0].bytes), took)
			}
		})
	}
}

// TestBulkIsNotStarved: lane 3 gets its share although lane 1 always has something to send.
func TestBulkIsNotStarved(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	a.Send(l.now, 2, 3, text(1, 100_000))
	bulk, urgent := false, 0
	b.onMessage = func(m Delivery) {
		bulk = bulk || len(m.Bytes) == 100_000
		urgent++
	}
	message := text(1, 64<<10)
	l.run(5*time.Second, func() bool {
		for a.Send(l.now, 2, 1, message) {
		}
		return bulk
	})
	if urgent < 10 {
		t.Errorf("bulk overtook all but %d urgent messages", urgent)
	}
}

func TestSmallMessagesShareDatagrams(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	before := a.Stats().DatagramsOut
	for range 160 {
		a.Send(l.now, 2, 0, text(1, 49))
	}
	l.run(time.Second, func() bool { return len(b.got) == 160 })
	if n := a.Stats().DatagramsOut - before; n > 11 {
		t.Errorf("160 small messages took %d datagrams", n)
	}
}

func TestSlotKeepsTheNewest(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	for i := range 10 {
		a.SendLatest(l.now, 2, 4, fmt.Append(nil, i))
		a.SendLatest(l.now, 2, 5, fmt.Append(nil, 100+i))
	}
	l.pass(10 * time.Millisecond)
	if len(b.got) != 2 || string(b.got[0].bytes) != "9" || string(b.got[1].bytes) != "109" {
		t.Errorf("delivered %v", b.got)
	}
}

func TestSlotNeverGoesBack(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	lossy(l)
	newest := -1
	b.onMessage = func(m Delivery) {
		var i int
		fmt.Sscan(string(m.Bytes), &i)
		if i <= newest {
			t.Errorf("%d was delivered after %d", i, newest)
		}
		newest = i
	}
	for i := range 500 {
		a.SendLatest(l.now, 2, 4, fmt.Append(nil, i))
		l.pass(time.Duration(l.rng.IntN(2e6)))
	}
	l.run(time.Second, func() bool { return newest == 499 })
}

// TestLostNewestIsSentAgain: the newest message of a slot arrives even if it was lost, and one
// that was replaced is not sent again.
func TestLostNewestIsSentAgain(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.filter = func(from, to *end, d []byte) bool { return false }
	a.SendLatest(l.now, 2, 4, []byte("old"))
	l.pass(100 * time.Microsecond)
	a.SendLatest(l.now, 2, 4, []byte("new"))
	l.pass(100 * time.Microsecond)
	l.filter = nil
	took := l.run(time.Second, func() bool { return len(b.got) > 0 })
	l.pass(time.Second)
	if len(b.got) != 1 || string(b.got[0].bytes) != "new" {
		t.Errorf("delivered %v", b.got)
	}
	if took > 10*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if a.find(2).hasQueued() {
		t.Error("the slot is not empty after all was acknowledged")
	}
}

// TestUnsentSlotSurvivesRestart: a slot message that had not been sent goes to the peer's new run.
func TestUnsentSlotSurvivesRestart(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	b.start(2, 55, 1, 2)
	a.SendLatest(l.now, 2, 1, []byte("sent"))
	l.tick(a)
	a.SendLatest(l.now, 2, 2, []byte("not sent"))
	a.endSession(a.find(2))
	l.run(time.Second, func() bool { return len(b.got) > 0 })
	l.pass(time.Second)
	if len(b.got) != 1 || string(b.got[0].bytes) != "not sent" {
		t.Errorf("delivered %v", b.got)
	}
}

// TestReplacedInFlight: the acknowledgement of an older message does not stand for the newer one.
func TestReplacedInFlight(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	a.SendLatest(l.now, 2, 4, []byte("old"))
	l.tick(a)
	a.SendLatest(l.now, 2, 4, []byte("new"))
	l.filter = func(from, to *end, d []byte) bool { return from == b }
	l.tick(a)
	l.run(time.Second, func() bool { return len(b.got) == 1 })
	l.pass(time.Millisecond)
	l.filter = nil
	l.run(time.Second, func() bool { return len(b.got) == 2 })
	if string(b.got[1].bytes) != "new" {
		t.Errorf("delivered %v", b.got)
	}
}

// TestFullDatagramDoesNotWaitForAcknowledgement: what does not fit beside an acknowledgement goes
// without it.
func TestFullDatagramDoesNotWaitForAcknowledgement(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	a.Send(l.now, 2, 0, []byte("to be acknowledged"))
	l.run(time.Second, func() bool { return len(b.got) == 1 })
	if due := b.session(1).received.due; due <= l.now || due == Never {
		t.Fatalf("the acknowledgement is due at %v, now is %v", due, l.now)
	}
	b.Send(l.now, 1, 0, text(1, wire.SingleMax))
	if took := l.run(time.Second, func() bool { return len(a.got) == 1 }); took > l.Delay.Mean {
		t.Errorf("took %v", took)
	}
}

// TestSenderKeepsTheWindow: no more than a window is begun before something is acknowledged.
func TestSenderKeepsTheWindow(t *testing.T) {
	e := New(Config{Self: 1})
	for _, c := range []struct{ size, want int }{
		{100, windowMessages},
		{64 << 10, windowBytes[1] / (64<<10 + wire.TrailerSize)},
	} {
		var lane outLane
		for range 2000 {
			lane.push(e.newMessage(make([]byte, c.size)))
		}
		for {
			if _, ok := lane.take(wire.SingleMax+wire.DataHeaderSize, windowBytes[1]); !ok {
				break
			}
		}
		if got := lane.begun.len(); got != c.want || lane.started > windowBytes[1] {
			t.Errorf("%d messages of %d bytes were begun", got, c.size)
		}
	}
}

// TestTooLate: a message that has waited too long is not begun with, and those behind it arrive.
func TestTooLate(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.Delay.Mean = 10 * time.Millisecond
	const lane = 2
	large := windowBytes[lane] / MessageMax // with their trailers, the last one does not fit the window
	for i := range large {
		a.Send(l.now, 2, lane, text(uint64(i), MessageMax))
	}
	for i := range 5 {
		a.SendUntil(l.now, l.now+time.Millisecond, 2, lane, text(uint64(10+i), 1000))
	}
	a.SendUntil(l.now, l.now+time.Minute, 2, lane, []byte("in time"))
	a.Send(l.now, 2, lane, []byte("for ever"))
	l.run(10*time.Second, func() bool { return len(b.got) == large+2 })
	l.pass(time.Second)
	s, _ := a.PeerStats(2)
	if len(b.got) != large+2 || s.GivenUp != 5 || s.Queued != 0 {
		t.Errorf("%d messages came, want %d; %d were given up, want 5; %d bytes are queued", len(b.got), large+2, s.GivenUp, s.Queued)
	}
}

// TestBegunIsNotTooLate: a message of which something has left arrives, however long that takes.
func TestBegunIsNotTooLate(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.Delay.Mean = 10 * time.Millisecond
	lost := 0
	l.filter = func(from, _ *end, _ []byte) bool {
		if from == a {
			lost++
		}
		return from != a || lost%2 == 0
	}
	a.SendUntil(l.now, l.now+time.Microsecond, 2, 3, text(1, 1<<20))
	l.run(time.Minute, func() bool { return len(b.got) > 0 })
	if s, _ := a.PeerStats(2); len(b.got) != 1 || s.Retransmitted == 0 || s.GivenUp != 0 {
		t.Errorf("%d messages came; %+v", len(b.got), s.PeerCounters)
	}
}

// TestTooLateTakesNoPlace: what was given up is in nobody's way, though an older message is under way.
func TestTooLateTakesNoPlace(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.Delay.Mean = 100 * time.Millisecond
	a.Send(l.now, 2, 2, []byte("under way"))
	l.pass(time.Microsecond)
	for range 2 * queueMessagesMax {
		if !a.SendUntil(l.now, l.now, 2, 2, []byte("too late")) {
			t.Fatal("the queue is full of what is too late")
		}
	}
	a.Send(l.now, 2, 2, []byte("in time"))
	took := l.run(time.Second, func() bool { return len(b.got) == 2 })
	if took > l.Delay.Mean+time.Millisecond {
		t.Errorf("a message took %v", took)
	}
}

// TestTooLateIsOver: a session of which nothing is left but what was given up goes on.
func TestTooLateIsOver(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	a.SendUntil(l.now, l.now, 2, 2, []byte("too late"))
	l.pass(2 * silenceMax)
	if s, _ := a.PeerStats(2); s.GivenUp != 1 || a.find(2).hasQueued() || s.Sessions != 1 {
		t.Errorf("something is queued: %v; %+v", a.find(2).hasQueued(), s.PeerCounters)
	}
}

// TestTooLateMakesRoom: a full queue has room again once it is too late for what is in it.
func TestTooLateMakesRoom(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.filter = func(_, _ *end, _ []byte) bool { return false } // nobody is there
	sent := 0
	for a.SendUntil(l.now, l.now+time.Second, 2, 2, text(uint64(sent), 60_000)) {
		sent++
	}
	l.pass(time.Second / 2)
	if a.Send(l.now, 2, 2, text(1, 60_000)) {
		t.Fatal("the queue had room for one more")
	}
	l.pass(time.Second)
	if !a.Send(l.now, 2, 2, []byte("new")) {
		t.Fatal("the queue is full of what is too late")
	}
	l.filter = nil
	l.run(time.Minute, func() bool { return len(b.got) > 0 })
	l.pass(time.Second)
	if s, _ := a.PeerStats(2); len(b.got) != 1 || s.GivenUp != uint64(sent) {
		t.Errorf("%d messages came, want one; %d of %d were given up", len(b.got), s.GivenUp, sent)
	}
}
