package sim

import (
	"fmt"
	"io"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/stack"
	"vrnode/vr"
	"vrnode/wire"
)

// Options say which run to make.
type Options struct {
	// Seed rolls the choices, unless Choices holds a recorded run.
	Seed    uint64
	Choices []int
	// Verbose gets a line for each event, if it is not nil.
	Verbose io.Writer
}

// A Result is what became of a run.
type Result struct {
	Seed uint64
	// Violation is the first broken promise, or nil.
	Violation *Violation
	// Hash stands for everything that happened: equal runs have equal hashes.
	Hash    uint64
	Choices []int
	Stats   Stats
	// Virtual is how long the run was for those in it.
	Virtual time.Duration
	// Histories are what the clients saw of the group, and of the one after it if it was lost.
	Histories [][]*Call
}

// Reproduce is the command that repeats the run.
func (r *Result) Reproduce() string {
	return fmt.Sprintf("go run ./cmd/vrnode sim --seed %#x -v", r.Seed)
}

// Run makes one run: a group is formed, things go wrong for a while, then nothing does any more,
// and the group has to serve again. If it is lost it is formed anew, once, and all that comes again.
func Run(o Options) Result {
	recorder := &Recorder{From: NewDice(o.Seed)}
	if o.Choices != nil {
		recorder.From = &Tape{Choices: o.Choices}
	}
	r := newRun(recorder, o)
	r.phases()
	return Result{
		Seed: o.Seed, Violation: r.w.violation, Hash: r.w.trace.hash.Sum64(), Choices: recorder.Choices,
		Stats: r.w.stats, Virtual: r.w.now, Histories: append(r.past, r.history),
	}
}

// A run is a World with a scenario: what its clients do and what goes wrong.
type run struct {
	scenario
	w        *World
	loads    []*load // by site; nil where no client is
	history  []*Call
	returned wire.OpNumber // highest op that a client has a result of
	stopped  bool          // clients submit no more
	past     [][]*Call     // the history of a group that was lost

	ids      []wire.Peer
	operator int // site
	zombie   int // site
	used     []wire.Incarnation
	booted   int
	secure   bool
	restores bool // the group begins with the state of an earlier one
	logBytes int

	strikeAt time.Duration // when the next thing goes wrong
	trap     trap
	agenda   []appointment
}

type appointment struct {
	at time.Duration
	do func()
}

func newRun(c Chooser, o Options) *run {
	r := &run{scenario: rollScenario(c), strikeAt: never}
	r.operator = r.replicas + r.clients
	r.zombie = r.operator + 1
	r.w = newWorld(c, r.replicas, r.zombie+1, uint64(c.Choose(1<<30, "network")), newTrace(o.Verbose))
	r.w.zombie, r.w.carries = r.zombie, true
	r.trouble()
	r.w.onResult = r.take
	r.w.onStep = r.afterStep
	for i := range r.replicas {
		r.ids = append(r.ids, wire.Peer(i+1))
	}
	r.loads = make([]*load, len(r.w.sites))
	for i := range r.replicas {
		r.boot(i)
	}
	for i := range r.clients {
		r.bootClient(r.replicas + i)
	}
	r.bootOperator()
	return r
}

func (r *run) choose(n int, what string) int { return r.w.choose.Choose(n, what) }

// boot starts a process of a member. Its clock may be behind that of its last run, but it never
// takes the same incarnation.
func (r *run) boot(member int) {
	micros := uint64(1<<32) + uint64(r.w.now.Microseconds()) + uint64(r.booted) // no two runs begin in one µs
	if r.clockStepsBack {
		step := 400 * time.Millisecond
		if r.past != nil {
			step = 3 * time.Second // behind what the lost group knew
		}
		micros -= uint64(r.choose(5, "clock steps back")) * uint64(step.Microseconds())
	}
	incarnation := vr.FreshIncarnation(micros, uint64(r.choose(4096, "incarnation")), 0)
	for i := 0; i < len(r.used); i++ {
		if r.used[i] == incarnation {
			incarnation, i = incarnation+1, -1
		}
	}
	r.used = append(r.used, incarnation)
	self := r.ids[member]
	if r.bare {
		cfg := vr.Config{Self: self, Incarnation: incarnation, Replicas: r.ids, Seed: r.seed()}
		cfg.LogBytes = r.logBytes
		r.w.run(member, self, newBareReplica(cfg, r.w.siteOf))
	} else {
		r.w.run(member, self, newReplicaHost(r.w, r.host(self, incarnation)))
	}
	if r.clientsAtHome {
		r.loads[member] = &load{site: member, at: r.w.now}
	}
}

// secureOneIn: one in so many runs of whole hosts is in secure mode. The seed of the first process
// decides.
const secureOneIn = 8

func (r *run) host(self wire.Peer, incarnation wire.Incarnation) stack.Config {
	cfg := hostConfig(r.ids, self, incarnation, r.seed())
	if r.booted == 1 {
		r.secure = cfg.Seed%secureOneIn == secureOneIn-1
		r.restores = cfg.Seed/(secureOneIn*uint64(len(logSizes)))%baseOneIn == baseOneIn-1
	}
	cfg.LogBytes = r.logBytes
	if r.secure {
		return withKeys(cfg, []noise.Key{{1}})
	}
	return cfg
}

// logSizes are how much memory logs may take, 0 for what is usual, which is more than any run needs.
// The smallest keeps a few ops more than a client has outstanding, so that replicas lack what the others
// have forgotten all the time. Hosts have larger ones: after the faults, what they keep must be what is
// executed while a state is moved. The seed of the first process decides.
var (
	logSizes     = [...]int{0, 4 << 10, 8 << 10, 0, 32 << 10}
	hostLogSizes = [len(logSizes)]int{0, 16 << 10, 16 << 10, 0, 32 << 10}
)

// seed makes the seed of a process. It differs between the processes of a run.
func (r *run) seed() uint64 {
	r.booted++
	seed := r.choose(1<<16, "seed")
	if r.booted == 1 {
		r.logBytes = hostLogSizes[seed/secureOneIn%len(logSizes)]
		if r.bare {
			r.logBytes = logSizes[seed/secureOneIn%len(logSizes)]
		}
	}
	return uint64(r.booted)<<32 | uint64(seed)
}

// bootClient starts a client in a process of its own.
func (r *run) bootClient(site int) {
	seed := r.seed()
	self := wire.ClientPeer(seed<<16, 0)
	if r.bare {
		cfg := vr.ClientConfig{Self: self, Replicas: r.ids, Seed: seed}
		r.w.run(site, self, newBareClient(cfg, r.w.siteOf))
	} else {
		r.w.run(site, self, newHost(r.host(self, wire.Incarnation(seed))))
	}
	r.loads[site] = &load{site: site, at: r.w.now}
}

func (r *run) bootOperator() {
	r.w.rots = !r.restores // a member whose spool rots could not be born
	number := len(r.past) + 1
	self, cluster := wire.ClientPeer(0xf<<60, 0), wire.ClusterID{byte(number)}
	incarnation := wire.Incarnation(number)
	if r.bare {
		cfg := vr.OperatorConfig{Self: self, Replicas: r.ids}
		r.w.run(r.operator, self, newBareOperator(cfg, cluster, r.w.siteOf))
		return
	}
	if r.restores {
		b := newBase()
		r.w.record.beginAt(b)
		r.w.run(r.operator, self, newRestoringHost(r.w, r.host(self, incarnation), cluster, b.kept()))
		return
	}
	r.w.run(r.operator, self, newOperatorHost(r.host(self, incarnation), cluster))
}

// ---- what happens when

func (r *run) later(after time.Duration, do func()) {
	r.agenda = append(r.agenda, appointment{r.w.now + after, do})
}

// until lets time pass to end, or until stop says so, and tells whether it did.
func (r *run) until(end time.Duration, stop func() bool) bool {
	for r.w.violation == nil {
		if stop() {
			return true
		}
		at := min(end, r.next())
		if r.w.step(at) {
			continue
		}
		if r.w.violation != nil || at == end {
			r.w.now = max(r.w.now, end)
			break
		}
		r.w.now = max(r.w.now, at)
		r.fire()
	}
	return false
}

// next returns when the run itself next has something to do.
func (r *run) next() time.Duration {
	at := r.strikeAt
	for _, l := range r.loads {
		if l != nil {
			at = min(at, l.at)
		}
	}
	for _, a := range r.agenda {
		at = min(at, a.at)
	}
	return at
}

func (r *run) fire() {
	for _, l := range r.loads {
		if l != nil && l.at <= r.w.now {
			r.submit(l)
		}
	}
	for i := 0; i < len(r.agenda); i++ {
		if a := r.agenda[i]; a.at <= r.w.now {
			r.agenda = append(r.agenda[:i], r.agenda[i+1:]...)
			i--
			a.do()
		}
	}
	if r.strikeAt <= r.w.now {
		r.strike()
	}
}

func (r *run) afterStep(site int, out *output) {
	if site == r.operator {
		r.w.record.formed, _ = r.w.sites[site].process.(operating).formed()
	}
	if site >= r.replicas {
		return
	}
	if r.w.sites[site].subject.now.Status == wire.StatusHalted {
		r.fenced(site)
		return
	}
	for _, e := range out.events {
		if e.Kind == vr.EventViewStarted && e.Peer == r.w.sites[site].peer {
			r.maybeRelease()
		}
	}
	r.spring(site, out)
}

func (r *run) fault(what string, site int) {
	r.w.stats.Faults++
	r.w.trace.mix(r.w.now, site, []byte(what))
	r.w.trace.line(r.w.now, r.w.sites[site].name+"*", what, "")
}
