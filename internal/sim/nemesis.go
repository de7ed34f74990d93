package sim

import (
	"time"

	"vrnode/wire"
)

// An action is one thing that goes wrong, or right again. It may find that it can not now.
type action func(*run)

// A trap ends a process right after it has sent a message of a kind.
type trap struct {
	site int
	kind wire.Kind
	hold bool // everything that it sends from now on is held
}

var trapKinds = [...]wire.Kind{
	wire.KindDoViewChange, wire.KindStartView, wire.KindPrepareOK, wire.KindPrepare,
	wire.KindRecoveryResponse, wire.KindRecovery, wire.KindGetLog, wire.KindJoinView, wire.KindCommit,
}

func (r *run) anyMember() int { return r.choose(r.replicas, "member") }

// strike lets one thing go wrong and sets the time of the next.
func (r *run) strike() {
	r.strikeAt = r.w.now + r.gap/4 + time.Duration(r.choose(8, "gap"))*r.gap/4
	if len(r.actions) > 0 {
		r.actions[r.choose(len(r.actions), "action")](r)
	}
}

// mayCrash tells whether the group survives that a member loses its memory now.
func (r *run) mayCrash(member int) bool {
	without := 1
	for i, m := range r.w.record.members {
		if i != member && !m.operational() {
			without++
		}
	}
	return r.unbounded || without <= (r.replicas-1)/2
}

func crash(r *run) { r.crash(r.anyMember()) }

// crash ends the process of a member and starts another after a while.
func (r *run) crash(member int) {
	if !r.mayCrash(member) || r.w.sites[member].process == nil {
		return
	}
	r.fault("crash", member)
	r.w.kill(member)
	r.w.stats.Crashes++
	r.restartLater(member)
	r.maybeRelease()
}

func (r *run) restartLater(member int) {
	down := [...]time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second}
	r.later(down[r.choose(len(down), "down")], func() {
		if r.w.sites[member].process == nil {
			r.fault("restart", member)
			r.boot(member)
		}
	})
}

// restartRecovering ends a process inside its recovery, which makes nobody lack memory that had it.
func restartRecovering(r *run) {
	for i, m := range r.w.record.members {
		if m != nil && !m.operational() {
			r.fault("crash inside recovery", i)
			r.w.kill(i)
			r.restartLater(i)
			return
		}
	}
}

func setTrap(r *run) {
	r.trap = trap{
		site: r.anyMember(),
		kind: trapKinds[r.choose(len(trapKinds), "trap kind")],
		hold: r.choose(2, "trap holds") == 1,
	}
	if r.trap.hold {
		for i := range r.w.sites {
			r.w.net.holding[r.trap.site][i] = true
		}
	}
	r.fault("trap for "+r.trap.kind.String(), r.trap.site)
}

// fenced brings back a process that stopped because a later incarnation of it is known. That is
// what happens to zombies, and to others only after a clock has gone backwards: as it was seen from
// the group, a member was without memory that should not have been.
func (r *run) fenced(site int) {
	r.fault("fenced", site)
	r.w.kill(site)
	r.unbounded = true
	r.restartLater(site)
}

// spring ends the process that has stepped into the trap.
func (r *run) spring(site int, out *output) {
	if r.trap.kind == 0 || site != r.trap.site {
		return
	}
	for i := range out.sent {
		if out.sent[i].Message.Kind() == r.trap.kind {
			r.trap.kind = 0
			clear(r.w.net.holding[site])
			r.crash(site)
			return
		}
	}
}

// isolate cuts a member off from all.
func isolate(r *run) {
	m := r.anyMember()
	r.fault("isolate", m)
	r.w.net.isolate(r.w.now, m)
}

// split cuts the sites into two halves.
func split(r *run) {
	r.fault("split", 0)
	side := make([]bool, len(r.w.sites))
	for i := range side {
		side[i] = r.choose(2, "side") == 1
	}
	for i := range side {
		for j := range side {
			r.w.net.cut(r.w.now, i, j, side[i] != side[j])
		}
	}
}

// bridge leaves one member that reaches all others, which do not reach each other.
func bridge(r *run) {
	m := r.anyMember()
	r.fault("bridge", m)
	for i := range r.replicas {
		for j := range r.replicas {
			r.w.net.cut(r.w.now, i, j, i != m && j != m)
		}
	}
}

// cutOneWay cuts one direction: of one link, of all that a member hears or of all that it says.
func cutOneWay(r *run) {
	m, other := r.anyMember(), r.anyMember()
	r.fault("one-way cut", m)
	switch r.choose(3, "one-way") {
	case 0:
		r.w.net.cut(r.w.now, m, other, true)
	case 1:
		for i := range r.w.sites {
			r.w.net.cut(r.w.now, m, i, true)
		}
	case 2:
		for i := range r.w.sites {
			r.w.net.cut(r.w.now, i, m, true)
		}
	}
}

func mend(r *run) {
	r.fault("mend", 0)
	r.w.net.mend(r.w.now)
}

// holdLink delays what goes one way of a link until a release.
func holdLink(r *run) {
	m := r.anyMember()
	r.fault("hold", m)
	r.w.net.holding[m][r.anyMember()] = true
}

func release(r *run) {
	r.fault("release", 0)
	for i := range r.w.net.holding {
		clear(r.w.net.holding[i])
	}
	r.w.net.release(r.w.now)
}

// maybeRelease lets old packets come at the worst time: when a member has just lost its memory or
// a view has just started.
func (r *run) maybeRelease() {
	if r.releaseAtOnce && len(r.w.net.held) > 0 && r.choose(3, "release") == 2 {
		r.w.net.release(r.w.now)
	}
}

// pause stops a process, not its clock: the others see silence, it sees a jump of time.
func pause(r *run) {
	m := r.anyMember()
	r.fault("pause", m)
	r.w.sites[m].paused = r.w.now + time.Duration(1+r.choose(8, "pause"))*60*time.Millisecond
}

// raiseZombie starts a new process of a member while the old one lives on, at another address. The
// old one is operational: of two that have no memory, either may turn out to be the zombie.
func raiseZombie(r *run) {
	m := r.anyMember()
	if r.w.sites[r.zombie].process != nil || !r.w.record.members[m].operational() || !r.mayCrash(m) {
		return
	}
	r.fault("zombie", m)
	r.w.move(m, r.zombie)
	r.w.stats.Crashes++
	r.boot(m)
}

func endZombie(r *run) {
	if r.w.sites[r.zombie].process != nil {
		r.fault("end zombie", r.zombie)
		r.w.kill(r.zombie)
	}
}

// restartClient replaces a client by another one. What the old one had outstanding may or may not
// be executed.
func restartClient(r *run) {
	site := r.replicas + r.choose(r.clients, "client")
	r.fault("restart client", site)
	r.bootClient(site)
}
