package sim

import (
	"time"

	"vrnode/netem/link"
)

// A scenario is what kind of run this is. It is rolled for each run, so that some runs have no
// faults of a kind and others have little else ("swarm testing"): a mix of everything would hide
// what only a burst of one thing can reach.
type scenario struct {
	bare             bool // messages instead of datagrams
	replicas         int
	clients          int
	link             link.Settings // of all directions while there are faults
	hold, slow       int           // chances of a packet, in parts of a thousand
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
		hold:     pick("hold", 0, 0, 10, 50),
		slow:     pick("slow", 0, 0, 10, 50),
		lasts:    time.Duration(pick("lasts", 1500, 1000, 3000)) * time.Millisecond,
		gap:      time.Duration(pick("gap", 200, 20, 60, 400)) * time.Millisecond,
		depth:    pick("depth", 1, 4, 16),
		think:    time.Duration(pick("think", 20, 10, 100)) * time.Millisecond,
	}
	s.link = rollLink(pick)
	if bare {
		s.link.Corrupt = 0 // it is the transport that has checksums
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

// rollLink rolls what links do. Each of its faults is missing in some runs.
func rollLink(pick func(what string, of ...int) int) link.Settings {
	chance := func(what string, of ...int) float64 { return float64(pick(what, of...)) / 1000 }
	micros := func(what string, of ...int) time.Duration {
		return time.Duration(pick(what, of...)) * time.Microsecond
	}
	s := link.Settings{
		Delay:     delay(micros("latency", 100, 20, 1000, 5000), micros("jitter", 0, 100, 1000, 5000, 20000)),
		Duplicate: chance("duplicate", 0, 0, 20, 200),
		Corrupt:   chance("corrupt", 0, 0, 10),
		Reorder:   chance("reorder", 0, 0, 0, 50, 300),
	}
	s.Delay.Distribution = link.Distributions()[pick("distribution", 0, 0, 1, 2)]
	if loss := chance("loss", 0, 0, 10, 50, 200); pick("bursts", 0, 0, 0, 1) == 0 {
		s.Loss.Random = loss
	} else if loss > 0 {
		s.Loss.Burst = link.Burst{Turn: loss / 4, Mend: 0.2, Bad: 1}
	}
	if pick("rate", 0, 0, 0, 0, 0, 1) == 1 {
		s.Rate = link.Rate{Bits: 4_000_000, Queue: 32 << 10}
	}
	return s
}

// delay is between low and low+spread.
func delay(low, spread time.Duration) link.Delay {
	return link.Delay{Mean: low + spread/2, Jitter: spread / 2}
}
