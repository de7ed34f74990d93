package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
	"vrnode/vr/client"
	"vrnode/wire"
)

// A watcher knows how the replicas are, from what they say and by asking them, and keeps the time
// line of the run.
type watcher struct {
	scenario *scenario.Scenario
	folder   *result.Folder
	client   *client.Client
	stop     context.CancelFunc
	stopped  chan struct{}

	mu       sync.Mutex
	began    time.Time
	events   []result.Event
	replicas map[scenario.Site]*replica
	primary  scenario.Site // of the highest view
	view     uint64
	old      scenario.Site // who was primary before
	acked    int
	rss      int64
	memory   func(scenario.Site) int64
	changed  chan struct{} // closed and replaced at each event
}

// A replica is what is known of one.
type replica struct {
	running, paused bool
	answer          vr.Answer
	// heard is when the answer came.
	heard time.Time
}

const (
	// pollInterval is how often replicas are asked, and conditions looked at.
	pollInterval = 50 * time.Millisecond
	// probeTimeout is how long to wait for those that do not answer.
	probeTimeout = 100 * time.Millisecond
)

func newWatcher(s *scenario.Scenario, folder *result.Folder) *watcher {
	w := &watcher{
		scenario: s, folder: folder, began: time.Now(), memory: func(scenario.Site) int64 { return 0 },
		replicas: make(map[scenario.Site]*replica), changed: make(chan struct{}),
	}
	for n := 1; n <= s.Replicas; n++ {
		w.replicas[scenario.Site(n)] = new(replica)
	}
	return w
}

// open makes the observer's client.
func (w *watcher) open(b Backend) error {
	return b.Within(Observer, func() (err error) {
		w.client, err = client.Start(client.Config{Peers: b.Peers(Observer)})
		return err
	})
}

// form makes the group and waits until it serves.
func (w *watcher) form(ctx context.Context) error {
	if _, err := w.client.Form(ctx); err != nil {
		return err
	}
	for {
		if err := w.ask(ctx); err != nil {
			return err
		}
		if w.settled() {
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
	w.mu.Lock()
	for i := range w.events {
		w.events[i].At -= began.Sub(w.began)
		w.folder.Event(&w.events[i])
	}
	w.began = began
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.stopped = stop, make(chan struct{})
	w.mu.Unlock()
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
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range answers {
		r := w.replicas[scenario.Site(a.ID)]
		r.answer, r.heard = a, time.Now()
		if a.Known && a.Status == wire.StatusNormal && len(a.Members) > 0 {
			w.reign(uint64(a.View), scenario.Site(a.Members[uint64(a.View)%uint64(len(a.Members))].ID))
		}
	}
	w.announce()
	return nil
}

// reign notes the primary of a view.
func (w *watcher) reign(view uint64, primary scenario.Site) {
	if w.primary != 0 && view <= w.view {
		return
	}
	if primary != w.primary {
		w.old = w.primary
	}
	w.view, w.primary = view, primary
}

func (w *watcher) announce() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// sample puts the answers on the time line.
func (w *watcher) sample() {
	for n := 1; n <= w.scenario.Replicas; n++ {
		w.mu.Lock()
		a := w.replicas[scenario.Site(n)].answer
		w.mu.Unlock()
		rss := w.memory(scenario.Site(n))
		w.mu.Lock()
		w.rss = max(w.rss, rss)
		w.mu.Unlock()
		e := result.Event{At: time.Since(w.began), Kind: result.Sample, Replica: n, Status: "unreachable", RSS: rss}
		if a.Known {
			e.Status, e.View, e.Op, e.Commit = a.Status.String(), uint64(a.View), uint64(a.Op), uint64(a.Commit)
			for _, p := range a.Peers {
				e.Sent, e.Again = e.Sent+p.Sent, e.Again+p.Again
			}
			if len(a.Members) > 0 {
				e.Primary = int(a.Members[e.View%uint64(len(a.Members))].ID)
			}
			if a.Status == wire.StatusNormal {
				e.Role = "backup"
				if e.Primary == n {
					e.Role = "primary"
				}
			}
		}
		w.keep(e)
	}
}

// keep puts an event on the time line.
func (w *watcher) keep(e result.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	if w.stop != nil {
		w.folder.Event(&e)
	}
	w.announce()
}

// process notes that a process has started or ended.
func (w *watcher) process(s scenario.Site, running bool, name, text string) {
	w.mu.Lock()
	r := w.replicas[s]
	r.running, r.paused = running, false
	if !running {
		r.answer = vr.Answer{ID: wire.Peer(s)}
	}
	at := time.Since(w.began)
	w.mu.Unlock()
	w.keep(result.Event{At: at, Kind: result.Process, Replica: int(s), Name: name, Text: text})
}

func (w *watcher) pause(s scenario.Site, paused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replicas[s].paused = paused
}

// spoken are what a replica logs, and the names of the events behind it.
var spoken = map[string]vr.EventKind{
	"the group is formed":                               vr.EventFormed,
	"the primary is silent":                             vr.EventSuspected,
	"a view change has begun":                           vr.EventViewChangeStarted,
	"the view has started":                              vr.EventViewStarted,
	"without memory, asking the others":                 vr.EventRecovering,
	"the memory is back":                                vr.EventRecovered,
	"another replica has lost its memory and come back": vr.EventPeerRestarted,
	"nobody answers this primary, so it falls silent":   vr.EventAbdicated,
	"halted, for good":                                  vr.EventHalted,
	"the group has lost its memory: too many replicas are without it, and it can not come back by itself": vr.EventGroupLost,
	"too many replicas are without memory: the group was never formed, or can not come back by itself":    vr.EventGroupLost,
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
	kind, known := spoken[entry.Msg]
	if !known {
		return
	}
	w.mu.Lock()
	if kind == vr.EventViewStarted {
		w.reign(entry.View, scenario.Site(entry.Primary))
	}
	at := entry.Time.Sub(w.began)
	w.mu.Unlock()
	w.keep(result.Event{
		At: at, Kind: result.Said, Replica: n, Name: kind.String(), Text: entry.Msg,
		View: entry.View, Op: entry.Op, Primary: entry.Primary,
	})
}

// group says who has which role now.
func (w *watcher) group() scenario.Group {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := scenario.Group{Replicas: w.scenario.Replicas, Clients: w.scenario.Workload.Clients, Primary: w.primary, OldPrimary: w.old}
	if w.primary != 0 {
		g.NextPrimary = w.primary%scenario.Site(g.Replicas) + 1
	}
	for n := 1; n <= g.Replicas; n++ {
		if r := w.replicas[scenario.Site(n)]; !r.running || r.paused {
			g.Down = append(g.Down, scenario.Site(n))
		}
	}
	return g
}

// settled tells whether all replicas were normal in one view, with nothing left to execute, when
// they were last asked.
func (w *watcher) settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.replicas[1].answer
	for _, r := range w.replicas {
		a := r.answer
		if !r.running || !a.Known || a.Status != wire.StatusNormal || a.View != first.View ||
			a.Op != first.Op || a.Commit != first.Op || a.Applied != first.Op {
			return false
		}
	}
	return true
}

// groupLost tells whether a majority runs and knows that the memory of the group is gone.
func (w *watcher) groupLost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	know := 0
	for _, r := range w.replicas {
		if r.running && r.answer.Known && r.answer.GroupLost {
			know++
		}
	}
	return know > w.scenario.Replicas/2
}

// since waits for the first event of a kind after a time.
func (w *watcher) since(ctx context.Context, after time.Duration, is func(*result.Event) bool) (at time.Duration, ok bool) {
	for {
		w.mu.Lock()
		i := slices.IndexFunc(w.events, func(e result.Event) bool { return e.At >= after && is(&e) })
		if i >= 0 {
			at = w.events[i].At
		}
		changed := w.changed
		w.mu.Unlock()
		if i >= 0 {
			return at, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, false
		}
	}
}

// peak is the most memory that a replica has taken.
func (w *watcher) peak() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rss
}

// all returns a copy of the time line.
func (w *watcher) all() []result.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// acknowledged counts one more call, for people who watch.
func (w *watcher) acknowledged() {
	w.mu.Lock()
	w.acked++
	w.mu.Unlock()
}

// line is how far the run is, for people.
func (w *watcher) line(s *scenario.Scenario) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var states []string
	for n := 1; n <= s.Replicas; n++ {
		r := w.replicas[scenario.Site(n)]
		state := "?"
		switch {
		case !r.running:
			state = "down"
		case r.paused:
			state = "paused"
		case r.answer.Known:
			state = r.answer.Status.String()
		}
		states = append(states, fmt.Sprintf("%d:%s", n, state))
	}
	passed := time.Since(w.began)
	if w.stop == nil {
		return fmt.Sprintf("%s: starting %v", s.Name, states)
	}
	return fmt.Sprintf("%s: %.1f of %.0f s, view %d, primary %d, %v, %d answers",
		s.Name, passed.Seconds(), math.Ceil(s.Workload.Duration.Seconds()), w.view, w.primary, states, w.acked)
}
