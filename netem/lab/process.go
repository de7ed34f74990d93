package lab

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vrnode/internal/memory"
	"vrnode/netem/scenario"
)

// processes are the replicas of a run. Only they are ever signalled, by the handle of the child.
type processes struct {
	run *run
	// jobs go to a goroutine that keeps its thread: Linux ends a child of a runner that dies
	// when the thread that started it ends.
	jobs chan func()
	done chan struct{}

	mu   sync.Mutex
	live map[scenario.Site]*process
}

// A process is one life of a replica.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	// reread is sent to when the process has read its key file again.
	reread chan struct{}
	// killed: the end is the work of the runner.
	killed atomic.Bool
}

func newProcesses(r *run) *processes {
	p := &processes{run: r, jobs: make(chan func()), done: make(chan struct{}), live: make(map[scenario.Site]*process)}
	go func() {
		runtime.LockOSThread()
		defer close(p.done)
		for job := range p.jobs {
			job()
		}
	}()
	return p
}

// start runs a replica that is not running.
func (p *processes) start(s scenario.Site) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live[s] != nil {
		return nil
	}
	log, err := p.run.folder.Log(int(s))
	if err != nil {
		return err
	}
	args := []string{"serve", "--log-format", "json", "--id", strconv.Itoa(int(s)), "--peers", peersText(p.run.Network.Peers(s))}
	args = append(args, p.run.Scenario.Serve()...)
	cmd := p.run.Network.Command(s, p.run.Program, append(args, p.run.keys.flags(s)...)...)
	proc := &process{cmd: cmd, ended: make(chan struct{}), reread: make(chan struct{}, 1)}
	cmd.Stderr = &listener{log: log, said: func(line []byte) {
		if bytes.Contains(line, []byte(rereadText)) {
			select {
			case proc.reread <- struct{}{}:
			default: // it is known already
			}
		}
		p.run.watcher.said(int(s), line)
	}}
	tie(cmd)
	started := make(chan error)
	p.jobs <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("replica %d: %w", s, err)
	}
	p.live[s] = proc
	p.run.watcher.process(s, true, "start", "")
	go func() {
		err := cmd.Wait()
		p.run.watcher.process(s, false, "exit", ending(err))
		if code := cmd.ProcessState.ExitCode(); code >= 0 || !proc.killed.Load() {
			p.run.died(s, code >= 0, err)
		}
		close(proc.ended)
	}()
	return nil
}

func peersText(peers map[uint64]string) string {
	var items []string
	for _, id := range slices.Sorted(maps.Keys(peers)) {
		items = append(items, fmt.Sprintf("%d=%s", id, peers[id]))
	}
	return strings.Join(items, ",")
}

// kill ends a replica at once and waits until it is gone. Its memory is lost.
func (p *processes) kill(s scenario.Site) {
	p.mu.Lock()
	defer p.mu.Unlock()
	proc := p.live[s]
	if proc == nil {
		return
	}
	delete(p.live, s)
	proc.killed.Store(true)
	_ = proc.cmd.Process.Kill() // it may have ended by itself
	<-proc.ended
}

// signal pauses a replica or lets it go on.
func (p *processes) signal(s scenario.Site, signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc := p.live[s]; proc != nil {
		if err := proc.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return nil
}

const (
	// rereadText is what a replica logs when it has read its key file again.
	rereadText = "the key file was read again"
	// rereadTimeout is how long it may take to.
	rereadTimeout = 10 * time.Second
)

// rekey gives a replica its next keys, and waits until it has read them if it runs.
func (p *processes) rekey(s scenario.Site) error {
	if err := p.run.keys.advance(s); err != nil {
		return err
	}
	p.mu.Lock()
	proc := p.live[s]
	p.mu.Unlock()
	if proc == nil {
		return nil // it reads them when it starts
	}
	if err := p.signal(s, syscall.SIGHUP); err != nil {
		return err
	}
	timeout := time.NewTimer(rereadTimeout)
	defer timeout.Stop()
	select {
	case <-proc.reread:
		return nil
	case <-proc.ended:
		return fmt.Errorf("replica %d ended instead of reading its key file", s)
	case <-timeout.C:
		return fmt.Errorf("replica %d has not read its key file within %v", s, rereadTimeout)
	}
}

// memory returns the most memory that a replica's process has taken, 0 if it is not known.
func (p *processes) memory(s scenario.Site) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc := p.live[s]; proc != nil {
		return memory.Peak(proc.cmd.Process.Pid)
	}
	return 0
}

// close ends all replicas. It may be called again.
func (p *processes) close() {
	for n := 1; n <= p.run.Scenario.Replicas; n++ {
		p.kill(scenario.Site(n))
	}
	close(p.jobs)
	<-p.done
}

// A listener is the standard error of a replica: it goes to the log, and line by line to whoever
// wants to know what was said.
type listener struct {
	log  *os.File
	said func(line []byte)
	rest []byte
}

// lineMax bounds a line. What is longer is in the log only.
const lineMax = 64 << 10

func (l *listener) Write(b []byte) (int, error) {
	if _, err := l.log.Write(b); err != nil {
		return 0, err
	}
	l.rest = append(l.rest, b...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			break
		}
		l.said(line)
		l.rest = rest
	}
	if len(l.rest) > lineMax {
		l.rest = nil
	}
	return len(b), nil
}

// system is what the run ran on.
func system() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.Join(strings.Fields(fmt.Sprintf("%s/%s %s %d CPUs", runtime.GOOS, runtime.GOARCH, release, runtime.NumCPU())), " ")
}
