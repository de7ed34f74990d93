package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestGroup: never more operations under way than asked for, and every one comes to its end.
func TestGroup(t *testing.T) {
	var underWay, most atomic.Int64
	var all sync.WaitGroup
	submit := func(command []byte, done func([]byte, error)) {
		if string(command) != "add 1" {
			t.Errorf("%q", command)
		}
		n := underWay.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		all.Go(func() {
			underWay.Add(-1)
			done([]byte("1"), nil)
		})
	}
	f := measured(t, func(d time.Duration) (Figures, error) {
		return Group(t.Context(), submit, 16, []byte("add 1"), d)
	})
	all.Wait()
	if f.OpsPerSecond == 0 || most.Load() > 16 {
		t.Errorf("%+v, with %d under way", f, most.Load())
	}
}

func TestGroupFails(t *testing.T) {
	gone := errors.New("gone")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name   string
		ctx    context.Context
		submit Submitter
	}{
		{"no result", t.Context(), func(_ []byte, done func([]byte, error)) { done(nil, gone) }},
		{"an error as result", t.Context(), func(_ []byte, done func([]byte, error)) { done([]byte("error: overflow"), nil) }},
		{"interrupted", cancelled, func([]byte, func([]byte, error)) {}},
	} {
		if f, err := Group(test.ctx, test.submit, 4, []byte("add 1"), time.Minute); err == nil {
			t.Errorf("%s: got %+v", test.name, f)
		}
	}
}
