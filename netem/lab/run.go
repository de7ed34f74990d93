package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
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
	// Network is what to run it on. Run does not close it.
	Network Backend
	// Program is the vrnode whose replicas are run.
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

// A run is one experiment while it goes on.
type run struct {
	Options
	folder    *result.Folder
	began     time.Time // time 0 of the steps
	manifest  result.Manifest
	network   *network
	processes *processes
	watcher   *watcher
	workload  *workload
	driver    *driver
	// worked is until when clients began calls.
	worked time.Duration
	// settled and lost tell how the replicas were in the end: all alike, or without memory.
	settled, lost bool
	// troubles are why the run is not the experiment that was asked for.
	troubles []string
}

// Run runs a scenario and returns the folder with its result. If ctx ends, the run is cut short:
// everything is healed and ended, and the result says that it is invalid. Errors are those of the
// machine and the file system; whatever the group does is a verdict.
func Run(ctx context.Context, o Options) (*result.Run, error) {
	if missing := o.Scenario.Needs().Without(o.Network.CanDo()); missing != 0 {
		return &result.Run{Verdict: Unsupported(o.Network.Name(), missing)}, nil
	}
	r := &run{Options: o, began: time.Now()}
	var err error
	if r.folder, err = result.Create(o.Root, o.Scenario.Name, r.began, o.Scenario.Seed); err != nil {
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
	why := fmt.Sprintf("backend %s can not do: %v", backend, missing)
	return result.Verdict{Outcome: result.Unsupported, Why: []string{why}}
}

func (r *run) run(ctx context.Context) error {
	s := r.Scenario
	r.describe()
	if err := errors.Join(r.folder.Write(result.ManifestFile, r.manifest), r.folder.WriteText(result.ScenarioFile, r.Text)); err != nil {
		return err
	}
	r.watcher = newWatcher(s, r.folder)
	r.processes = newProcesses(r)
	r.watcher.memory = r.processes.memory
	defer r.processes.close()
	defer r.watcher.close()
	defer r.progress()()
	if err := r.setUp(ctx); err != nil {
		if ctx.Err() == nil {
			return err
		}
		r.trouble("interrupted before the group was formed")
		return r.conclude()
	}
	r.workload.acked = r.watcher.acknowledged
	r.workload.start(s, r.began)
	work, cancel := context.WithDeadline(ctx, r.began.Add(s.Workload.Duration))
	defer cancel()
	r.driver.drive(work)
	<-work.Done()
	if ctx.Err() != nil {
		r.trouble("interrupted after %v", time.Since(r.began).Round(time.Millisecond))
	}
	r.worked = time.Since(r.began)
	r.workload.stop()
	r.driver.heal()
	if ctx.Err() == nil {
		r.settle(ctx)
	}
	return r.conclude()
}

func (r *run) trouble(format string, args ...any) {
	r.troubles = append(r.troubles, fmt.Sprintf(format, args...))
}

// setUp starts the replicas, forms the group, impairs the links and fixes time 0.
func (r *run) setUp(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, formTimeout)
	defer cancel()
	for n := 1; n <= r.Scenario.Replicas; n++ {
		if err := r.processes.start(scenario.Site(n)); err != nil {
			return err
		}
	}
	if err := r.watcher.open(r.Network); err != nil {
		return err
	}
	if err := r.watcher.form(ctx); err != nil {
		return fmt.Errorf("the group could not be formed: %w", err)
	}
	if r.workload, err = newWorkload(r.Network, r.Scenario, r.folder); err != nil {
		return err
	}
	// It may take a machine seconds to impair all links, which are not part of the experiment.
	r.network, err = newNetwork(r.Network, r.Scenario, r.watcher.group())
	r.began = time.Now()
	r.network.began = r.began
	r.watcher.startAt(r.began)
	r.driver = newDriver(r)
	return err
}

// settle lets what is under way end, reads the value and waits for all replicas to have it.
func (r *run) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	r.workload.finish(ctx, r.watcher.groupLost)
	for ctx.Err() == nil && !r.settled && !r.lost {
		sleep(ctx, pollInterval)
		r.settled, r.lost = r.watcher.settled(), r.watcher.groupLost()
	}
}

// conclude ends everything, judges and writes.
func (r *run) conclude() error {
	if r.workload != nil {
		r.workload.close()
	}
	r.manifest.Lasted = time.Since(r.began)
	var links []result.Link
	if r.network != nil {
		links = r.network.links(r.manifest.Lasted)
		if slow := r.network.tooSlow(); slow != "" {
			r.trouble("%s", slow)
		}
	}
	verdict := r.judge(links)
	return errors.Join(
		r.folder.Write(result.ManifestFile, r.manifest),
		r.folder.Write(result.LinksFile, links),
		r.folder.Write(result.VerdictFile, verdict))
}

func (r *run) describe() {
	s := r.Scenario
	r.manifest = result.Manifest{
		Name: s.Name, Hypothesis: strings.TrimSpace(s.Hypothesis), File: s.File, Cell: r.Cell, Seed: s.Seed,
		Backend: r.Network.Name(), Replicas: s.Replicas, Clients: s.Workload.Clients,
		Began: r.began, Version: r.Version, System: system(), Reproduce: r.Reproduce,
	}
	for _, step := range s.Steps {
		r.manifest.Steps = append(r.manifest.Steps, fmt.Sprintf("%v: %v", step.When, step.Action))
	}
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
				r.Progress(r.watcher.line(r.Scenario))
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
