package sim

import "time"

// A scenario is what kind of run this is. It is rolled for each run, so that some runs have no
// faults of a kind and others have little else ("swarm testing"): a mix of everything would hide
// what only a burst of one thing can reach.
type scenario struct {
	bare             bool // messages instead of datagrams
	replicas         int
	clients          int
	faults           faults
	lasts            time.Duration // the phase of faults
	gap              time.Duration // between two faults, on average
	depth            int           // requests that a client has outstanding
	think            time.Duration // of a client between requests, at most
	actions          []action
	clockStepsBack   bool // between the runs of a replica
	clientsAtHome    bool // clients in the processes of replicas, too
	unbounded        bool // more than f members may be without memory
	releaseAtOnce    bool // held packets come at a crash or a new view
	dropsWhenHealing bool // else held packets come after the end of the faults
}

func rollScenario(c Chooser) scenario {
	pick := func(what string, of ...int) int { return of[c.Choose(len(of), what)] }
	often := func(what string) bool { return c.Choose(2, what) == 1 }
	seldom := func(what string, oneIn int) bool { return c.Choose(oneIn, what) == oneIn-1 }

	bare := seldom("bare", 4)
	s := scenario{
		bare:     bare,
		replicas: pick("replicas", 3, 3, 3, 3, 5, 5, 4, 1),
		clients:  1 + c.Choose(3, "clients"),
		faults: faults{
			loss:      pick("loss", 0, 0, 10, 50, 200),
			duplicate: pick("duplicate", 0, 0, 20, 200),
			hold:      pick("hold", 0, 0, 10, 50),
			corrupt:   pick("corrupt", 0, 0, 10),
			slow:      pick("slow", 0, 0, 10, 50),
			latency:   time.Duration(pick("latency", 100, 20, 1000, 5000)) * time.Microsecond,
			jitter:    time.Duration(pick("jitter", 0, 100, 1000, 5000, 20000)) * time.Microsecond,
		},
		lasts: time.Duration(pick("lasts", 1500, 1000, 3000)) * time.Millisecond,
		gap:   time.Duration(pick("gap", 200, 20, 60, 400)) * time.Millisecond,
		depth: pick("depth", 1, 4, 16),
		think: time.Duration(pick("think", 20, 10, 100)) * time.Millisecond,
	}
	if bare {
		s.faults.corrupt = 0 // it is the transport that has checksums
	}
	s.clientsAtHome = !bare && often("clients at home")
	s.clockStepsBack = often("clock steps back")
	s.unbounded = seldom("unbounded", 16)
	s.releaseAtOnce = often("release at once")
	s.dropsWhenHealing = often("drops when healing")
	for _, kind := range [...]struct {
		name    string
		actions []action
	}{
		{"crashes", []action{crash, crash, restartRecovering}},
		{"traps", []action{setTrap, setTrap}},
		{"partitions", []action{isolate, split, bridge, mend}},
		{"one-way", []action{cutOneWay, cutOneWay, mend}},
		{"holds", []action{holdLink, holdLink, release}},
		{"pauses", []action{pause}},
		{"zombies", []action{raiseZombie, endZombie}},
		{"clients", []action{restartClient}},
	} {
		if often(kind.name) {
			s.actions = append(s.actions, kind.actions...)
		}
	}
	return s
}
