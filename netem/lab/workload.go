package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr/client"
)

// A workload is the clients of a run: each adds or reads, one operation after the other. No number
// is added twice in a run.
type workload struct {
	folder  *result.Folder
	dialect dialect
	clients []*client.Client
	acked   func()

	began time.Time
	// starting ends when no call is begun any more, waiting when nobody waits for answers.
	starting, waiting   context.Context
	stopStart, stopWait context.CancelFunc
	idle                sync.WaitGroup
	numbers             atomic.Int64
	calls               atomic.Int64 // that were begun
	closed              sync.Once

	mu      sync.Mutex
	history []result.Call
}

// newWorkload makes the clients, each at its site.
func newWorkload(b Backend, s *scenario.Scenario, keys []client.Key, folder *result.Folder) (*workload, error) {
	w := &workload{folder: folder, dialect: dialectOf(s), acked: func() {}}
	for n := range s.Workload.Clients {
		site := scenario.Site(s.Replicas + 1 + n)
		err := b.Within(site, func() error {
			c, err := client.Start(client.Config{Peers: b.Peers(site), Keys: keys})
			w.clients = append(w.clients, c)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("client %d: %w", n+1, err)
		}
	}
	w.starting, w.stopStart = context.WithCancel(context.Background())
	w.waiting, w.stopWait = context.WithCancel(context.Background())
	return w, nil
}

// start lets the clients begin.
func (w *workload) start(s *scenario.Scenario, began time.Time) {
	w.began = began
	for i := range w.clients {
		c := newCaller(s, i+1)
		w.idle.Go(func() { w.work(i, c) })
	}
}

// work makes the calls of one client.
func (w *workload) work(i int, c *caller) {
	for {
		sleep(w.starting, c.next-time.Since(w.began))
		if w.starting.Err() != nil || w.calls.Add(1) > callsMax {
			return
		}
		w.call(i, c.command(func() int64 { return w.numbers.Add(1) }))
		c.ended(time.Since(w.began))
	}
}

// call makes one call and writes down how it ended. It waits for an answer until nobody waits any
// more: the client repeats what was lost.
func (w *workload) call(i int, command string) result.Call {
	c := result.Call{Client: i + 1, Command: command, Invoke: time.Since(w.began), End: result.Answered}
	answer, err := w.clients[i].Submit(w.waiting, w.dialect.command(command))
	c.Return, c.Result = time.Since(w.began), w.dialect.answer(answer)
	if err != nil {
		c.End, c.Error = result.Refused, err.Error()
		if errors.Is(err, client.ErrOutcomeUnknown) || errors.Is(err, client.ErrClosed) {
			c.End = result.Unanswered
		}
	} else {
		w.acked()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, c)
	w.folder.Call(&c)
	return c
}

// stop lets no client begin another call.
func (w *workload) stop() { w.stopStart() }

// finish waits for the calls under way, and then reads the value, until the context ends or it is
// hopeless.
func (w *workload) finish(ctx context.Context, hopeless func() bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.idle.Wait()
		w.call(0, "read")
	}()
	ticks := time.NewTicker(pollInterval)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			if !hopeless() {
				continue
			}
		case <-ctx.Done():
		}
		w.stopWait()
		<-done
		return
	}
}

// close ends everything. Calls under way have no answer. It may be called again.
func (w *workload) close() {
	w.closed.Do(func() {
		w.stopStart()
		w.stopWait()
		w.idle.Wait()
		for _, c := range w.clients {
			c.Close()
		}
	})
}

// past returns the history, and whether it had room for all calls.
func (w *workload) past() (history []result.Call, complete bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.history, w.calls.Load() <= callsMax
}
