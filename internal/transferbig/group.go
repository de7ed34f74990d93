//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vrnode/internal/memory"
	"vrnode/internal/ports"
	"vrnode/vr"
	"vrnode/vr/client"
	"vrnode/wire"
)

// A group is the processes of a measurement.
type group struct {
	vrnode    string
	peers     map[uint64]string
	log       size   // of each replica
	level     string // of what they write of what happens
	spools    string // a directory
	processes map[uint64]*exec.Cmd
	journal   *journal
	client    *client.Client
	keys      uint64
}

// Replicas keep of the log one logShare of the state, within bounds.
const (
	logShare = 16
	logLeast = 16 << 20
	logMost  = vr.LogBytesDefault
)

// logFor returns how much of the log replicas keep, so that a state of that size has outgrown it.
func logFor(state size) size { return min(max(state/logShare, logLeast), logMost) }

// What replicas may write of what happens. The latter has checkpoints, and whatever a message was ignored
// for: it is for who wants to know.
const levelInfo, levelDebug = "info", "debug"

// startGroup starts and forms a group of n replicas, each with so much log.
func startGroup(ctx context.Context, n int, log size, level string, o *options) (g *group, err error) {
	g = &group{
		vrnode: o.vrnode, log: log, level: level, keys: uint64(o.size) / valueBytes,
		processes: make(map[uint64]*exec.Cmd), journal: newJournal(o.talk),
	}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.spools, err = os.MkdirTemp("", "transferbig-"); err != nil {
		return g, err
	}
	if g.peers, err = ports.Replicas(n); err != nil {
		return g, err
	}
	for id := range g.peers {
		if err := g.start(ctx, id); err != nil {
			return g, err
		}
	}
	if g.client, err = client.Start(client.Config{Peers: g.peers}); err != nil {
		return g, err
	}
	if _, err := g.client.Form(ctx); err != nil {
		return g, err
	}
	return g, nil
}

// start starts a replica.
func (g *group) start(ctx context.Context, id uint64) error {
	var peers []string
	for id, address := range g.peers {
		peers = append(peers, fmt.Sprintf("%d=%s", id, address))
	}
	cmd := exec.CommandContext(ctx, g.vrnode, "serve", "--id", strconv.FormatUint(id, 10), "--peers", strings.Join(peers, ","),
		"--machine", "kv", "--log-memory", g.log.String(), "--spool", g.spools, "--log-format", "json", "--log-level", g.level)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stderr = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return err
	}
	g.processes[id] = cmd
	go func() {
		defer r.Close()
		g.journal.read(r)
	}()
	return nil
}

// kill ends a replica as a crash would.
func (g *group) kill(id uint64) {
	if cmd := g.processes[id]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		delete(g.processes, id)
	}
}

func (g *group) signal(id uint64, s syscall.Signal) error { return g.processes[id].Process.Signal(s) }

func (g *group) close() {
	if g.client != nil {
		g.client.Close()
	}
	for id := range g.peers {
		g.kill(id)
	}
	_ = os.RemoveAll(g.spools)
}

// ids returns all replicas.
func (g *group) ids() []uint64 { return slices.Sorted(maps.Keys(g.peers)) }

// backups returns the replicas that are not the primary, as far as the journal tells.
func (g *group) backups() []uint64 {
	var ids []uint64
	for id := range g.peers {
		if id != g.primary() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (g *group) primary() uint64 { return g.journal.view()%uint64(len(g.peers)) + 1 }

const (
	// pollInterval is how often replicas are asked how they are.
	pollInterval = 100 * time.Millisecond
	// answerTime is how long they have to answer.
	answerTime = time.Second
)

// poll asks all replicas how they are until something holds of the answers, which may take most.
func (g *group) poll(ctx context.Context, most time.Duration, what string, holds func([]vr.Answer) bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for tick := time.Tick(pollInterval); ; {
		probing, cancel := context.WithTimeout(ctx, answerTime)
		answers, _ := g.client.Probe(probing) // who does not answer is not Known
		cancel()
		if holds(answers) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain until %s: %w", what, context.Cause(ctx))
		case <-tick:
		}
	}
}

// equal waits until all replicas have executed the same ops.
func (g *group) equal(ctx context.Context) error {
	return g.poll(ctx, patience, "all replicas are equal", func(answers []vr.Answer) bool {
		return !slices.ContainsFunc(answers, func(a vr.Answer) bool {
			return !a.Known || a.Status != wire.StatusNormal || a.Applied != answers[0].Applied || a.Applied != a.Op
		})
	})
}

// resident returns the memory of all processes, and forgets their peaks.
func (g *group) resident() (map[uint64]int64, error) {
	all := make(map[uint64]int64)
	for id, cmd := range g.processes {
		all[id] = memory.Resident(cmd.Process.Pid)
		if err := memory.ForgetPeak(cmd.Process.Pid); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// peak returns the most memory that a process has had since resident, or since its start.
func (g *group) peak(id uint64) int64 { return memory.Peak(g.processes[id].Process.Pid) }
