// Package loop runs a stack.Host on a udp.Conn: it is where the pure protocol meets the clock, the
// socket and the goroutines of the program. One goroutine, with a thread of its own, does all
// protocol work; others hand it commands and get results and events from it, and none of them can
// make it wait.
package loop

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vrnode/frag/noise"
	"vrnode/frag/udp"
	"vrnode/internal/assert"
	"vrnode/internal/stack"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

const (
	// pendingMax bounds the commands that are queued or outstanding. At the bound Submit waits,
	// and Go refuses.
	pendingMax = 4 * vr.SessionWindow
	// unsettledMax bounds the commands that the client has or whose result waits for settle:
	// between two of them a whole window can end and another one begin.
	unsettledMax = 2 * vr.SessionWindow
	// eventsMax bounds the events that the observer has not seen. At the bound they are dropped
	// and counted.
	eventsMax = 1024
)

// A Loop is a running host.
type Loop struct {
	conn    *udp.Conn
	host    *stack.Host
	machine *timed    // of the host's replica, or nil
	born    time.Time // the origin of the host's time

	inbox   inbox
	service atomic.Pointer[service]
	room    chan struct{} // holds one item for each pending command
	closing atomic.Bool
	ended   chan struct{} // closed when the loop's goroutine is done with everything
	helpers sync.WaitGroup
	asking  sync.Mutex

	// What follows belongs to the loop's goroutine.
	out         stack.Effects
	taken       commands              // from the inbox
	outstanding [unsettledMax]*ticket // by request-number
	completions chan completion
	events      chan event
	workers     workers
	spools      *spools
	dropped     uint64 // events
	pauses      Pauses
	spoilt      error // why the last transfer of a state failed
	given       bool  // a state, to a new group
	err         error
}

// service is what the client knows of the group, for error messages.
type service struct {
	known   bool // there is or was a session
	refused vr.Refused
}

// A completion is the end of a command that was given to Go.
type completion struct {
	done func(result []byte, err error)
	result
}

// An event is one of the transfer of states, or a pause, or else one of the protocol.
type event struct {
	protocol vr.Event
	transfer *statexfer.Event
	pause    *Pause
}

// newLoop runs host, whose replica has that machine, on conn, which the loop closes in the end. observe,
// if not nil, is called with every event but EventCommitted, one at a time, by a goroutine that may take
// its time.
func newLoop(conn *udp.Conn, host *stack.Host, machine *timed, files *spools, observe func(event)) *Loop {
	l := &Loop{
		conn: conn, host: host, machine: machine, spools: files, born: time.Now(),
		room:        make(chan struct{}, pendingMax),
		ended:       make(chan struct{}),
		completions: make(chan completion, pendingMax),
	}
	l.service.Store(new(service))
	l.helpers.Go(l.complete)
	l.startWorkers()
	if observe != nil {
		l.events = make(chan event, eventsMax)
		l.helpers.Go(func() {
			for e := range l.events {
				observe(e)
			}
		})
	}
	go l.run()
	return l
}

// complete calls back for the commands that were given to Go.
func (l *Loop) complete() {
	for c := range l.completions {
		<-l.room
		c.done(c.body, c.err)
	}
}

// Close stops the loop at once, as a crash would: nobody is told. It returns when no goroutine of
// the loop is left, but for one that waits for a disk; so it must not be called by an observer or a
// callback. Commands without a result fail with ErrClosed.
func (l *Loop) Close() error {
	l.closing.Store(true)
	l.conn.Wake()
	<-l.ended
	l.helpers.Wait()
	return l.err
}

// Do has f called by the loop's goroutine, and returns when it was. It says false if the loop has
// ended. f must be quick and keep nothing of the host.
func (l *Loop) Do(f func(host *stack.Host, now time.Duration)) bool {
	done := make(chan struct{})
	ok := l.inbox.putCall(func() {
		f(l.host, l.now())
		close(done)
	})
	if !ok {
		return false
	}
	l.conn.Wake()
	select {
	case <-done:
		return true
	case <-l.ended:
		return false
	}
}

// A Report is how a replica is.
type Report struct {
	Status   vr.Status
	Peers    []wire.PeerReport  // what it knows of the others
	Transfer statexfer.Progress // of the state that it fetches
}

// Report returns how the replica is. It says false if the loop has ended, or runs a client.
func (l *Loop) Report() (r Report, ok bool) {
	l.Do(func(host *stack.Host, now time.Duration) {
		if report := host.Report(now, &l.out); report != nil {
			r, ok = Report{host.Replica().Status(), report.Peers, host.Progress(now)}, true
		}
	})
	return r, ok
}

// SetKeys replaces the keys of a loop in secure mode. Sessions go on, but for those that came
// about by a key that is gone.
func (l *Loop) SetKeys(keys []noise.Key) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	secure := false
	ok := l.Do(func(host *stack.Host, now time.Duration) {
		if secure = host.Endpoint().IsSecure(); secure {
			host.Endpoint().SetKeys(now, keys)
		}
	})
	switch {
	case !ok:
		return ErrClosed
	case !secure:
		return errors.New("Keys: this end was started without, and so it stays")
	}
	return nil
}

// Denials returns which replicas refuse to open a session, and why, as far as they say.
func (l *Loop) Denials() (denials []stack.Denial) {
	l.Do(func(host *stack.Host, _ time.Duration) { denials = host.Endpoint().Denials() })
	return denials
}

// Advice returns a sentence for the operator if the socket's buffers are too small, or "".
func (l *Loop) Advice() string { return l.conn.Buffers().Advice() }

// Stats counts what is lost on this side of the network, and what checkpoints take.
type Stats struct {
	EventsDropped uint64 // because the observer was slow
	Pauses        Pauses
	Socket        udp.Stats
}

// Stats returns the counters, which are zero after the end.
func (l *Loop) Stats() (s Stats) {
	l.Do(func(*stack.Host, time.Duration) { s = Stats{l.dropped, l.pauses, l.conn.Stats()} })
	return s
}

func (l *Loop) now() time.Duration { return time.Since(l.born) }

// run is the loop's goroutine. A broken invariant panics in it and ends the process: nothing that
// a protocol says after that can be trusted.
func (l *Loop) run() {
	udp.OwnThread()
	for l.err == nil && !l.closing.Load() {
		l.err = l.turn()
	}
	l.end()
}

// turn handles what has happened and sleeps until something happens.
func (l *Loop) turn() error {
	batch, err := l.conn.ReadBatch()
	if err != nil {
		return err
	}
	l.out.Reset()
	now := l.now()
	for _, d := range batch {
		l.host.Step(now, d.Addr, d.Bytes, &l.out)
		l.notePause()
	}
	l.submit(now)
	for _, call := range l.inbox.takeCalls() {
		call()
		l.notePause()
	}
	if l.host.Deadline() <= now {
		l.host.Tick(now, &l.out)
		l.notePause()
	}
	l.work()
	if err := l.conn.WriteBatch(l.out.Datagrams); err != nil {
		return err
	}
	for _, d := range l.conn.TooBig() {
		l.host.Endpoint().TooBig(now, d.Addr, d.Size)
	}
	l.settle()
	if len(batch) < udp.BatchMax {
		l.conn.Wait(l.host.Deadline() - l.now())
	}
	return nil
}

// submit hands commands from the inbox to the client, as many as it takes. The rest stay in taken
// until there are results.
func (l *Loop) submit(now time.Duration) {
	for l.host.Client().Outstanding() < vr.SessionWindow {
		t, command := l.taken.next()
		if t == nil {
			if !l.inbox.takeCommands(&l.taken) {
				return
			}
			continue
		}
		if !t.state.CompareAndSwap(ticketQueued, ticketHanded) {
			<-l.room // withdrawn
			continue
		}
		number, ok := l.host.Submit(now, command)
		slot := &l.outstanding[number%unsettledMax]
		assert.That(ok && *slot == nil, "a client with room takes commands and numbers them one after the other")
		*slot = t
	}
}

// settle delivers the results, the events and the news of a turn.
func (l *Loop) settle() {
	for _, r := range l.out.Results {
		slot := &l.outstanding[r.Request%unsettledMax]
		assert.That(*slot != nil, "a command has one end")
		l.finish(*slot, r.Body, outcomeError(r.Outcome))
		*slot = nil
	}
	client := l.host.Client()
	if s := (service{!client.Cluster().IsZero(), client.Refused()}); s != *l.service.Load() {
		l.service.Store(&s)
	}
	for _, e := range l.out.Transfers {
		if e.Kind == statexfer.EventFailed {
			l.spoilt = e.Err
		}
	}
	if l.events == nil {
		return
	}
	for _, e := range l.out.Events {
		if e.Kind == vr.EventCommitted {
			continue // to wake the observer for every op would cost more than the op
		}
		l.tell(event{protocol: e})
	}
	for _, e := range l.out.Transfers {
		l.tell(event{transfer: &e})
	}
}

// tell gives an event to the observer, if that is not too slow.
func (l *Loop) tell(e event) {
	select {
	case l.events <- e:
	default:
		l.dropped++
	}
}

// finish gives a command its end. It never waits: completions has room for everything pending.
func (l *Loop) finish(t *ticket, body []byte, err error) {
	r := result{err: err}
	if err == nil {
		r.body = append(make([]byte, 0, len(body)), body...)
	}
	if t.done != nil {
		l.completions <- completion{t.done, r}
		t.done = nil
		tickets.Put(t)
		return
	}
	<-l.room
	t.answer <- r
}

// end fails what is pending and gives everything back.
func (l *Loop) end() {
	var closed error = ErrClosed
	if l.err != nil {
		closed = fmt.Errorf("%w: %w", ErrClosed, l.err)
	}
	outcome := closed
	if !l.host.Client().Cluster().IsZero() { // else they still wait for a session
		outcome = fmt.Errorf("%w; %w", closed, ErrOutcomeUnknown)
	}
	for i, t := range l.outstanding {
		if t != nil {
			l.finish(t, nil, outcome)
			l.outstanding[i] = nil
		}
	}
	l.inbox.close()
	for {
		t, _ := l.taken.next()
		if t == nil {
			if !l.inbox.takeCommands(&l.taken) {
				break
			}
			continue
		}
		if t.state.CompareAndSwap(ticketQueued, ticketHanded) {
			l.finish(t, nil, closed)
		}
	}
	if err := l.conn.Close(); l.err == nil {
		l.err = err
	}
	close(l.completions)
	l.endWorkers()
	if l.events != nil {
		close(l.events)
	}
	close(l.ended)
}

// outcomeError returns the error for an outcome, nil for a command that was executed.
func outcomeError(o wire.Outcome) error {
	switch o {
	case wire.OutcomeDone:
		return nil
	case wire.OutcomeSessionExpired:
		return ErrSessionExpired
	}
	return fmt.Errorf("%w: %v", ErrOutcomeUnknown, o)
}
