package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// A Submitter takes a command and calls done once with its result, from any goroutine.
type Submitter func(command []byte, done func(result []byte, err error))

// Group keeps operations outstanding at a group for the duration. It fails when an operation gets
// no result, or one that says "error: …".
func Group(ctx context.Context, submit Submitter, outstanding int, command []byte, duration time.Duration) (Figures, error) {
	l := load{
		submit: submit, command: command,
		ends:     make(chan end, outstanding),
		recorder: newRecorder(time.Now(), duration),
	}
	return l.run(ctx, outstanding)
}

// groupPatience is how long the group may be silent. It outlasts a change of the primary by far.
const groupPatience = 10 * time.Second

// A load is the client's end of a closed loop at a group.
type load struct {
	submit   Submitter
	command  []byte
	ends     chan end // room for every operation outstanding, so that done never waits
	recorder *recorder
}

// An end is the end of one operation.
type end struct {
	began, ended time.Time
	err          error
}

func (l *load) run(ctx context.Context, outstanding int) (Figures, error) {
	for range outstanding {
		l.begin()
	}
	patience := time.NewTicker(groupPatience)
	defer patience.Stop()
	for ended := false; outstanding > 0; {
		select {
		case e := <-l.ends:
			ended = true
			if e.err != nil {
				return Figures{}, e.err
			}
			if l.recorder.record(e.began, e.ended) {
				l.begin()
			} else {
				outstanding-- // the end is near: let the others come
			}
		case <-patience.C:
			if !ended {
				return Figures{}, fmt.Errorf("no operation has ended for %v", groupPatience)
			}
			ended = false
		case <-ctx.Done():
			return Figures{}, context.Cause(ctx)
		}
	}
	return l.recorder.figures(), nil
}

func (l *load) begin() {
	began := time.Now()
	l.submit(l.command, func(result []byte, err error) {
		if err == nil && bytes.HasPrefix(result, []byte("error:")) {
			err = fmt.Errorf("%s: %s", l.command, result)
		}
		l.ends <- end{began, time.Now(), err}
	})
}
