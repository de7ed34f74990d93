package sim

import (
	"fmt"
	"strings"
	"time"

	"vrnode/netem/link"
	"vrnode/wire"
)

// Bounds of the phases, in virtual time.
const (
	formTimeout  = 60 * time.Second // under faults, before anything strikes
	serveTimeout = 30 * time.Second // from the end of the faults to service
	quietTime    = 1500 * time.Millisecond
	settleTime   = 500 * time.Millisecond
	drainTimeout = 20 * time.Second
)

// phases is the whole run: the life of a group and, if it is lost, of the one that is formed in its place.
func (r *run) phases() {
	if r.life() {
		r.formAnew()
		r.life()
	}
}

// life is that of a group, from when it is to be formed. It tells whether the group was lost, as it had to be.
func (r *run) life() (lost bool) {
	if !r.until(r.w.now+formTimeout, r.isFormed) {
		r.w.fail("L0 the group forms", r.describe())
		return false
	}
	r.strikeAt, r.w.rots, r.w.sites[r.zombie].paused = r.w.now, true, r.w.now
	r.pass(r.lasts)
	if r.w.violation != nil {
		return false
	}
	r.heal()
	r.pass(settleTime)
	if r.unbounded && r.operational() < r.w.record.q {
		r.mustStayLost()
		return r.w.violation == nil
	}
	r.mustServe()
	return false
}

// pass lets time pass.
func (r *run) pass(time time.Duration) { r.until(r.w.now+time, func() bool { return false }) }

func (r *run) isFormed() bool {
	p, ok := r.w.sites[r.operator].process.(operating)
	if !ok {
		return false
	}
	_, done := p.formed()
	return done
}

func (r *run) operational() (count int) {
	for _, m := range r.w.record.members {
		if m.operational() {
			count++
		}
	}
	return count
}

// trouble lets links and jobs be as bad as the scenario says.
func (r *run) trouble() {
	r.w.faulty = true
	r.w.net.hold, r.w.net.slow = r.hold, r.slow
	r.w.net.setAll(r.w.now, r.link)
}

// heal ends all faults. Members that are down for good stay so if the others are a quorum, else
// they come back.
func (r *run) heal() {
	r.fault("heal", 0)
	r.strikeAt, r.trap, r.agenda = never, trap{}, nil
	r.w.kill(r.zombie)
	r.w.kill(r.operator)
	r.w.faulty, r.w.rots = false, false
	r.w.net.mend(r.w.now)
	r.w.net.hold, r.w.net.slow = 0, 0
	r.w.net.setAll(r.w.now, link.Settings{Delay: delay(200*time.Microsecond, 200*time.Microsecond)})
	if r.dropsWhenHealing {
		r.w.net.forget()
	}
	r.w.net.release(r.w.now)
	leaveDown := r.operational() >= r.w.record.q && r.choose(3, "leave down") == 2
	for i, s := range r.w.sites {
		s.paused = 0
		if i >= r.replicas {
			continue
		}
		switch {
		case s.process == nil && !leaveDown:
			r.boot(i)
		case leaveDown && !r.w.record.members[i].operational():
			r.w.kill(i)
		}
	}
}

// mustServe is the phase of liveness. With a quorum that is operational and connected:
//
//	L1 all members that are up become normal in one view    L2 every client gets a new result
//	L3 every member that is up recovers                     L4 all execute the same ops
//	L5 and then no view changes any more
func (r *run) mustServe() {
	healed := r.w.now
	served := func() bool { return r.oneView() && r.everyoneServed(healed) }
	if !r.until(healed+serveTimeout, served) {
		r.w.fail("L1-L3 the group serves again", r.describe())
		return
	}
	view := r.w.record.highest()
	r.pass(quietTime)
	if r.w.record.highest() != view || !r.oneView() {
		r.w.fail("L5 no view change without a cause", fmt.Sprintf("was in view %d; %s", view, r.describe()))
		return
	}
	r.stopped = true
	if !r.until(r.w.now+drainTimeout, r.sameEverywhere) {
		r.w.fail("L4 all execute the same ops", r.describe())
	}
}

// oneView tells whether every member that is up is normal in one view.
func (r *run) oneView() bool {
	view := r.w.record.highest()
	for _, m := range r.w.record.members {
		if m != nil && (m.now.Status != wire.StatusNormal || m.now.View != view) {
			return false
		}
	}
	return true
}

// everyoneServed tells whether each client has a result of a request that it made after a time.
func (r *run) everyoneServed(since time.Duration) bool {
	for site, l := range r.loads {
		served := l == nil || r.w.sites[site].process == nil
		for i := 0; !served && i < len(l.calls); i++ {
			served = l.calls[i].Done && l.calls[i].Invoked >= since
		}
		if !served {
			return false
		}
	}
	return true
}

// sameEverywhere tells whether every request has its result and every member has executed all.
func (r *run) sameEverywhere() bool {
	for _, l := range r.loads {
		if l != nil && l.open > 0 && r.w.sites[l.site].process != nil {
			return false
		}
	}
	all := wire.OpNumber(len(r.w.record.committed))
	for _, m := range r.w.record.members {
		if m != nil && (m.now.Applied != all || m.now.Op != all) {
			return false
		}
	}
	return true
}

// mustStayLost is L10: when more members are without memory than the group survives, it stops,
// says so and never forms by itself. All are up then: who is silent might have its memory.
func (r *run) mustStayLost() {
	for i := range r.replicas {
		if r.w.sites[i].process == nil {
			r.boot(i)
		}
	}
	operational, commits := r.operational(), len(r.w.record.committed)
	saysSo := func() bool {
		for _, m := range r.w.record.members {
			if m != nil && m.now.Status == wire.StatusRecovering && !m.now.GroupLost {
				return false
			}
		}
		return true
	}
	if !r.until(r.w.now+serveTimeout, saysSo) {
		r.w.fail("L10 a lost group says so", r.describe())
		return
	}
	r.pass(5 * time.Second)
	if r.operational() != operational || len(r.w.record.committed) != commits {
		r.w.fail("L10 a lost group stays lost", r.describe())
	}
}

// describe says where everyone is, for the detail of a violation of liveness.
func (r *run) describe() string {
	var text strings.Builder
	for i, m := range r.w.record.members {
		if m == nil {
			fmt.Fprintf(&text, "%d down; ", i+1)
			continue
		}
		fmt.Fprintf(&text, "%d %s; ", i+1, numbers(&m.now))
	}
	for _, l := range r.loads {
		if l == nil {
			continue
		}
		fmt.Fprintf(&text, "client %s has %d open of %d; ", r.w.sites[l.site].name, l.open, len(l.calls))
	}
	return text.String()
}
