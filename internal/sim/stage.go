package sim

import (
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"vrnode/frag/noise"
	"vrnode/netem/link"
	"vrnode/vr"
	"vrnode/wire"
)

// A Stage is the World under the control of a laboratory: whole processes, and nothing goes wrong
// but what somebody does to them or to their links. Sites have numbers: the replicas from 1, the
// clients after them. As everywhere, the checkers look at every replica after each of its steps.
type Stage struct {
	w        *World
	cfg      StageConfig
	ids      []wire.Peer
	operator int // site
	booted   int
	keys     [][]noise.Key // of each replica
}

// StageConfig says what is on a Stage.
type StageConfig struct {
	Replicas, Clients int
	// Keys are those of the clients, ReplicaKeys those with which each replica begins; none for
	// plain mode.
	Keys, ReplicaKeys []noise.Key
	// LogBytes is the memory for each replica's log, 0 for what is usual.
	LogBytes int
	// Seed is that of all that is left to chance.
	Seed uint64
	// Trace gets a line for each event, if it is not nil.
	Trace io.Writer
	// OnEvent hears of what happens to a replica, OnResult of each finished request of a client.
	OnEvent  func(replica int, e vr.Event)
	OnResult func(client int, request wire.RequestNumber, outcome wire.Outcome, value string)
	// Lose is asked about each datagram before its link is; a true loses it.
	Lose func(from, to int, datagram []byte) bool
}

// stepTime is how long a process on a Stage does nothing else after it has done something. Without
// it, clients on perfect links would get any number of answers in no time.
const stepTime = 100 * time.Microsecond

// NewStage returns a group of replicas that has not been formed, and its clients, on perfect links.
func NewStage(cfg StageConfig) *Stage {
	s := &Stage{cfg: cfg, operator: cfg.Replicas + cfg.Clients}
	s.w = newWorld(NewDice(cfg.Seed), cfg.Replicas, s.operator+1, cfg.Seed, newTrace(cfg.Trace))
	s.w.stepTime, s.w.stepsMax = stepTime, math.MaxInt
	s.w.onStep, s.w.onResult = s.afterStep, s.take
	if lose := cfg.Lose; lose != nil {
		s.w.net.lose = func(from, to int, b []byte) bool { return lose(from+1, to+1, b) }
	}
	for i := range cfg.Replicas {
		s.ids = append(s.ids, wire.Peer(i+1))
		s.keys = append(s.keys, cfg.ReplicaKeys)
	}
	for i := range cfg.Replicas {
		s.Start(i + 1)
	}
	for i := range cfg.Clients {
		seed := s.seed()
		self := wire.ClientPeer(seed<<16, 0)
		s.w.run(cfg.Replicas+i, self, newHost(withKeys(hostConfig(s.ids, self, wire.Incarnation(seed), seed), cfg.Keys)))
	}
	return s
}

// seed makes the seed of a process, which no other process has.
func (s *Stage) seed() uint64 {
	s.booted++
	return uint64(s.booted)<<32 | uint64(s.w.choose.Choose(1<<16, "seed"))
}

// Form lets an operator form the group as soon as all replicas answer. It leaves when they have.
func (s *Stage) Form() {
	self := wire.ClientPeer(0xf<<60, 0)
	s.w.run(s.operator, self, newOperatorHost(withKeys(hostConfig(s.ids, self, 1, s.seed()), s.cfg.Keys), wire.ClusterID{1}))
}

// Start runs a replica that is down. It has no memory.
func (s *Stage) Start(replica int) {
	seed := s.seed()
	micros := uint64(1<<32) + uint64(s.w.now.Microseconds()) + uint64(s.booted) // no two runs begin in one µs
	self := s.ids[replica-1]
	incarnation := vr.FreshIncarnation(micros, seed, 0)
	cfg := withKeys(hostConfig(s.ids, self, incarnation, seed), s.keys[replica-1])
	cfg.LogBytes = s.cfg.LogBytes
	s.w.run(replica-1, self, newReplicaHost(s.w, cfg))
}

// SetKeys replaces the keys of a replica, in secure mode.
func (s *Stage) SetKeys(replica int, keys []noise.Key) {
	s.keys[replica-1] = keys
	at := s.w.sites[replica-1]
	if p, up := at.process.(*hostProcess); up {
		p.host.Endpoint().SetKeys(s.w.now-at.born, keys)
	}
}

// Kill ends a replica, and all that it knew.
func (s *Stage) Kill(replica int) { s.w.kill(replica - 1) }

// Pause stops a replica, not its clock. What is sent to it waits.
func (s *Stage) Pause(replica int) { s.w.sites[replica-1].paused = never }

// Resume lets a replica go on.
func (s *Stage) Resume(replica int) { s.w.sites[replica-1].paused = s.w.now }

// Rebind has others see what a site sends come from a port of which they have not heard, and loses
// what they send to the one before, unless that is a replica's own.
func (s *Stage) Rebind(site int) { s.w.net.nats[site-1].rebind(site <= s.cfg.Replicas) }

// Release gives a site its own port again, and tells how many packets came to the one that it had
// instead.
func (s *Stage) Release(site int) (followed int) { return s.w.net.nats[site-1].release() }

// Set gives a direction new settings, which are valid.
func (s *Stage) Set(from, to int, settings link.Settings) {
	s.w.net.link(from-1, to-1).Set(s.w.now, settings)
}

// Counters returns what a direction has done so far.
func (s *Stage) Counters(from, to int) link.Counters { return s.w.net.link(from-1, to-1).Counters() }

// Submit gives a command to a client; false if it has no room for it.
func (s *Stage) Submit(client int, command string) (wire.RequestNumber, bool) {
	at := s.w.sites[client-1]
	return at.process.submit(s.w.now-at.born, []byte(command))
}

// Ask returns what a replica answers when it is asked how it is, which is nothing if it is down or
// paused.
func (s *Stage) Ask(replica int) vr.Answer {
	at := s.w.sites[replica-1]
	a := vr.Answer{ID: s.ids[replica-1]}
	p, up := at.process.(*hostProcess)
	if !up || at.paused == never {
		return a
	}
	p.effects.Reset()
	a.ProbeReply = *p.host.Report(s.w.now-at.born, &p.effects)
	a.Members, a.Peers = slices.Clone(a.Members), slices.Clone(a.Peers)
	status := &at.subject.now
	a.Known, a.Cluster, a.View, a.Incarnation = true, status.Cluster, status.View, status.Incarnation
	return a
}

// Now returns the time since the Stage was made.
func (s *Stage) Now() time.Duration { return s.w.now }

// Step makes the next thing happen, if it does before until; else time passes until then. It tells
// whether something happened. After a violation nothing does.
func (s *Stage) Step(until time.Duration) bool {
	if s.w.step(until) {
		return true
	}
	if s.w.violation == nil {
		s.w.now = max(s.w.now, until)
	}
	return false
}

// Note writes a line into the trace.
func (s *Stage) Note(text string) { s.w.trace.line(s.w.now, "*", text, "") }

// Violation returns the first broken promise, or nil.
func (s *Stage) Violation() *Violation { return s.w.violation }

// Steps returns how many steps the processes have made.
func (s *Stage) Steps() int { return s.w.stats.Steps }

func (s *Stage) afterStep(site int, out *output) {
	switch {
	case site == s.operator:
		listed, done := s.w.sites[site].process.(operating).formed()
		if s.w.record.formed = listed; done {
			s.w.kill(site)
		}
	case site < s.cfg.Replicas:
		for _, e := range out.events {
			s.cfg.OnEvent(site+1, e)
		}
	}
}

func (s *Stage) take(site int, r vr.Result) {
	value, _, _ := strings.Cut(string(r.Body), "@") // the rest is for checkers
	s.cfg.OnResult(site+1, r.Request, r.Outcome, value)
}
