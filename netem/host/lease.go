package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/tc"
)

// LeaseMax bounds a lease, which begins when the interface is impaired. setupMax bounds the time until
// then.
const (
	LeaseMax = 24 * time.Hour
	setupMax = time.Minute
)

// Options say what to do to an interface.
type Options struct {
	Interface tc.Interface
	Settings  link.Settings
	// Does are the settings in words.
	Does string
	// For is how long the lease is.
	For time.Duration
	// Watchdog is the command of a process that calls Watch for the interface. The package gives
	// it its standard input and a session of its own.
	Watchdog func(dev string) *exec.Cmd
	// Ran is told each command that has been run, and Applied that all have.
	Ran     func(tc.Command)
	Applied func(*Journal)
}

// Apply impairs an interface until the lease or ctx ends, and heals it. Errors leave it healed, too,
// unless they say something else.
func Apply(ctx context.Context, o Options) (err error) {
	i := &o.Interface
	if o.For <= 0 || o.For > LeaseMax {
		return fmt.Errorf("a lease of %v: it must be above 0 and at most %v", o.For, LeaseMax)
	}
	if err := i.Check(nil); err != nil {
		return err
	}
	j := &Journal{Dev: i.Dev, Does: o.Does, For: o.For, Until: time.Now().Add(o.For), PID: os.Getpid(), Undo: i.Down()}
	if err := j.write(); err != nil {
		return err
	}
	if err := free(i); err != nil {
		return errors.Join(err, os.Remove(file(i.Dev)))
	}
	dog, err := unleash(o.Watchdog(i.Dev))
	if err != nil {
		return errors.Join(err, os.Remove(file(i.Dev)))
	}
	defer func() { err = errors.Join(err, j.heal(), dog.end()) }()
	for _, c := range append(i.Up(), i.Set(o.Settings)...) {
		if _, err := c.Run(nil); err != nil {
			return err
		}
		o.Ran(c)
	}
	if _, err := io.WriteString(dog.pipe, "applied\n"); err != nil {
		return fmt.Errorf("the watchdog: %w", err)
	}
	o.Applied(j)
	select {
	case <-ctx.Done():
	case <-time.After(o.For):
	}
	return nil
}

// free tells why an interface must not be touched, or nil.
func free(i *tc.Interface) error {
	text, err := i.Show().Run(nil)
	if err != nil {
		return err
	}
	qdiscs, err := tc.ParseQdiscs(text)
	if err != nil {
		return err
	}
	if err := i.Check(qdiscs); err != nil {
		return err
	}
	if len(tc.Marked(qdiscs)) > 0 {
		return fmt.Errorf("%s has a root qdisc that was left behind: see vrnode lab clean --host-iface %s", i.Dev, i.Dev)
	}
	return nil
}

// A watchdog is a process, and the pipe at whose end it hears that ours has ended.
type watchdog struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func unleash(cmd *exec.Cmd) (*watchdog, error) {
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the watchdog: %w", err)
	}
	return &watchdog{cmd, pipe}, nil
}

// end lets the watchdog look whether all is healed, and end.
func (w *watchdog) end() error {
	w.pipe.Close()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("the watchdog: %w", err)
	}
	return nil
}

// Watch is the watchdog of an interface. It heals when the lease ends, and again when alive or ctx
// does, and then returns. alive ends with the process that holds the lease, which writes to it when
// the lease begins.
func Watch(ctx context.Context, dev string, alive io.Reader) error {
	j, err := read(dev)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has healed
	}
	if err != nil {
		return err
	}
	applied, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var b [1]byte
		if n, _ := alive.Read(b[:]); n > 0 {
			close(applied)
		}
		_, _ = io.Copy(io.Discard, alive) // however it ends
	}()
	for over := time.After(setupMax); ; {
		select {
		case <-applied:
			applied, over = nil, time.After(j.For)
		case <-over:
			if err := j.heal(); err != nil {
				return err
			}
		case <-ended:
			return j.heal()
		case <-ctx.Done():
			return j.heal()
		}
	}
}

// heal undoes all, unless the interface has been healed and is somebody else's. It may be done again,
// and by two processes at a time.
func (j *Journal) heal() error {
	if now, err := read(j.Dev); err == nil && now.PID != j.PID {
		return nil
	}
	f := Found{Dev: j.Dev, Undo: j.Undo}
	return f.Remove(func(tc.Command) {})
}
