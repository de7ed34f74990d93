package loop

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"vrnode/internal/stack"
	"vrnode/vr"
	"vrnode/wire"
)

// askInterval is how often the operator is looked at while it asks.
const askInterval = 5 * time.Millisecond

// ErrNotFormed: the replicas can not form a group, or not all of them have said that they have.
var ErrNotFormed = errors.New("no group was formed")

// Probe asks every replica how it is. If ctx ends before all have answered, those that have not
// are in the answers with Known unset. The error is ErrClosed or nil.
func (l *Loop) Probe(ctx context.Context) ([]vr.Answer, error) {
	_, answers, err := l.ask(ctx, func(o *vr.Operator, now time.Duration) error {
		o.Probe(now)
		return nil
	})
	return answers, err
}

// Form makes a new group of all replicas, which must be up and without memory.
func (l *Loop) Form(ctx context.Context) (wire.ClusterID, error) {
	if _, err := l.Probe(ctx); err != nil {
		return wire.ClusterID{}, err
	}
	return l.form(ctx, wire.Base{})
}

// canForm returns why the replicas, as they have just answered, can not form a group.
func canForm(ctx context.Context, o *vr.Operator, denials []stack.Denial) error {
	switch why, silent := o.CanForm(); {
	case silent && len(denials) > 0:
		return fmt.Errorf("%w: %s", ErrNotFormed, sentences(denials))
	case silent: // which is known since ctx has ended
		return fmt.Errorf("%w: %s (%w)", ErrNotFormed, why, context.Cause(ctx))
	case why != "":
		return fmt.Errorf("%w: %s", ErrNotFormed, why)
	}
	return nil
}

// form forms a group of replicas that have just answered, with a state that they hold or with nothing.
func (l *Loop) form(ctx context.Context, base wire.Base) (wire.ClusterID, error) {
	denials := l.Denials()
	var cluster wire.ClusterID
	_, _ = rand.Read(cluster[:]) // never fails
	all, answers, err := l.ask(ctx, func(o *vr.Operator, now time.Duration) error {
		err := canForm(ctx, o, denials)
		if err == nil {
			o.Form(now, cluster, base)
		}
		return err
	})
	switch {
	case err != nil:
		return wire.ClusterID{}, err
	case !all:
		why := context.Cause(ctx)
		if why == nil { // nobody waited any longer
			why = errors.New(sentences(l.Denials()))
		}
		return wire.ClusterID{}, fmt.Errorf("%w: replicas %v have not joined the group %v; start all of them again, with the same peers, and repeat: %w",
			ErrNotFormed, silent(answers), cluster, why)
	}
	return cluster, nil
}

// silent returns the replicas that have not answered.
func silent(answers []vr.Answer) []wire.Peer {
	var ids []wire.Peer
	for _, a := range answers {
		if !a.Known {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// ask begins something with the operator and waits until it is done, or can not be because those
// that have not answered refuse to, or ctx ends. It tells whether it is done, and what was answered.
func (l *Loop) ask(ctx context.Context, begin func(*vr.Operator, time.Duration) error) (done bool, answers []vr.Answer, err error) {
	l.asking.Lock() // an operator does one thing at a time
	defer l.asking.Unlock()
	ok := l.Do(func(host *stack.Host, now time.Duration) { err = begin(host.Operator(), now) })
	if err != nil {
		return false, nil, err
	}
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	hopeless := false
	for waiting := true; ok && !done && !hopeless && waiting; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			waiting = false
		}
		ok = l.Do(func(host *stack.Host, _ time.Duration) {
			done = host.Operator().Done()
			answers = append(answers[:0], host.Operator().Answers()...)
			hopeless = allRefuse(silent(answers), host.Endpoint().Denials())
		})
	}
	if !ok {
		return false, nil, ErrClosed
	}
	return done, answers, nil
}

// allRefuse tells whether all of the replicas have denied a session.
func allRefuse(ids []wire.Peer, denials []stack.Denial) bool {
	for _, id := range ids {
		if !slices.ContainsFunc(denials, func(d stack.Denial) bool { return d.ID == id }) {
			return false
		}
	}
	return len(ids) > 0
}
