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
	client   *client.Client
	underWay chan struct{} // holds one item for each addition under way

	mu    sync.Mutex
	acked []addition
	err   error // of the first addition that got no result

	stop    context.CancelFunc
	stopped chan struct{}
}

// startWorker begins to add, until ctx ends or finish is called.
func startWorker(ctx context.Context, c *client.Client) *worker {
	w := &worker{client: c, underWay: make(chan struct{}, outstanding), stopped: make(chan struct{})}
	ctx, w.stop = context.WithCancel(ctx)
	go w.run(ctx)
	return w
}

func (w *worker) run(ctx context.Context) {
	defer close(w.stopped)
	for number := int64(1); ; number++ {
		select {
		case w.underWay <- struct{}{}:
		case <-ctx.Done():
			return
		}
		command := strconv.AppendInt([]byte("add "), number, 10)
		w.client.Go(command, func(result []byte, err error) { w.done(number, result, err) })
	}
}

func (w *worker) done(number int64, result []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	<-w.underWay
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
	w.stop()
	<-w.stopped
	err := poll(ctx, "an answer to every addition", func() bool { return len(w.underWay) == 0 })
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = w.err
	}
	return w.acked, err
}
