package lab

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
	"vrnode/vr/client"
)

// A watcher keeps the board of a run of real processes: from what replicas write, and by asking
// them.
type watcher struct {
	client  *client.Client
	stop    context.CancelFunc
	stopped chan struct{}
	memory  func(scenario.Site) int64

	mu      sync.Mutex
	board   *board
	began   time.Time
	changed chan struct{} // closed and replaced at each change
}

const (
	// pollInterval is how often replicas are asked, and conditions looked at.
	pollInterval = 50 * time.Millisecond
	// probeTimeout is how long to wait for those that do not answer.
	probeTimeout = 100 * time.Millisecond
)

func newWatcher(s *scenario.Scenario, folder *result.Folder) *watcher {
	return &watcher{
		board: newBoard(s, folder), began: time.Now(), memory: func(scenario.Site) int64 { return 0 },
		changed: make(chan struct{}),
	}
}

// with calls a function that looks at the board or writes on it.
func (w *watcher) with(do func(b *board, now time.Duration)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do(w.board, time.Since(w.began))
	close(w.changed)
	w.changed = make(chan struct{})
}

// open makes the observer's client.
func (w *watcher) open(b Backend, keys []client.Key) error {
	return b.Within(Observer, func() (err error) {
		w.client, err = client.Start(client.Config{Peers: b.Peers(Observer), Keys: keys})
		return err
	})
}

// form makes the group, gives it the state that it holds at time 0, and waits until all replicas are
// alike.
func (w *watcher) form(ctx context.Context, s *scenario.Scenario) error {
	if _, err := w.client.Form(ctx); err != nil {
		return err
	}
	if err := w.fill(ctx, s); err != nil {
		return err
	}
	for {
		if err := w.ask(ctx); err != nil {
			return err
		}
		if settled, _ := w.end(); settled {
			return nil
		}
		sleep(ctx, pollInterval)
		if ctx.Err() != nil {
			return errors.New("not every replica takes part")
		}
	}
}

// startAt fixes time 0 and begins to ask the replicas how they are.
func (w *watcher) startAt(began time.Time) {
	w.with(func(b *board, _ time.Duration) {
		b.start(began.Sub(w.began))
		w.began = began
	})
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.stopped = stop, make(chan struct{})
	go func() {
		defer close(w.stopped)
		for ctx.Err() == nil {
			if w.ask(ctx) == nil {
				w.sample()
			}
			sleep(ctx, pollInterval)
		}
	}()
}

// sample puts the answers on the time line.
func (w *watcher) sample() {
	memory := make([]int64, w.board.scenario.Replicas)
	for i := range memory {
		memory[i] = w.memory(scenario.Site(i + 1))
	}
	w.with(func(b *board, now time.Duration) { b.sample(now, memory) })
}

func (w *watcher) close() {
	if w.stop != nil {
		w.stop()
		<-w.stopped
	}
	if w.client != nil {
		w.client.Close()
	}
}

// ask asks all replicas how they are.
func (w *watcher) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	answers, err := w.client.Probe(ctx)
	if err != nil {
		return err
	}
	w.with(func(b *board, _ time.Duration) {
		for _, a := range answers {
			b.answered(a)
		}
	})
	return nil
}

// process notes that a process has started or ended.
func (w *watcher) process(s scenario.Site, running bool, name, text string) {
	w.with(func(b *board, now time.Duration) { b.process(now, s, running, name, text) })
}

// spoken are what a replica logs, and the events behind it.
var spoken = []struct {
	text string
	kind vr.EventKind
}{
	{"the group is formed", vr.EventFormed},
	{"the primary is silent", vr.EventSuspected},
	{"a view change has begun", vr.EventViewChangeStarted},
	{"the view has started", vr.EventViewStarted},
	{"without memory, asking the others", vr.EventRecovering},
	{"the memory is back", vr.EventRecovered},
	{"another replica has lost its memory and come back", vr.EventPeerRestarted},
	{"nobody answers this primary, so it falls silent", vr.EventAbdicated},
	{"lacks more than the others have kept, and needs their state", vr.EventNeedsState},
	{"has the state of the others", vr.EventStateInstalled},
	{"halted, for good", vr.EventHalted},
	{"the group has lost its memory: too many replicas are without it, and it can not come back by itself", vr.EventGroupLost},
	{"too many replicas are without memory: the group was never formed, or can not come back by itself", vr.EventGroupLost},
}

// said takes a line of a replica's log. Lines that are not of the log are for people.
func (w *watcher) said(n int, line []byte) {
	var entry struct {
		Time    time.Time `json:"time"`
		Msg     string    `json:"msg"`
		View    uint64    `json:"view"`
		Op      uint64    `json:"op"`
		Primary int       `json:"primary"`
	}
	if json.Unmarshal(line, &entry) != nil {
		return
	}
	for _, s := range spoken {
		if s.text == entry.Msg {
			w.with(func(b *board, _ time.Duration) {
				b.said(result.Event{
					At: entry.Time.Sub(w.began), Replica: n, Name: s.kind.String(), Text: entry.Msg,
					View: entry.View, Op: entry.Op, Primary: entry.Primary,
				})
			})
		}
	}
}

// news returns what has come onto the time line after the first of its events, who has which role
// now, and what is closed when there is more.
func (w *watcher) news(after int) ([]result.Event, scenario.Group, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.board.events[after:]), w.board.group(), w.changed
}

// group says who has which role now.
func (w *watcher) group() scenario.Group {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.board.group()
}

// end tells how the replicas are: all alike, or without memory.
func (w *watcher) end() (settled, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.board.settled(), w.board.groupLost()
}

// line is how far the run is, for people.
func (w *watcher) line() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.board.line(time.Since(w.began))
}
