package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vrnode/internal/stack"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

const (
	// lookEvery is how often a transfer is looked at, and askEvery how often the group meanwhile.
	lookEvery = 20 * time.Millisecond
	askEvery  = time.Second
)

// A Transfer is how a program outside the group moves a whole state.
type Transfer struct {
	// Patience is how long nothing may come or go before it is given up.
	Patience time.Duration
	// Progress, if not nil, is called now and then with the bytes that are moved and that there are, 0
	// while it is not known.
	Progress func(moved, total uint64)
}

func (t *Transfer) tell(moved, total uint64) {
	if t.Progress != nil {
		t.Progress(moved, total)
	}
}

// A watch tells when nothing has changed for so long.
type watch struct {
	patience time.Duration
	since    time.Time
	last     [3]uint64
}

func newWatch(patience time.Duration) watch { return watch{patience: patience, since: time.Now()} }

// wavers tells whether nothing has changed for half of that time.
func (w *watch) wavers() bool { return time.Since(w.since) > w.patience/2 }

// stalls tells whether nothing has changed for too long.
func (w *watch) stalls(now ...uint64) bool {
	var next [3]uint64
	copy(next[:], now)
	if next != w.last {
		w.last, w.since = next, time.Now()
	}
	return time.Since(w.since) > w.patience
}

// Backup fetches a checkpoint that has all that was acknowledged before the call, from backups if there
// are any, and calls keep with it. What keep is given is valid until it returns.
func (l *Loop) Backup(ctx context.Context, t Transfer, keep func(cluster wire.ClusterID, c *statexfer.Ready) error) error {
	g, err := l.findGroup(ctx, t.Patience)
	if err != nil {
		return err
	}
	l.Do(func(*stack.Host, time.Duration) { l.spoilt = nil })
	defer l.Do(func(host *stack.Host, _ time.Duration) { host.EndFetch(&l.out) })
	stalled := newWatch(t.Patience)
	var asked time.Time
	for {
		if time.Since(asked) > askEvery {
			asked = time.Now()
			if err := l.fetchFrom(ctx, &g, stalled.wavers()); err != nil {
				return err
			}
		}
		var p statexfer.Progress
		var whole *statexfer.Ready
		var spoilt error
		if !l.Do(func(host *stack.Host, now time.Duration) {
			p, whole, spoilt = host.Progress(now), host.Fetched(), l.spoilt
		}) {
			return ErrClosed
		}
		t.tell(p.Have, p.Total)
		switch {
		case whole != nil:
			return keep(g.cluster, whole)
		case spoilt != nil:
			return spoilt
		case stalled.stalls(uint64(p.Op), p.Have, p.Moved):
			return fmt.Errorf("%w: no replica has sent anything of its state for %v", ErrUnavailable, t.Patience)
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// pause waits, or returns why the context has ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A group is one that serves, as its members say.
type group struct {
	cluster wire.ClusterID
	minOp   wire.OpNumber // what the primary had committed, at least 1
	primary wire.Peer
	backups []wire.Peer
}

// findGroup looks for a group that serves: then its primary knows all that was acknowledged before.
func (l *Loop) findGroup(ctx context.Context, patience time.Duration) (group, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: no primary has answered that more than half of the members follow", ErrUnavailable))
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, askEvery)
		answers, err := l.Probe(once)
		done()
		if err != nil {
			return group{}, err
		}
		if g, serves := serving(answers); serves {
			return g, nil
		}
		if denials := l.Denials(); len(denials) == len(answers) {
			return group{}, fmt.Errorf("%w: %s", ErrUnavailable, sentences(denials))
		}
		if err := pause(ctx, lookEvery); err != nil {
			return group{}, err
		}
	}
}

// serving finds the highest view in the answers, and tells whether a quorum is normal in it, its primary
// among them.
func serving(answers []vr.Answer) (g group, serves bool) {
	var newest *vr.Answer
	for i := range answers {
		if a := &answers[i]; a.Known && a.Status == wire.StatusNormal && len(a.Members) > 0 && (newest == nil || a.View > newest.View) {
			newest = a
		}
	}
	if newest == nil {
		return g, false
	}
	members := newest.Members
	g.cluster = newest.Cluster
	leader := newest.Primary()
	for _, a := range answers {
		switch {
		case !a.Known || a.Status != wire.StatusNormal || a.View != newest.View || a.Cluster != newest.Cluster:
		case a.ID == leader:
			g.primary, g.minOp = a.ID, max(1, a.Commit)
		default:
			g.backups = append(g.backups, a.ID)
		}
	}
	return g, g.primary != 0 && len(g.backups)+1 > len(members)/2
}

// fetchFrom asks the group for a checkpoint and for how its members are, and fetches from those that are
// backups now; from the primary only if there are none or they give nothing.
func (l *Loop) fetchFrom(ctx context.Context, g *group, also bool) error {
	ctx, done := context.WithTimeout(ctx, askEvery/2)
	defer done()
	_, answers, err := l.ask(ctx, func(o *vr.Operator, now time.Duration) error {
		o.TakeCheckpoint(now, g.cluster, g.minOp)
		return nil
	})
	if err != nil {
		return err
	}
	if now, serves := serving(answers); serves && now.cluster == g.cluster {
		g.primary, g.backups = now.primary, now.backups
	}
	donors := slices.Clone(g.backups)
	if len(donors) == 0 || also {
		donors = append(donors, g.primary)
	}
	if !l.Do(func(host *stack.Host, now time.Duration) {
		host.Fetch(now, g.cluster, statexfer.Need{MinOp: g.minOp, Donors: donors}, &l.out)
	}) {
		return ErrClosed
	}
	return nil
}

// Restore makes a new group of all replicas, which must be up and without memory, that begins with a
// state. It tells them nothing before it has read all of it, and forms the group when all of them hold it.
func (l *Loop) Restore(ctx context.Context, t Transfer, c statexfer.Checkpoint) (cluster wire.ClusterID, err error) {
	first, cancel := context.WithTimeoutCause(ctx, t.Patience, context.DeadlineExceeded)
	_, err = l.Probe(first)
	denials := l.Denials()
	if err == nil {
		l.Do(func(host *stack.Host, _ time.Duration) { err = canForm(first, host.Operator(), denials) })
	}
	cancel()
	if err != nil {
		return cluster, err
	}
	base := wire.Base{Op: c.Op, Chain: c.Chain}
	if base.Root, err = l.give(ctx, c); err != nil {
		return cluster, err
	}
	if err := l.bring(ctx, &t, base); err != nil {
		return cluster, err
	}
	forming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go l.watchForming(forming, stop, t.Patience)
	return l.form(forming, base)
}

// errGiven: replicas ask for a state by its op, which two may have, and a file may still be read.
var errGiven = errors.New("this client has begun to restore a backup before: start another one")

// give reads the state, and returns its root.
func (l *Loop) give(ctx context.Context, c statexfer.Checkpoint) (root wire.Digest, err error) {
	l.Do(func(host *stack.Host, now time.Duration) {
		if l.given {
			err = errGiven
			return
		}
		l.given = true
		host.Give(now, c, &l.out)
	})
	if err != nil {
		return root, err
	}
	for {
		written := false
		if !l.Do(func(host *stack.Host, _ time.Duration) { root, written, err = host.Given() }) {
			return root, ErrClosed
		}
		if written {
			return root, err
		}
		if err := pause(ctx, lookEvery); err != nil {
			return root, err
		}
	}
}

// bring has all replicas fetch the state.
func (l *Loop) bring(ctx context.Context, t *Transfer, base wire.Base) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	type outcome struct {
		all     bool
		answers []vr.Answer
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		all, answers, err := l.ask(ctx, func(o *vr.Operator, now time.Duration) error {
			o.Bring(now, base)
			return nil
		})
		done <- outcome{all, answers, err}
	}()
	stalled := newWatch(t.Patience)
	for {
		select {
		case end := <-done:
			if end.err == nil && !end.all {
				end.err = fmt.Errorf("%w: replicas %v do not hold the state: %w", ErrNotFormed, silent(end.answers), context.Cause(ctx))
			}
			return end.err
		case <-time.After(lookEvery):
		}
		var gave, total, holders uint64
		l.Do(func(host *stack.Host, _ time.Duration) {
			gave, total = host.Gave()
			answers := host.Operator().Answers()
			holders = uint64(len(answers) - len(silent(answers)))
			total *= uint64(len(answers))
		})
		t.tell(min(gave, total), total)
		if stalled.stalls(gave, holders) {
			stop(fmt.Errorf("nothing was fetched for %v", t.Patience))
		}
	}
}

// watchForming gives up when replicas that were told that they are a group do not say that they read its
// state, or one of them can not read it.
func (l *Loop) watchForming(ctx context.Context, stop context.CancelCauseFunc, patience time.Duration) {
	for pause(ctx, lookEvery) == nil {
		l.Do(func(host *stack.Host, now time.Duration) {
			at, lost := host.Operator().Reading()
			switch {
			case host.Operator().Done():
			case lost != 0:
				stop(fmt.Errorf("replica %v could not read the state, and its log says why: does it serve another machine?", lost))
			case now-at > patience:
				stop(fmt.Errorf("they have not answered for %v", patience))
			}
		})
	}
}
