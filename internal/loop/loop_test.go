package loop

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vrnode/internal/assert"
	"vrnode/internal/ports"
	"vrnode/internal/stack"
	"vrnode/internal/tally"
	"vrnode/vr"
	"vrnode/wire"
)

// sum is a service that can be broken.
type sum struct{ tally.Machine }

func (m *sum) Apply(op uint64, command []byte) []byte {
	assert.That(string(command) != "break an invariant", "the service is whole")
	return m.Machine.Apply(op, command)
}

// start runs a group of one replica, which is not formed yet.
func start(t testing.TB, observe func(vr.Event)) *Loop {
	peers, err := ports.Replicas(1)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{Self: 1, Peers: peers, Machine: new(sum), Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func formed(t testing.TB, observe func(vr.Event)) *Loop {
	l := start(t, observe)
	if _, err := l.Form(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSubmit(t *testing.T) {
	l := formed(t, nil)
	for i := range 100 {
		result, err := l.Submit(t.Context(), []byte("x"))
		if err != nil || string(result) != strconv.Itoa(i+1) {
			t.Fatalf("command %d: %q, %v", i, result, err)
		}
	}
}

// Callbacks come in the order of the commands, also for more commands than the client's window.
func TestGoKeepsOrder(t *testing.T) {
	l := formed(t, nil)
	const n = 3 * vr.SessionWindow
	var got []string
	done := make(chan struct{})
	for range n {
		l.Go([]byte("x"), func(result []byte, err error) {
			if err != nil {
				t.Error(err)
			}
			if got = append(got, string(result)); len(got) == n {
				close(done)
			}
		})
	}
	<-done
	for i, result := range got {
		if result != strconv.Itoa(i+1) {
			t.Fatalf("result %d is %q", i, result)
		}
	}
}

func TestGoFromCallback(t *testing.T) {
	l := formed(t, nil)
	done := make(chan struct{})
	left := 1000
	var next func([]byte, error)
	next = func(_ []byte, err error) {
		if left--; left == 0 || err != nil {
			close(done)
			return
		}
		l.Go([]byte("x"), next)
	}
	l.Go([]byte("x"), next)
	<-done
	if left != 0 {
		t.Errorf("%d left", left)
	}
}

// At the bound, Go refuses and Submit waits; Close ends all of them, each once.
func TestPendingIsBounded(t *testing.T) {
	l := start(t, nil) // no group, so nothing gets done
	var refused, closed atomic.Int32
	var ends sync.WaitGroup
	end := func(_ []byte, err error) {
		defer ends.Done()
		switch {
		case errors.Is(err, ErrBusy):
			refused.Add(1)
		case errors.Is(err, ErrClosed) && !errors.Is(err, ErrOutcomeUnknown):
			closed.Add(1)
		default:
			t.Errorf("%v", err)
		}
	}
	ends.Add(pendingMax + 1)
	for range pendingMax {
		l.Go([]byte("x"), end)
	}
	l.Go([]byte("x"), end)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := l.Submit(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("Submit at the bound: %v", err)
	}
	l.Close()
	ends.Wait()
	if refused.Load() != 1 || closed.Load() != pendingMax {
		t.Errorf("%d refused, %d closed", refused.Load(), closed.Load())
	}
}

// A command whose context ends while it waits in the queue is never executed.
func TestWithdrawn(t *testing.T) {
	l := start(t, nil)
	results := make(chan string, vr.SessionWindow)
	for range vr.SessionWindow {
		l.Go([]byte("x"), func(result []byte, _ error) { results <- string(result) })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.Submit(ctx, []byte("must not be executed")); errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := l.Form(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range vr.SessionWindow {
		<-results
	}
	if result, err := l.Submit(t.Context(), []byte("x")); string(result) != strconv.Itoa(vr.SessionWindow+1) {
		t.Errorf("after %d commands of one byte, another one gives %q, %v", vr.SessionWindow, result, err)
	}
	if n := len(l.room); n != 0 {
		t.Errorf("%d commands still count as pending", n)
	}
}

// A command that the client has taken is executed when there is a group, so that nobody may be told
// before that it is not.
func TestNotWithdrawn(t *testing.T) {
	l := start(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for taken := false; !taken && t.Context().Err() == nil; {
			l.Do(func(host *stack.Host, _ time.Duration) { taken = host.Client().Outstanding() > 0 })
		}
	}()
	if _, err := l.Submit(ctx, []byte("taken")); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := l.Form(t.Context()); err != nil {
		t.Fatal(err)
	}
	if result, err := l.Submit(t.Context(), []byte("x")); string(result) != strconv.Itoa(len("taken")+1) {
		t.Errorf("got %q, %v: the command before was not executed", result, err)
	}
}

func TestContextThatHasEnded(t *testing.T) {
	l := formed(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	cancel(why)
	if _, err := l.Submit(ctx, []byte("x")); !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if result, _ := l.Submit(t.Context(), []byte("x")); string(result) != "1" {
		t.Errorf("the first command gives %q", result)
	}
}

// An observer that never returns in time costs events and nothing else.
func TestSlowObserver(t *testing.T) {
	release := make(chan struct{})
	l := formed(t, func(vr.Event) { <-release })
	ok := l.Do(func(host *stack.Host, now time.Duration) {
		for range 2 * eventsMax {
			l.out.Events = append(l.out.Events, vr.Event{Kind: vr.EventFetching})
		}
		l.settle()
	})
	if !ok {
		t.Fatal("closed")
	}
	if _, err := l.Submit(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
	if s := l.Stats(); s.EventsDropped < eventsMax {
		t.Errorf("%d events dropped", s.EventsDropped)
	}
	close(release)
}

func TestAfterClose(t *testing.T) {
	l := formed(t, nil)
	l.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if l.Do(func(*stack.Host, time.Duration) {}) {
		t.Error("Do after Close")
	}
	if _, err := l.Submit(t.Context(), []byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Submit: %v", err)
	}
	if _, err := l.Probe(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Probe: %v", err)
	}
	if _, ok := l.Report(); ok {
		t.Error("Report after Close")
	}
	end := make(chan error)
	l.Go([]byte("x"), func(_ []byte, err error) { end <- err })
	if err := <-end; !errors.Is(err, ErrClosed) {
		t.Errorf("Go: %v", err)
	}
}

// A broken invariant ends the process and says its name.
func TestBrokenInvariantIsFatal(t *testing.T) {
	if os.Getenv("BREAK_AN_INVARIANT") != "" {
		l := formed(t, nil)
		l.Submit(t.Context(), []byte("break an invariant"))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBrokenInvariantIsFatal$")
	cmd.Env = append(os.Environ(), "BREAK_AN_INVARIANT=1")
	output, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "invariant broken: the service is whole") {
		t.Errorf("%v:\n%s", err, output)
	}
}

func TestExplain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name          string
		known, handed bool
		why           vr.Refused
		text          string
		is, isNot     error
	}{
		{"silence", false, false, vr.Refused{}, "no primary has answered", ErrUnavailable, ErrOutcomeUnknown},
		{"silence, but taken", false, true, vr.Refused{}, "may still be executed", ErrOutcomeUnknown, ErrBusy},
		{"silence later", true, true, vr.Refused{}, "not known whether", ErrOutcomeUnknown, ErrBusy},
		{"never formed", false, false, vr.Refused{NoMemory: 3, GroupLost: true}, "never formed", ErrUnavailable, ErrOutcomeUnknown},
		{"lost", true, true, vr.Refused{NoMemory: 2, GroupLost: true}, "more replicas have lost their memory", ErrUnavailable, ErrBusy},
		{"one recovers", true, true, vr.Refused{NoMemory: 1}, "1 of its replicas", ErrUnavailable, ErrBusy},
		{"another group", true, true, vr.Refused{WrongCluster: true}, "another group", ErrWrongCluster, ErrBusy},
		{"busy", true, true, vr.Refused{Busy: true}, "too many commands", ErrBusy, ErrWrongCluster},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := explain(ctx, c.known, c.handed, c.why, nil)
			if !strings.Contains(err.Error(), c.text) || !errors.Is(err, c.is) || errors.Is(err, c.isNot) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := outcomeError(wire.OutcomeSessionExpired); !errors.Is(err, ErrSessionExpired) || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("session expired: %v", err)
	}
	if err := outcomeError(wire.OutcomeTooOld); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("too old: %v", err)
	}
}
