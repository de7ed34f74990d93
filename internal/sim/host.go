package sim

import (
	"encoding/binary"
	"net/netip"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/stack"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// hostProcess is a whole process as it runs in production: a stack.Host, to which packets are
// datagrams.
type hostProcess struct {
	host    *stack.Host
	machine machine
	effects stack.Effects
	forming *formation // of an operator
	jobs    []job      // of a replica
	// takes tells how long a job takes.
	takes func(stack.Job) time.Duration
}

// A job is work that a process has begun beside its protocol.
type job struct {
	done time.Duration
	work stack.Job
}

// A formation is what an operator was told to do.
type formation struct {
	cluster wire.ClusterID
	listed  []wire.Member
	// restoring is nil if the group is to begin with nothing.
	restoring *restoring
}

// hostConfig returns what a process is told about itself and the replicas, which are at the first
// sites.
func hostConfig(ids []wire.Peer, self wire.Peer, incarnation wire.Incarnation, seed uint64) stack.Config {
	cfg := stack.Config{Self: self, Incarnation: incarnation, Seed: seed}
	for i, id := range ids {
		cfg.Replicas = append(cfg.Replicas, stack.Address{ID: id, Addr: addressOf(i)})
	}
	return cfg
}

// withKeys puts a process in secure mode, if there are keys.
func withKeys(cfg stack.Config, keys []noise.Key) stack.Config {
	if len(keys) > 0 {
		cfg.Keys = keys
		binary.LittleEndian.PutUint64(cfg.Entropy[:], cfg.Seed)
	}
	return cfg
}

// newReplicaHost returns a host of a replica in a World.
func newReplicaHost(w *World, cfg stack.Config) *hostProcess {
	cfg.Spools = stack.Spools{
		Source: func() (stack.Spool, error) { return w.openSpool(), nil },
		Target: func(wire.ClusterID) (stack.Spool, error) { return w.openSpool(), nil },
		Tail:   func() (stack.Spool, error) { return w.openTail(), nil },
	}
	p := newHost(cfg)
	if w.states.pieces > 0 {
		p.machine.ballast = newBallast(w.states.pieces)
	}
	p.takes = w.jobTakes
	return p
}

func newHost(cfg stack.Config) *hostProcess {
	p := &hostProcess{}
	if cfg.Self.IsReplica() {
		cfg.Machine = &p.machine
	}
	p.host = stack.New(cfg)
	return p
}

// newOperatorHost returns a host that forms a group as soon as all replicas have answered.
func newOperatorHost(cfg stack.Config, cluster wire.ClusterID) *hostProcess {
	p := newHost(cfg)
	p.forming = &formation{cluster: cluster}
	p.host.Operator().Probe(0)
	return p
}

// newRestoringHost returns one that gives them a state first.
func newRestoringHost(w *World, cfg stack.Config, cluster wire.ClusterID, c statexfer.Checkpoint) *hostProcess {
	cfg.Spools.Source = func() (stack.Spool, error) { return new(statexfer.Memory), nil }
	p := newOperatorHost(cfg, cluster)
	p.forming.restoring, p.takes = &restoring{checkpoint: c}, w.jobTakes
	return p
}

// firstPort is the port of site 0. All addresses of a network are ports of one machine.
const firstPort = 7000

func addressOf(number int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), firstPort+uint16(number))
}

func numberOf(a netip.AddrPort) int { return int(a.Port()) - firstPort }

func (p *hostProcess) step(now time.Duration, from int, packet []byte, out *output) {
	p.effects.Reset()
	p.host.Step(now, addressOf(from), packet, &p.effects)
	p.operate(now)
	p.end(now, out)
}

// operate lets an operator go on.
func (p *hostProcess) operate(now time.Duration) {
	if f := p.forming; f != nil && p.restore(now) {
		base := wire.Base{}
		if f.restoring != nil {
			base = f.restoring.base
		}
		form(p.host.Operator(), now, f.cluster, base, &f.listed)
	}
}

// tick ends a job that is due, or lets the host do what is.
func (p *hostProcess) tick(now time.Duration, out *output) {
	p.effects.Reset()
	if i := p.nextJob(); i >= 0 && p.jobs[i].done <= now {
		work := p.jobs[i].work
		p.jobs = append(p.jobs[:i], p.jobs[i+1:]...)
		work.Run(func() {})
		p.host.Done(now, work, &p.effects)
		p.operate(now)
	} else {
		p.host.Tick(now, &p.effects)
	}
	p.end(now, out)
}

// nextJob returns the job that is done first, or -1.
func (p *hostProcess) nextJob() int {
	next := -1
	for i := range p.jobs {
		if next < 0 || p.jobs[i].done < p.jobs[next].done {
			next = i
		}
	}
	return next
}

func (p *hostProcess) end(now time.Duration, out *output) {
	for _, work := range p.effects.Jobs {
		p.jobs = append(p.jobs, job{now + p.takes(work), work})
	}
	for _, d := range p.effects.Datagrams {
		out.packets = append(out.packets, outgoing{numberOf(d.Addr), d.Bytes})
	}
	out.sent, out.events, out.results = p.effects.Sent, p.effects.Events, p.effects.Results
}

func (p *hostProcess) deadline() time.Duration {
	at := p.host.Deadline()
	if i := p.nextJob(); i >= 0 {
		at = min(at, p.jobs[i].done)
	}
	return at
}

func (p *hostProcess) submit(now time.Duration, command []byte) (wire.RequestNumber, bool) {
	return p.host.Submit(now, command)
}

func (p *hostProcess) replica() (*vr.Replica, *machine) { return p.host.Replica(), &p.machine }

func (p *hostProcess) formed() ([]wire.Member, bool) {
	if p.forming == nil {
		return nil, false
	}
	return p.forming.listed, p.forming.listed != nil && p.host.Operator().Done()
}

// form lets an operator go on from probing to forming, once.
func form(o *vr.Operator, now time.Duration, cluster wire.ClusterID, base wire.Base, listed *[]wire.Member) {
	if *listed != nil || !o.Done() {
		return
	}
	if why, _ := o.CanForm(); why != "" {
		return
	}
	for _, a := range o.Answers() {
		*listed = append(*listed, wire.Member{ID: a.ID, Incarnation: a.Incarnation})
	}
	o.Form(now, cluster, base)
}
