package sim

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"vrnode/internal/race"
	"vrnode/netem/link"
	"vrnode/vr"
	"vrnode/wire"
)

// A pursuit is a group under a steady load, one replica of which has fallen behind and is after the
// others.
type pursuit struct {
	*Stage
	t      *testing.T
	every  time.Duration // from one request to the next
	next   time.Duration
	number int
	done   int
	events map[vr.EventKind]int // of the replica that is behind
	starts time.Duration        // of the longest time without a result
	gap    time.Duration
	old    weak.Pointer[vr.Checkpoint]
}

// behind is the replica that falls behind; client is the site of the client.
const behind, pursuitClient = 3, 4

func newPursuit(t *testing.T, seed uint64, every time.Duration, logBytes int, of states) *pursuit {
	p := &pursuit{t: t, every: every, events: map[vr.EventKind]int{}}
	p.Stage = NewStage(StageConfig{
		Replicas: 3, Clients: 1, Seed: seed, LogBytes: logBytes,
		OnEvent: func(replica int, e vr.Event) {
			if replica == behind {
				p.events[e.Kind]++
			}
		},
		OnResult: func(int, wire.RequestNumber, wire.Outcome, string) {
			p.done++
			p.gap = max(p.gap, p.Now()-p.starts)
			p.starts = p.Now()
		},
	})
	p.w.states = of
	for i := range 3 {
		p.Kill(i + 1)
		p.Start(i + 1)
	}
	p.Form()
	p.until(time.Minute, "it is formed", func() bool { return len(p.w.record.formed) > 0 && p.Ask(1).Status == wire.StatusNormal })
	return p
}

// command is as long as a piece of ballast, and hits any.
func (p *pursuit) command() string {
	p.number++
	return fmt.Sprintf("add %s%d", strings.Repeat("0", pieceBytes-64), p.number)
}

// until lets time pass, with requests from time to time.
func (p *pursuit) until(limit time.Duration, what string, so func() bool) {
	p.t.Helper()
	for end := p.Now() + limit; !so(); {
		if p.Now() >= end {
			p.t.Fatalf("not in %v: %s; %v, it went through %v", limit, what, p.describe(), p.events)
		}
		p.Step(min(p.next, end))
		if p.Violation() != nil {
			p.t.Fatal(p.Violation())
		}
		if p.Now() >= p.next {
			p.Submit(pursuitClient, p.command())
			p.next = p.Now() + p.every
		}
	}
}

func (p *pursuit) describe() string {
	var all []string
	for _, m := range p.w.record.members {
		if m != nil {
			all = append(all, fmt.Sprintf("%v %s", m.id, numbers(&m.now)))
		}
	}
	return strings.Join(all, "; ")
}

// log returns how much of the log takes memory, of the others at most.
func (p *pursuit) log() int {
	most := 0
	for _, m := range p.w.record.members {
		if m != nil && m.id != behind {
			most = max(most, m.now.LogBytes)
		}
	}
	return most
}

// caughtUp tells whether the replica that was behind is as far as the others were when it was asked
// the first time.
func (p *pursuit) caughtUp() func() bool {
	goal := p.primary().Commit
	return func() bool {
		m := p.w.record.members[behind-1]
		return m.now.Status == wire.StatusNormal && m.now.Applied >= goal && m.now.Applied+50 >= p.primary().Applied
	}
}

// What is written while the state is moved and read is more than the others keep of their logs, whoever
// needs it: a replica without memory, or one that was cut off. It comes back while the load goes on, since
// what follows the state is brought with it. Where the ways are so slow that the others forget some of that first,
// what has changed comes, again if need be. Where it takes longer to write a state out and to read it than their logs
// reach, only what follows helps.
func TestTransferSlowerThanTheLogGrows(t *testing.T) {
	for _, of := range []struct {
		name     string
		every    time.Duration
		logBytes int
		missed   wire.OpNumber // by who was cut off: more than wait for it in the transport
		states   states
	}{
		{"small", 5 * time.Millisecond, 256 << 10, 2000, states{pieces: 1000, longJob: 250 * time.Millisecond}},
		{"large", 5 * time.Millisecond, 256 << 10, 2000, states{pieces: 4000, longJob: 250 * time.Millisecond}},
		{"unhandy", 2 * time.Millisecond, 1 << 20, 12_000, states{pieces: 1000, longJob: 700 * time.Millisecond}},
	} {
		for _, how := range []string{"lost", "alone"} {
			t.Run(of.name+"/"+how, func(t *testing.T) {
				p := newPursuit(t, 1, of.every, of.logBytes, of.states)
				p.slowLinks()
				p.until(time.Minute, "the log is full", func() bool { return p.primary().LogBase > 100 })
				if how == "lost" {
					p.Kill(behind)
					p.Start(behind)
				} else {
					p.w.net.isolate(p.Now(), behind-1)
					p.until(time.Minute, "it is behind", func() bool { return p.primary().LogBase > p.w.record.members[behind-1].now.Op+of.missed })
					p.w.net.mend(p.Now())
				}
				p.gap, p.starts = 0, p.Now()
				began, most, caught := p.Now(), 0, p.caughtUp()
				p.until(30*time.Second, "it reads a state", p.readsAState)
				if runtime.GC(); p.old.Value() != nil {
					t.Error("it holds the state that it is about to replace")
				}
				p.until(30*time.Second, "it has caught up", func() bool { most = max(most, p.log()); return caught() })
				t.Logf("took %v, log at most %d, longest silence %v, %v", p.Now()-began, most, p.gap, p.events)
				if p.events[vr.EventStateInstalled] == 0 {
					t.Error("it needed no state, which shows nothing")
				}
				if most > of.logBytes {
					t.Errorf("a log of %d bytes", most)
				}
				if p.gap > 100*time.Millisecond {
					t.Errorf("the others stood still for %v", p.gap)
				}
			})
		}
	}
}

// readsAState tells whether the replica that is behind is about to replace its state, and remembers the
// checkpoint that it had before.
func (p *pursuit) readsAState() bool {
	r, _ := p.w.sites[behind-1].process.replica()
	if c := r.Checkpoint(); c != nil {
		p.old = weak.Make(c)
	}
	return r.Status().Restoring
}

// slowLinks makes the ways to the replica that is behind as slow as a state is long.
func (p *pursuit) slowLinks() {
	s := link.Settings{Delay: link.Delay{Mean: 100 * time.Microsecond}, Rate: link.Rate{Bits: 8_000_000, Queue: 64 << 10}}
	for from := 1; from < behind; from++ {
		p.Set(from, behind, s)
	}
}

func (p *pursuit) primary() *vr.Status { return &p.w.record.members[0].now }

// A backup at the end of a long path, which was cut off for a while, catches up by the logs of the others while
// the load goes on, which is more than one Log for each round trip; also when datagrams are lost.
func TestFarBackupCatchesUp(t *testing.T) {
	race.SkipLong(t)
	for _, test := range []struct {
		every time.Duration // a KiB
		loss  float64
	}{{250 * time.Microsecond, 0}, {250 * time.Microsecond, 0.03}, {80 * time.Microsecond, 0}, {80 * time.Microsecond, 0.001}} {
		t.Run(fmt.Sprintf("%v/%v", test.every, test.loss), func(t *testing.T) {
			p := newPursuit(t, 1, test.every, 256<<20, states{})
			s := link.Settings{Delay: link.Delay{Mean: 80 * time.Millisecond}, Loss: link.Loss{Random: test.loss}}
			for other := 1; other < behind; other++ {
				p.Set(other, behind, s)
				p.Set(behind, other, s)
			}
			far := func() *vr.Status { return &p.w.record.members[behind-1].now }
			p.until(time.Minute, "it follows", func() bool { return p.Now() > 3*time.Second })
			p.w.net.isolate(p.Now(), behind-1)
			p.until(time.Minute, "it is behind", func() bool { return p.primary().Op > far().Op+8000 })
			p.w.net.mend(p.Now())
			began := p.Now()
			p.until(20*time.Second, "it has caught up", func() bool {
				// It learns after 160 ms that something is committed.
				return far().Applied+wire.OpNumber(320*time.Millisecond/test.every) >= p.primary().Applied
			})
			t.Logf("took %v, %v", p.Now()-began, p.events)
			if p.events[vr.EventStateInstalled] > 0 {
				t.Error("it needed a state")
			}
		})
	}
}
