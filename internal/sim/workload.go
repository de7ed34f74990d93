package sim

import (
	"fmt"
	"strconv"
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// A load is what one client does: it keeps up to depth requests outstanding, each "add n", and
// thinks between them.
type load struct {
	site  int
	at    time.Duration // when it next submits
	open  int
	calls []*Call // by request-number
}

// A Call is one request of the history that clients saw.
type Call struct {
	Client   wire.Peer // or the replica in whose process it is
	Add, Sum int64
	// Invoked and Returned are its ends, in the World's time; Done tells whether it has returned.
	Invoked, Returned time.Duration
	Done              bool
	// after is the highest op that a client had a result of when the call was made.
	after wire.OpNumber
}

// eager is how many calls a client makes before it slows down: enough to have something to lose.
const eager = 100

// submit makes a call if there is room for one.
func (r *run) submit(l *load) {
	l.at = r.w.now + time.Duration(1+r.choose(8, "think"))*r.think/8
	if len(l.calls) > eager {
		l.at += 5 * r.think
	}
	s := r.w.sites[l.site]
	if l.open >= r.depth || s.process == nil || r.stopped {
		return
	}
	add := int64(1 + r.choose(9, "add"))
	command := strconv.AppendInt([]byte("add "), add, 10)
	number, ok := s.process.submit(r.w.now-s.born, command)
	if !ok {
		return
	}
	call := &Call{Client: s.peer, Add: add, Invoked: r.w.now, after: r.returned}
	l.open++
	l.calls = append(l.calls, call)
	r.history = append(r.history, call)
	if int(number) != len(l.calls) {
		r.w.fail("requests are numbered 1, 2, 3 …", fmt.Sprintf("request %d came after %d others", number, len(l.calls)-1))
	}
}

// take checks a result. I15 Linearizable: since a result names its op and ops are totally ordered,
// what is left to see is that an op never comes before one that had returned when it was called.
func (r *run) take(site int, result vr.Result) {
	l := r.loads[site]
	if l == nil {
		return // of a zombie's client
	}
	if int(result.Request) > len(l.calls) || l.calls[result.Request-1].Done {
		r.w.fail("I14 exactly once", fmt.Sprintf("client %s has a second result of request %d", r.w.sites[site].name, result.Request))
		return
	}
	call := l.calls[result.Request-1]
	sum, op, ok := opOf(result.Body)
	if result.Outcome != wire.OutcomeDone || !ok {
		r.w.fail("I14 exactly once", fmt.Sprintf("request %d of client %s ended as %v %q", result.Request, r.w.sites[site].name, result.Outcome, result.Body))
		return
	}
	l.open--
	call.Done, call.Sum, call.Returned = true, sum, r.w.now
	if op <= call.after {
		r.w.fail("I15 linearizable", fmt.Sprintf("request %d of client %s was executed at op %d, after op %d had returned before it was called",
			result.Request, r.w.sites[site].name, op, call.after))
	}
	by := r.w.record.executed[op].request.client
	if by != call.Client && by.Home() != call.Client {
		r.w.fail("I14 exactly once", fmt.Sprintf("client %s has a result of op %d, which client %v asked for", r.w.sites[site].name, op, by))
	}
	r.returned = max(r.returned, op)
}
