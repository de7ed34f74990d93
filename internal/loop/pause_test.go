package loop

import (
	"io"
	"testing"
	"time"

	"vrnode/internal/ports"
)

// A lazy is a service whose snapshots take long.
type lazy struct{ sum }

const laziness = 2 * time.Millisecond

func (m *lazy) Snapshot() io.WriterTo {
	time.Sleep(laziness)
	return m.sum.Snapshot()
}

// What a checkpoint takes is told to the observer and summed up, and all of it is in what is told.
func TestPauses(t *testing.T) {
	peers, err := ports.Replicas(1)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 3
	told := make(chan Pause, 1000)
	l, err := Open(Config{Self: 1, Peers: peers, Machine: new(lazy), LogBytes: 8 << 10, ObservePause: func(p Pause) { told <- p }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	if _, err := l.Form(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, err := l.Submit(t.Context(), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	s := l.Stats().Pauses
	if s.Checkpoints < enough || s.Longest < laziness || s.Total < time.Duration(s.Checkpoints)*laziness {
		t.Errorf("%+v", s)
	}
	var last Pause
	for range s.Checkpoints {
		p := <-told
		if p.Took < laziness || p.Took > s.Longest || p.Worked < 0 || p.Began.Before(began) || p.Op <= last.Op {
			t.Errorf("%+v after %+v, all %+v", p, last, s)
		}
		last = p
	}
}
