package linktest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"vrnode/frag"
	"vrnode/frag/noise"
	"vrnode/wire"
)

// A Phase is a part of a measurement.
type Phase string

// The phases, in the order in which they are measured.
const (
	Ping  Phase = "ping"  // small messages there and back, one at a time
	Up    Phase = "up"    // bulk to the other end
	Down  Phase = "down"  // bulk from the other end
	Sweep Phase = "sweep" // messages of several sizes, one at a time, with small answers
)

// Phases are all phases.
var Phases = []Phase{Ping, Up, Down, Sweep}

// Config is what to measure.
type Config struct {
	// To is the HOST:PORT of a listener.
	To     string
	Phases []Phase
	// Duration is how long each phase lasts.
	Duration time.Duration
	// Patience is how long the other end may be silent.
	Patience time.Duration
	// Size is the size of a ping, Sizes are those of the sweep, in bytes.
	Size  int
	Sizes []int
	// Keys are none, or one that the listener has too.
	Keys []noise.Key
	// Spin is for how long to ask the socket again and again before sleeping; see udp.Conn.
	Spin time.Duration
	// Progress is called a few times a second, if it is not nil.
	Progress func(Progress)
}

// Progress is how far a measurement is.
type Progress struct {
	Phase Phase
	// Share of the whole measurement that is over, from 0 to 1.
	Share float64
	// BytesPerSecond of the phase so far, in bulk and sweep.
	BytesPerSecond float64
}

// What can go wrong with a link.
var (
	// ErrNobody: there never was an answer.
	ErrNobody = errors.New("nobody answers")
	// ErrDenied: the other end refuses to talk; the report says why.
	ErrDenied = errors.New("the other end refuses to talk")
	// ErrSilent: the answers have stopped.
	ErrSilent = errors.New("the other end has stopped answering")
	// ErrRestarted: the session was lost, and with it what was under way.
	ErrRestarted = errors.New("the other end has started anew, or was out of reach for too long")
)

// progressInterval is the time between two calls of Progress.
const progressInterval = 200 * time.Millisecond

// Measure measures the link to a listener. If it ends early, because ctx ended or the link failed,
// the report has what was measured until then. It is nil if nothing was begun.
func Measure(ctx context.Context, cfg Config) (*Report, error) {
	to, err := resolvePeer(cfg.To)
	if err != nil {
		return nil, err
	}
	r, err := newRuntime(anywhere(to), cfg.Keys, wire.ClientPeer(random(), 0), frag.Address{ID: listenerID, Addr: to})
	if err != nil {
		return nil, err
	}
	r.conn.Spin(cfg.Spin)
	m := newMeter(&r.transport, &cfg)
	m.report.To, m.report.Local, m.report.Advice = to.String(), r.conn.LocalAddr().String(), r.conn.Buffers().Advice()
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx, m) }()
	watch(cfg.Progress, &m.progress, ended, &err)
	if err == nil {
		err = m.err
	}
	m.finish(r.now())
	if err == nil && !m.Done() {
		err = fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	m.report.Interrupted = err != nil
	return &m.report, err
}

// watch reports progress until the measurement has ended.
func watch(report func(Progress), progress *atomic.Pointer[Progress], ended <-chan error, err *error) {
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case *err = <-ended:
			return
		case <-ticker.C:
			if p := progress.Load(); p != nil && report != nil {
				report(*p)
			}
		}
	}
}
