package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"vrnode/wire"
)

// A Scope bounds an exploration. Within it, every order of events is tried: any message on the
// heap may arrive next, any replica may run into its next timeout, get an op or lose its memory.
type Scope struct {
	Replicas int
	Ops      int // proposed at whoever is a primary
	Timeouts int // of all replicas together
	Crashes  int // of all; never more than f replicas are without memory at a time
	Depth    int // events in a run
	// Deviations bounds how often a run may do anything but deliver the oldest message: bugs
	// need a few surprises at the right places, not one at every step.
	Deviations int
}

// An Exploration is how far one has got.
type Exploration struct {
	Runs, States int // States is of the last bound on deviations
	// Violation is the first broken promise, or nil; Choices and Story tell how to get there.
	Violation *Violation
	Choices   []int
	Story     []string
}

// Explore tries the runs of a scope, first those with one deviation, then with two and so on, until
// there are no more, stop says so, or a promise is broken. It makes every run from the start, and
// leaves one when it comes to a state that it has seen: what a replica is depends on nothing but
// what it was told, in order, so equal histories of all replicas are equal states.
func Explore(scope Scope, stop func(runs int) bool) Exploration {
	e := Exploration{}
	for d := 1; d <= scope.Deviations; d++ {
		bounded := scope
		bounded.Deviations = d
		if !e.explore(bounded, stop) {
			break
		}
	}
	return e
}

// explore tries the runs of one bound and tells whether to go on with the next.
func (e *Exploration) explore(scope Scope, stop func(runs int) bool) bool {
	var o Odometer
	seen := map[uint64]int{} // deviations that were left there
	for {
		x := newExplorer(scope, &o)
		x.run(seen)
		e.Runs, e.States = e.Runs+1, len(seen)
		if v := x.script.Violation(); v != nil {
			e.Violation, e.Choices, e.Story = v, o.Tape(), x.story
			return false
		}
		if stop(e.Runs) {
			return false
		}
		if !o.Next() {
			return true
		}
	}
}

// An explorer makes one run of a scope.
type explorer struct {
	Scope
	odometer  *Odometer
	script    *Script
	histories []uint64 // of each replica: a hash of what it was told
	story     []string
}

// An event is one of the things that may happen next.
type event struct {
	kind eventKind
	site int
	at   int // index of the letter
}

type eventKind uint8

const (
	arrival eventKind = iota
	timeout
	proposal
	memoryLoss
)

func newExplorer(scope Scope, o *Odometer) *explorer {
	x := &explorer{Scope: scope, odometer: o, script: NewScript(), histories: make([]uint64, scope.Replicas)}
	x.script.Do("cluster", []string{fmt.Sprintf("replicas=%d", scope.Replicas)})
	x.script.heap = x.script.heap[:0]
	return x
}

func (x *explorer) run(seen map[uint64]int) {
	for range x.Depth {
		if x.odometer.New() && x.been(seen) {
			return
		}
		events := x.events()
		if len(events) == 0 || x.script.Violation() != nil {
			return
		}
		n := len(events)
		if x.Deviations == 0 {
			n = 1
		}
		choice := x.odometer.Choose(n, "event")
		if choice > 0 {
			x.Deviations--
		}
		x.happen(events[choice])
	}
}

// been tells whether this state was reached before with at least as many deviations left.
func (x *explorer) been(seen map[uint64]int) bool {
	var b []byte
	for _, h := range x.histories {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	state := xxhash.Sum64(b)
	left, ok := seen[state]
	if ok && left >= x.Deviations {
		return true
	}
	seen[state] = x.Deviations
	return false
}

// events lists what may happen, the most ordinary first.
func (x *explorer) events() []event {
	var events []event
	for i, l := range x.script.heap {
		if x.script.w.sites[l.to].process != nil && !x.repeated(i) {
			events = append(events, event{arrival, l.to, i})
		}
	}
	members := x.script.w.record.members
	for i, m := range members {
		if x.Ops > 0 && m.operational() && m.now.Status == wire.StatusNormal && m.now.Primary == m.id {
			events = append(events, event{proposal, i, 0})
		}
	}
	for i := range members {
		if x.Timeouts > 0 {
			events = append(events, event{timeout, i, 0})
		}
	}
	for i := range members {
		if x.Crashes > 0 && x.mayCrash(i) {
			events = append(events, event{memoryLoss, i, 0})
		}
	}
	return events
}

// repeated tells whether an older letter on the heap says the same to the same.
func (x *explorer) repeated(i int) bool {
	heap := x.script.heap
	for j := range i {
		if heap[j].to == heap[i].to && string(heap[j].bytes) == string(heap[i].bytes) {
			return true
		}
	}
	return false
}

func (x *explorer) mayCrash(member int) bool {
	without := 1
	for i, m := range x.script.w.record.members {
		if i != member && !m.operational() {
			without++
		}
	}
	return without <= (x.Replicas-1)/2
}

func (x *explorer) happen(e event) {
	s := x.script
	name := s.w.sites[e.site].name
	switch e.kind {
	case arrival:
		l := s.heap[e.at]
		x.tell(e.site, "deliver "+l.text, l.bytes)
		s.heap = append(s.heap[:e.at:e.at], s.heap[e.at+1:]...)
		s.arrive(l)
	case timeout:
		x.Timeouts--
		x.tell(e.site, "timeout "+name, nil)
		s.clocks[e.site] = max(s.clocks[e.site], s.w.sites[e.site].process.deadline())
		s.settle(e.site)
	case proposal:
		client := string(rune('a' + x.Ops))
		x.Ops--
		x.tell(e.site, "register "+name+" "+client, []byte(client))
		s.Do("register", []string{name, client})
	case memoryLoss:
		x.Crashes--
		x.tell(e.site, "restart "+name, []byte{0})
		s.Do("restart", []string{name})
	}
	s.text.Reset()
}

// tell adds to the history of a replica, and to the story for people.
func (x *explorer) tell(site int, what string, input []byte) {
	x.story = append(x.story, what)
	b := binary.LittleEndian.AppendUint64(nil, x.histories[site])
	x.histories[site] = xxhash.Sum64(append(b, input...)) + 1
}
