package sim

import (
	"time"

	"vrnode/wire"
)

// When a group is lost, an operator ends what is left of it, starts its members again and forms another of them.
// Nobody may take anything into that group from the one before: not the messages that are still under way, and not
// what a member without memory has heard of it, nor of runs that came to nothing before the new one was formed.

const (
	lastWords  = 50 * time.Millisecond // some of what the lost group says in that time comes when there is another
	restartMax = 3                     // runs that come to nothing before the new group is formed
)

// formAnew makes another group possible, in which things go wrong again. Its checkers know nothing of the old one.
func (r *run) formAnew() {
	r.fault("form anew", 0)
	r.w.stats.Anew++
	r.w.earlier = r.w.stats.Commits
	r.unbounded = false
	r.w.net.hold = 300
	r.pass(lastWords)

	r.past, r.history, r.returned = append(r.past, r.history), nil, 0
	r.w.stepsMax += stepsMax
	old := r.w.record.members
	r.w.record = newRecord(r.replicas)
	r.trouble()
	for i, m := range old {
		switch {
		case m != nil && m.mayBeFormed() && r.choose(2, "goes on") == 1:
			r.w.record.members[i], r.loads[i] = m, nil // what its client had under way is of the old group
			continue
		case m.operational() && r.replicas > 1 && r.w.sites[r.zombie].process == nil && r.choose(2, "left behind") == 1:
			r.fault("left behind", i)
			r.w.move(i, r.zombie)
			z := r.w.sites[r.zombie]
			z.subject, z.paused = nil, never // what it does is of the old group; it wakes up when there is another
		default:
			r.w.kill(i)
		}
		r.boot(i)
	}
	for i := range r.clients {
		site := r.replicas + i
		if r.choose(4, "client goes on") == 3 {
			r.loads[site] = nil
			continue
		}
		r.w.kill(site)
		r.bootClient(site)
	}
	for range r.choose(restartMax+1, "runs that come to nothing") {
		r.pass(time.Duration(1+r.choose(20, "run")) * time.Millisecond)
		m := r.anyMember()
		r.fault("crash before the group is formed", m)
		r.w.kill(m)
		r.boot(m)
	}
	r.bootOperator()
}

// mayBeFormed: it is without memory, and has no state of a group that was.
func (s *subject) mayBeFormed() bool {
	return s.now.Status == wire.StatusRecovering && s.now.Applied == 0 && !s.now.Restoring
}
