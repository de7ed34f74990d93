package demo

import (
	"context"
	"strconv"
	"sync"

	"vrnode/vr/client"
)

// outstanding is how many additions the worker has under way at a time.
const outstanding = 64

// A worker adds 1, 2, 3 … as fast as the group allows, and keeps every acknowledgement.
type worker struct {
	client *client.Client
	free   chan struct{} // one for each addition that may be under way

	mu    sync.Mutex
	acked []addition
	err   error // of the first addition that got no result

	stopping, stopped chan struct{}
}

func startWorker(c *client.Client) *worker {
	w := &worker{
		client: c, free: make(chan struct{}, outstanding),
		stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

func (w *worker) run() {
	defer close(w.stopped)
	for number := int64(1); ; number++ {
		select {
		case w.free <- struct{}{}:
		case <-w.stopping:
			return
		}
		command := strconv.AppendInt([]byte("add "), number, 10)
		w.client.Go(command, func(result []byte, err error) { w.done(number, result, err) })
	}
}

func (w *worker) done(number int64, result []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	<-w.free
	if err != nil {
		if w.err == nil {
			w.err = err
		}
		return
	}
	w.acked = append(w.acked, addition{number, string(result)})
}

// count returns the number of acknowledged additions.
func (w *worker) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// finish stops the worker, and returns when nothing is under way.
func (w *worker) finish(ctx context.Context) ([]addition, error) {
	close(w.stopping)
	<-w.stopped
	err := poll(ctx, "an answer to every addition", func() bool { return len(w.free) == 0 })
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = w.err
	}
	return w.acked, err
}
