package frag

import (
	"bytes"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/netem/link"
	"vrnode/wire"
)

func lossy(l *lab) {
	l.Delay = link.Delay{Mean: 3 * time.Millisecond, Jitter: 1500 * time.Microsecond}
	l.Loss.Random, l.Duplicate = 0.2, 0.05
}

func TestLargestMessageCrossesLoss(t *testing.T) {
	for seed := range uint64(5) {
		l := newLabWith(t, seed, someKeys(seed), 1, 2)
		lossy(l)
		a, b := l.ends[0], l.ends[1]
		want := text(seed, 1<<20)
		a.Send(0, 2, 3, want)
		took := l.run(10*time.Second, func() bool { return len(b.got) > 0 })
		if !bytes.Equal(b.got[0].bytes, want) {
			t.Fatal("the message is damaged")
		}
		l.pass(2 * time.Second)
		if len(b.got) != 1 {
			t.Fatalf("delivered %d times", len(b.got))
		}
		s, _ := a.PeerStats(2)
		t.Logf("took %v, %d datagrams, %d lost, %d fragments again, srtt %v", took, s.Sent, s.Lost, s.Retransmitted, s.SRTT)
		least := uint64(1<<20/1152) * 5 / 4
		if s.Sent > least*3/2 {
			t.Errorf("%d datagrams were sent where %d would do", s.Sent, least)
		}
	}
}

// TestSmallSocketBuffer sends to a receiver that loses what does not fit its socket buffer while
// it is slow.
func TestSmallSocketBuffer(t *testing.T) {
	const (
		buffer = 200 << 10
		each   = 2304 // what the kernel accounts for one of our datagrams
		speed  = 5 * time.Microsecond
	)
	l := newLab(t, 9, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.Delay.Mean = 20 * time.Microsecond
	var free time.Duration // when the receiver has read all
	dropped := 0
	l.filter = func(from, to *end, d []byte) bool {
		if from != a {
			return true
		}
		free = max(free, l.now)
		if int((free-l.now)/speed)*each > buffer {
			dropped++
			return false
		}
		free += speed
		l.inject(from, to, bytes.Clone(d), free-l.now+l.Delay.Mean)
		return false
	}
	for i := range 8 {
		a.Send(l.now, 2, 3, text(uint64(i), 1<<20))
	}
	took := l.run(time.Second, func() bool { return len(b.got) == 8 })
	t.Logf("8 MiB took %v, %d datagrams overflowed", took, dropped)
	if took > 100*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

func TestPeerThatNeverAnswers(t *testing.T) {
	race.SkipLong(t)
	l := newLab(t, 1, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	l.filter = func(from, to *end, d []byte) bool { return from == a }
	sent, refused := l.sent, 0
	for range 100 {
		if !a.Send(l.now, 2, 3, text(1, 1<<20)) {
			refused++
		}
		l.tick(a)
	}
	if refused != 100-queueBytesMax/classSize(20) {
		t.Errorf("%d of 100 messages refused", refused)
	}
	if n := (l.sent - sent) * wire.DatagramBase; n > flightInitial+2*wire.DatagramBase { // one probes the path
		t.Errorf("%d bytes are in flight", n)
	}
	for a.Send(l.now, 2, 0, []byte("small")) {
	}
	if s := a.Stats(); s.Queued > queueBytesMax+queueMessagesMax*classSize(smallestClass) {
		t.Errorf("%d bytes are queued", s.Queued)
	}
	l.pass(silenceMax + time.Second)
	if s := a.Stats(); s.Queued != 0 {
		t.Errorf("%d bytes are queued after the peer was silent for so long", s.Queued)
	}
	if s, _ := a.PeerStats(2); s.Connected {
		t.Error("the session outlives the silence")
	}
}

func TestQueueWhileConnectingIsBounded(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a := l.ends[0]
	l.filter = func(from, to *end, d []byte) bool { return false }
	count := 0
	for a.Send(l.now, 2, 1, []byte("message")) {
		count++
	}
	if count != queueMessagesMax {
		t.Errorf("%d messages are queued", count)
	}
	l.pass(silenceMax - time.Millisecond)
	if n := l.sent; n < 8 || n > 20 {
		t.Errorf("%d HELLOs were sent", n)
	}
	l.pass(time.Second)
	if s := a.Stats(); s.Queued != 0 || a.Deadline() != Never {
		t.Errorf("%d bytes are queued for ever, deadline %v", s.Queued, a.Deadline())
	}
}

func TestRefusals(t *testing.T) {
	l := newLab(t, 1, 1, 2)
	a := l.ends[0]
	client := wire.ClientPeer(1<<40, 0)
	for name, sent := range map[string]bool{
		"empty":          a.Send(0, 2, 0, nil),
		"too long":       a.Send(0, 2, 0, make([]byte, MessageMax+1)),
		"no such lane":   a.Send(0, 2, LanesMax, []byte("x")),
		"itself":         a.Send(0, 1, 0, []byte("x")),
		"unknown":        a.Send(0, 3, 0, []byte("x")),
		"unknown client": a.Send(0, client, 0, []byte("x")),
		"slot too long":  a.SendLatest(0, 2, 0, make([]byte, SlotMax+1)),
		"no such slot":   a.SendLatest(0, 2, SlotsMax, []byte("x")),
		"slot, unknown":  a.SendLatest(0, client, 0, []byte("x")),
	} {
		if sent {
			t.Errorf("%s: not refused", name)
		}
	}
	if !a.SendLatest(0, 2, 0, make([]byte, SlotMax)) || !a.Send(0, 2, 0, make([]byte, MessageMax)) {
		t.Error("refused at the bound")
	}
}

// TestUrgentWaitsForOneRun: however much may be in flight, a Tick packs a run of it and is called
// again at once, so that what has become urgent meanwhile goes before the rest.
func TestUrgentWaitsForOneRun(t *testing.T) {
	p := newPairWith(t, Config{FixedRate: rateMax})
	for range 10 {
		p.send(t, 3, text(1, 1<<20)) // until it is known how long datagrams may be
	}
	p.a.Send(p.now, 2, 3, text(1, 1<<20))
	p.now += time.Second
	p.a.Tick(p.now, &p.ab)
	bytes := 0
	for _, d := range p.ab.Datagrams {
		bytes += len(d.Bytes)
	}
	if size := p.a.find(2).session.path.size; bytes > runBytesMax || bytes <= runBytesMax-size {
		t.Errorf("%d bytes are packed at once", bytes)
	}
	if p.a.Deadline() != p.now+1 {
		t.Errorf("the rest waits for %v", p.a.Deadline()-p.now)
	}
	p.ab.Reset()
	p.a.Send(p.now, 2, 0, text(2, 64))
	p.a.Tick(p.now+1, &p.ab)
	p.b.Step(p.now+1, addressOf(1), p.ab.Datagrams[0].Bytes, &p.ba)
	if len(p.ba.Messages) != 1 || len(p.ba.Messages[0].Bytes) != 64 {
		t.Errorf("%d messages are in the first datagram behind the run", len(p.ba.Messages))
	}
}
