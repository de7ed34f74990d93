package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// Options say how to run a scenario.
type Options struct {
	Scenario *scenario.Scenario
	// Cell is the cell of the matrix that Scenario is, as text, if it is one.
	Cell string
	// Text is the file that the scenario was read from.
	Text []byte
	// Network is what to run it on. Run does not close it; Simulate has its own.
	Network Backend
	// Program is the vrnode whose replicas Run runs.
	Program string
	// Root is where result folders are made.
	Root string
	// Version and Reproduce are for the manifest.
	Version, Reproduce string
	// Progress is told how far the run is, several times a second, if it is not nil.
	Progress func(line string)
}

// Bounds on what a run waits for apart from its workload.
const (
	formTimeout   = 30 * time.Second
	settleTimeout = 20 * time.Second
)

// A run is one experiment with real processes while it goes on.
type run struct {
	experiment
	began     time.Time // time 0 of the steps
	processes *processes
	keys      *keys // nil in plain mode
	watcher   *watcher
	workload  *workload
	// drops are the rules about messages that have been given to the network.
	drops map[*dropped]dropping
	// giveUp ends the setting up.
	giveUp context.CancelCauseFunc
}

// dropping is how a backend is asked about a rule, and to end it.
type dropping struct {
	lost func() int
	stop func()
}

func newRun(o Options) (*run, error) {
	r := &run{experiment: experiment{Options: o}, began: time.Now(), drops: make(map[*dropped]dropping)}
	var err error
	r.folder, err = result.Create(o.Root, o.Scenario.Name, r.began, o.Scenario.Seed)
	return r, err
}

// Run runs a scenario and returns the folder with its result. If ctx ends, the run is cut short:
// everything is healed and ended, and the result says that it is invalid. Errors are those of the
// machine and the file system; whatever the group does is a verdict.
func Run(ctx context.Context, o Options) (*result.Run, error) {
	if missing := o.Scenario.Needs().Without(o.Network.CanDo()); missing != 0 {
		return &result.Run{Verdict: Unsupported(o.Network.Name(), missing)}, nil
	}
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	err = r.run(ctx)
	if r.workload != nil {
		r.workload.close()
	}
	if err := errors.Join(err, r.folder.Close()); err != nil {
		return nil, err
	}
	return result.Read(r.folder.Dir)
}

// Unsupported is the verdict of a scenario on a backend that lacks something.
func Unsupported(backend string, missing scenario.Capabilities) result.Verdict {
	why := fmt.Sprintf("backend %s can not do: %v; see vrnode lab doctor", backend, missing)
	return result.Verdict{Outcome: result.Unsupported, Why: []string{why}}
}

func (r *run) run(ctx context.Context) (err error) {
	s := r.Scenario
	if err := r.describe(r.Network.Name(), r.began); err != nil {
		return err
	}
	r.watcher = newWatcher(s, r.folder)
	r.processes = newProcesses(r)
	if s.Needs()&scenario.CanRekey != 0 {
		if r.keys, err = newKeys(s.Replicas); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.keys.close()) }()
	}
	r.watcher.memory = r.processes.memory
	defer r.processes.close()
	defer r.watcher.close()
	watched := sync.OnceFunc(r.progress())
	defer watched()
	if err := r.setUp(ctx); err != nil {
		if ctx.Err() == nil {
			return err
		}
		r.trouble("interrupted before the group was formed")
		watched()
		return r.end()
	}
	r.workload.acked = func() { r.watcher.with(func(b *board, _ time.Duration) { b.acked++ }) }
	r.workload.start(s, r.began)
	work, cancel := context.WithDeadline(ctx, r.began.Add(s.Workload.Duration))
	defer cancel()
	r.drive(work)
	if ctx.Err() != nil {
		r.trouble("interrupted after %v", r.now().Round(time.Millisecond))
	}
	r.worked = r.now()
	r.workload.stop()
	r.obey(r.now(), r, r.driver.Stop(r.now(), ctx.Err() == nil, nil))
	if ctx.Err() == nil {
		r.settle(ctx)
	}
	watched()
	return r.end()
}

// now is the time of the steps.
func (r *run) now() time.Duration { return time.Since(r.began) }

// setUp starts the replicas, forms the group, impairs the links and fixes time 0.
func (r *run) setUp(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, formTimeout+fillTimeout(r.Scenario))
	defer cancel()
	ctx, r.giveUp = context.WithCancelCause(ctx)
	defer r.giveUp(nil)
	for n := 1; n <= r.Scenario.Replicas; n++ {
		if err := r.processes.start(scenario.Site(n)); err != nil {
			return err
		}
	}
	if err := r.watcher.open(r.Network, r.keys.all()); err != nil {
		return err
	}
	if err := r.watcher.form(ctx, r.Scenario); err != nil {
		if why := context.Cause(ctx); why != ctx.Err() {
			err = why
		}
		return fmt.Errorf("the group could not be formed: %w", err)
	}
	if r.workload, err = newWorkload(r.Network, r.Scenario, r.keys.all(), r.folder); err != nil {
		return err
	}
	r.driver = newDriver(r.Scenario, r.watcher.group())
	// It may take a machine seconds to impair all links, which are not part of the experiment.
	r.network, err = newNetwork(r.Network, r.driver.plan.All())
	r.began = time.Now()
	r.watcher.startAt(r.began)
	return err
}

// died takes that a process has ended that the run has not killed.
func (r *run) died(s scenario.Site, byItself bool, how error) {
	text := fmt.Sprintf("replica %d ended: %s, see node-%[1]d.log", s, ending(how))
	r.watcher.with(func(b *board, now time.Duration) { b.died(now, byItself, text) })
	r.giveUp(fmt.Errorf("%s in %s", text, r.folder.Dir))
}

// ending is how a process ended.
func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// drive lets the driver take the steps until the context ends.
func (r *run) drive(ctx context.Context) {
	heard := 0
	for ctx.Err() == nil {
		events, group, changed := r.watcher.news(heard)
		heard += len(events)
		for i := range events {
			r.driver.Hear(&events[i])
		}
		now := r.now()
		r.obey(now, r, r.driver.Tick(now, group, nil))
		wait := time.NewTimer(r.driver.Deadline() - r.now())
		select {
		case <-wait.C:
		case <-changed:
		case <-ctx.Done():
		}
		wait.Stop()
	}
}

// ---- hands

func (r *run) crash(s scenario.Site) { r.processes.kill(s) }

func (r *run) start(s scenario.Site) error { return r.processes.start(s) }

func (r *run) pause(s scenario.Site, paused bool) error {
	r.watcher.with(func(b *board, _ time.Duration) { b.pause(s, paused) })
	if paused {
		return r.processes.signal(s, pauseSignal)
	}
	return r.processes.signal(s, resumeSignal)
}

func (r *run) rekey(s scenario.Site) error { return r.processes.rekey(s) }

func (r *run) rebind(s scenario.Site) error { return r.Network.Rebind(s) }

func (r *run) release(s scenario.Site) (followed int, err error) { return r.Network.Release(s) }

func (r *run) drop(d *dropped) error {
	lost, stop, err := r.Network.Drop(d.Message, d.directions, d.Skip, d.Count)
	if err == nil {
		r.drops[d] = dropping{lost, stop}
	}
	return err
}

func (r *run) pass(d *dropped) (lost int) {
	if on, found := r.drops[d]; found {
		lost = on.lost()
		on.stop()
	}
	return lost
}

func (r *run) keep(e result.Event) {
	r.watcher.with(func(b *board, _ time.Duration) { b.keep(e) })
}

// ---- the end

// settle lets what is under way end, reads the value and waits for all replicas to have it.
func (r *run) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	hopeless := func() bool { _, lost := r.watcher.end(); return lost }
	r.workload.finish(ctx, hopeless)
	for bereft := false; ctx.Err() == nil && !r.settled && !r.lost && !bereft; {
		sleep(ctx, pollInterval)
		r.settled, r.lost = r.watcher.end()
		r.watcher.with(func(b *board, _ time.Duration) { bereft = b.bereft() })
	}
}

// end ends the clients, judges and writes.
func (r *run) end() error {
	lasted := r.now()
	if r.workload == nil {
		return r.conclude(lasted, nil)
	}
	r.workload.close()
	history, complete := r.workload.past()
	t := &trial{history: history, complete: complete}
	r.watcher.with(func(b *board, _ time.Duration) {
		t.events, t.rss, t.crashes = slices.Clone(b.events), b.rss, b.crashes
		r.troubles = append(r.troubles, b.losses...)
	})
	return r.conclude(lasted, t)
}

// progress tells how far the run is until the function that it returns is called.
func (r *run) progress() (stop func()) {
	if r.Progress == nil {
		return func() {}
	}
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		const often = 200 * time.Millisecond
		ticks := time.NewTicker(often)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				r.Progress(r.watcher.line())
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended); <-done }
}

// sleep waits for a time or the end of a context.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Program returns the path of the running program, whose replicas are run by default.
func Program() (string, error) { return os.Executable() }
