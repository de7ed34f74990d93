package sim

import (
	"strings"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/vr"
	"vrnode/wire"
)

// A search is a group of three whose links fail, and a client that looks for its primary.
type search struct {
	*Stage
	t    *testing.T
	done int // requests
}

const searcher = 4 // the client, behind the replicas

func newSearch(t *testing.T) *search {
	s := &search{t: t}
	s.Stage = NewStage(StageConfig{
		Replicas: 3, Clients: 1, Seed: 1,
		OnEvent:  func(int, vr.Event) {},
		OnResult: func(int, wire.RequestNumber, wire.Outcome, string) { s.done++ },
	})
	s.Form()
	s.until(time.Minute, "it is formed", func() bool { return len(s.w.record.formed) > 0 && s.Ask(1).Status == wire.StatusNormal })
	s.Submit(searcher, "put a 1")
	s.until(time.Minute, "the first request is done", func() bool { return s.done == 1 })
	s.pass(time.Second)
	return s
}

func (s *search) until(limit time.Duration, what string, so func() bool) {
	s.t.Helper()
	for end := s.Now() + limit; !so(); s.Step(end) {
		if s.Now() >= end {
			s.t.Fatalf("not in %v: %s, %d requests are done", limit, what, s.done)
		}
	}
}

func (s *search) pass(d time.Duration) {
	for end := s.Now() + d; s.Now() < end; s.Step(end) {
	}
}

// set makes the links between two ends, one for each direction.
func (s *search) set(a, b int, there, back link.Settings) {
	s.Set(a, b, there)
	s.Set(b, a, back)
}

var (
	gone = link.Settings{MTU: 1500, Loss: link.Loss{Random: 1}}
	fast = link.Settings{MTU: 1500, Delay: link.Delay{Mean: time.Millisecond}}
)

// A client whose path comes back soon has all done, however long it was gone and however much was lost.
func TestClientAfterALongCut(t *testing.T) {
	s := newSearch(t)
	s.set(searcher, 1, gone, gone)
	const requests = 16
	for range requests {
		s.Submit(searcher, "put a "+strings.Repeat("x", 60<<10))
	}
	s.pass(15 * time.Second)
	s.set(searcher, 1, fast, fast)
	s.until(2*time.Second, "all is done", func() bool { return s.done == 1+requests })
}
