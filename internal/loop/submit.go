package loop

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"vrnode/wire"
)

// A ticket is a command's claim to a result.
type ticket struct {
	state  atomic.Uint32
	answer chan result                    // of Submit; has room for the one answer
	done   func(result []byte, err error) // of Go, instead of answer
}

// The states of a ticket. Whoever moves it on from queued decides whether the command is sent.
const (
	ticketQueued uint32 = iota
	ticketHanded
	ticketWithdrawn
)

type result struct {
	body []byte
	err  error
}

var tickets = sync.Pool{New: func() any { return &ticket{answer: make(chan result, 1)} }}

// Submit has a command executed by the group and returns its result. It waits for one until ctx
// ends, and then says what is known. The command is copied.
func (l *Loop) Submit(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) > wire.CommandMax {
		return nil, ErrTooLong
	}
	if ctx.Err() != nil {
		return nil, l.failed(ctx, false)
	}
	select {
	case l.room <- struct{}{}:
	default:
		select {
		case l.room <- struct{}{}:
		case <-ctx.Done():
			return nil, l.failed(ctx, false)
		case <-l.ended:
			return nil, ErrClosed
		}
	}
	t := tickets.Get().(*ticket)
	t.state.Store(ticketQueued)
	if !l.inbox.putCommand(command, t) {
		<-l.room
		return nil, ErrClosed
	}
	l.conn.Wake()
	select {
	case r := <-t.answer:
		tickets.Put(t)
		return r.body, r.err
	case <-ctx.Done():
	}
	if t.state.CompareAndSwap(ticketQueued, ticketWithdrawn) {
		return nil, l.failed(ctx, false)
	}
	// The answer that comes now, if one does, goes to nobody.
	return nil, l.failed(ctx, true)
}

// failed says why a command has no result by the end of its context. What was handed to the client
// can not be taken back: if there is no session yet, it is sent when there is one.
func (l *Loop) failed(ctx context.Context, handed bool) error {
	service := l.service.Load()
	return explain(ctx, service.known, handed, service.refused, l.Denials())
}

// Go has a command executed by the group and calls done with its end, once. The command is copied.
// The results of one caller's commands come in their order. done is called by a goroutine that
// calls all of them, one at a time; the loop does not wait for it. A command that can not be
// queued ends at once, with ErrBusy if 4096 are under way.
func (l *Loop) Go(command []byte, done func(result []byte, err error)) {
	t := tickets.Get().(*ticket)
	t.state.Store(ticketQueued)
	t.done = done
	if err := l.queue(command, t); err != nil {
		go done(nil, err)
	}
}

func (l *Loop) queue(command []byte, t *ticket) error {
	if len(command) > wire.CommandMax {
		return ErrTooLong
	}
	select {
	case l.room <- struct{}{}:
	default:
		return ErrBusy
	}
	if !l.inbox.putCommand(command, t) {
		<-l.room
		return ErrClosed
	}
	l.conn.Wake()
	return nil
}

// An inbox is how other goroutines reach the loop's.
type inbox struct {
	mu       sync.Mutex
	closed   bool
	commands commands
	calls    []func() // at most one of each goroutine that waits in Do, and one of each job
}

// commands is a queue of commands, in one piece of memory, with their tickets.
type commands struct {
	tickets []*ticket
	lengths []int
	memory  bytes.Buffer
	at      int
}

// memoryKept bounds the memory that an empty queue keeps.
const memoryKept = 1 << 20

func (q *commands) put(command []byte, t *ticket) {
	q.tickets = append(q.tickets, t)
	q.lengths = append(q.lengths, len(command))
	q.memory.Write(command)
}

// next returns the next command, valid until the queue is reset, or nil.
func (q *commands) next() (*ticket, []byte) {
	if q.at == len(q.tickets) {
		return nil, nil
	}
	t, command := q.tickets[q.at], q.memory.Next(q.lengths[q.at])
	q.tickets[q.at] = nil
	q.at++
	return t, command
}

func (q *commands) reset() {
	q.tickets, q.lengths, q.at = q.tickets[:0], q.lengths[:0], 0
	q.memory.Reset()
	if q.memory.Cap() > memoryKept {
		q.memory = bytes.Buffer{}
	}
}

// putCommand says false if the inbox is closed. What bounds the queue is the loop's room.
func (in *inbox) putCommand(command []byte, t *ticket) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.closed {
		in.commands.put(command, t)
	}
	return !in.closed
}

// takeCommands trades an emptied queue for the one that has filled, if there is anything in it.
func (in *inbox) takeCommands(emptied *commands) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.commands.tickets) == 0 {
		return false
	}
	emptied.reset()
	in.commands, *emptied = *emptied, in.commands
	return true
}

// putCall says false if the inbox is closed.
func (in *inbox) putCall(call func()) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.closed {
		in.calls = append(in.calls, call)
	}
	return !in.closed
}

func (in *inbox) takeCalls() []func() {
	in.mu.Lock()
	defer in.mu.Unlock()
	calls := in.calls
	in.calls = nil
	return calls
}

func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}
