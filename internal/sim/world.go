package sim

import (
	"fmt"
	"math"
	"strings"
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// never is when nothing happens any more.
const never time.Duration = math.MaxInt64

// A World is a group, its clients and the network between them, in virtual time.
type World struct {
	choose Chooser
	now    time.Duration
	sites  []*site
	net    network
	record *record
	trace  *trace
	out    output
	// violation is the first one found; the World stands still from then on.
	violation *Violation
	stats     Stats
	earlier   int // ops that a group had committed which was lost
	stepsMax  int
	idle      int // steps since time moved
	zombie    int // the site of a zombie, 0 if there can be none
	// stepTime is how long a process does nothing else after a step.
	stepTime time.Duration
	// onResult hears of each finished request of the client at a site.
	onResult func(site int, r vr.Result)
	// onStep is called after each step, with what it did.
	onStep func(site int, out *output)
	// carries: bare replicas that need a state get one. Else it is up to a script.
	carries bool
	// faulty: jobs take long; rots: some spools do not give back what was written to them.
	faulty, rots bool
	// states are what is unusual about replicas, for tests of their states.
	states states
}

// A states is how large the states of replicas are, and how long it takes to go through one.
type states struct {
	pieces  int
	longJob time.Duration
}

// Stats counts what happened in a run. Anew are the groups that were lost, and formed anew.
type Stats struct {
	Steps, Packets, Commits, Views, Crashes, Recoveries, Faults, Checkpoints, Transfers, Anew int
}

// A site is a place in the network at which a process can run.
type site struct {
	name    string
	peer    wire.Peer
	process process       // nil while nothing runs here
	born    time.Duration // when the clock of the process showed 0
	paused  time.Duration // the process does nothing before then
	waiting []packet      // that have come while it did nothing
	subject *subject      // of a replica
	parcel  *parcel       // with a state for the replica, nil while it needs none
}

// Bounds on what a sane group does. More is a loop or a storm.
const (
	busyMax   = 20_000  // steps without time moving on
	flightMax = 50_000  // packets in flight
	stepsMax  = 300_000 // steps of a run
	// waitingMax is how many packets wait at a process; more are lost, as those are for which a
	// socket has no room.
	waitingMax = 4096
)

// newWorld returns a World of sites, the first n of which are for replicas.
func newWorld(c Chooser, n, sites int, network uint64, t *trace) *World {
	w := &World{choose: c, net: newNetwork(sites, network), record: newRecord(n), trace: t, stepsMax: stepsMax}
	for i := range sites {
		w.sites = append(w.sites, &site{name: siteName(i, n)})
	}
	return w
}

func siteName(i, n int) string {
	if i < n {
		return fmt.Sprint(i + 1)
	}
	if client := i - n; client < 26 {
		return string(rune('a' + client))
	}
	return fmt.Sprintf("c%d", i-n+1)
}

// siteOf returns the lowest site of a peer, or -1.
func (w *World) siteOf(p wire.Peer) int {
	for i, s := range w.sites {
		if s.peer == p {
			return i
		}
	}
	return -1
}

// run starts a process at a site.
func (w *World) run(i int, p wire.Peer, process process) {
	s := w.sites[i]
	s.peer, s.process, s.born, s.paused, s.parcel = p, process, w.now, 0, nil
	if r, _ := process.replica(); r != nil {
		s.subject = &subject{id: p}
		w.record.members[p-1] = s.subject
		w.look(s, &output{})
	}
}

// kill ends the process at a site, and all that it knew.
func (w *World) kill(i int) {
	s := w.sites[i]
	if s.subject != nil && !s.subject.zombie {
		w.record.members[s.peer-1] = nil
	}
	s.process, s.subject, s.parcel = nil, nil, nil
	for _, p := range s.waiting {
		w.net.recycle(p.bytes)
	}
	s.waiting = s.waiting[:0]
}

// move puts the process of a member to the site of zombies, where its number is not looked for.
func (w *World) move(member, zombie int) {
	from, to := w.sites[member], w.sites[zombie]
	to.peer, to.process, to.born, to.paused, to.subject = from.peer, from.process, from.born, from.paused, from.subject
	to.subject.zombie = true
	to.parcel, from.parcel = from.parcel, nil
	to.waiting, from.waiting = from.waiting, to.waiting
	for i := range to.waiting {
		to.waiting[i].to = zombie
	}
	w.record.members[member] = nil
	from.process, from.subject = nil, nil
}

// deadline returns when the process at a site next does something, in the World's time, and
// whether that is to take a packet that waits: one that came before its timer was due.
func (s *site) deadline() (at time.Duration, packet bool) {
	if s.process == nil {
		return never, false
	}
	at = never
	if d := s.process.deadline(); d <= never-s.born {
		at = s.born + d
	}
	if len(s.waiting) > 0 && s.waiting[0].at <= at {
		at, packet = s.waiting[0].at, true
	}
	return max(at, s.paused), packet
}

// next returns when something happens next, and at which site, or -1 if it is that a packet
// arrives somewhere.
func (w *World) next() (at time.Duration, site int) {
	at, site = w.net.next(), -1
	for i, s := range w.sites {
		d, _ := s.deadline()
		if p := s.parcel; p != nil {
			d = min(d, max(p.at, s.paused))
		}
		if d <= at && d != never {
			at, site = d, i
		}
	}
	return max(at, w.now), site
}

// step makes the next thing happen, if it does before until, and tells whether it did.
func (w *World) step(until time.Duration) bool {
	at, site := w.next()
	if at >= until || w.violation != nil {
		return false
	}
	if !w.sane(at) {
		return false
	}
	w.now = at
	if site < 0 {
		w.arrive(w.net.take())
		return true
	}
	s := w.sites[site]
	due, packet := s.deadline()
	if due > at {
		w.unpack(site)
		return true
	}
	if !packet {
		w.tick(site)
		return true
	}
	p := s.waiting[0]
	s.waiting = append(s.waiting[:0], s.waiting[1:]...)
	w.deliver(p)
	return true
}

// sane is L11: no busy loops, no storms of messages.
func (w *World) sane(at time.Duration) bool {
	w.idle++
	if at > w.now {
		w.idle = 0
	}
	if w.idle > busyMax || len(w.net.queue) > flightMax || w.stats.Steps > w.stepsMax {
		w.fail("L11 no storm", fmt.Sprintf("%d steps, the last %d at one time; %d packets are in flight", w.stats.Steps, w.idle, len(w.net.queue)))
		return false
	}
	return true
}

func (w *World) tick(i int) {
	s := w.sites[i]
	w.trace.mix(w.now, i, nil)
	w.out.reset()
	if w.guard(s, func() { s.process.tick(w.now-s.born, &w.out) }) {
		w.after(i)
	}
}

// arrive brings a packet to a site, where it waits if it has to.
func (w *World) arrive(p packet) {
	if !w.net.nats[p.to].admits(p.door) {
		w.net.recycle(p.bytes)
		return
	}
	p.to = w.misdirect(p)
	s := w.sites[p.to]
	switch {
	case s.process == nil || len(s.waiting) == waitingMax:
		w.net.recycle(p.bytes)
	case w.now < s.paused || len(s.waiting) > 0:
		s.waiting = append(s.waiting, p)
	default:
		w.deliver(p)
	}
}

// deliver gives a packet to a process.
func (w *World) deliver(p packet) {
	s := w.sites[p.to]
	w.stats.Packets++
	w.trace.mix(w.now, p.to, p.bytes)
	if w.trace.wanted() {
		w.trace.line(w.now, s.name+"<-"+w.sites[p.from].name, describePacket(p.bytes), "")
	}
	w.out.reset()
	if w.guard(s, func() { s.process.step(w.now-s.born, w.net.source(&p), p.bytes, &w.out) }) {
		w.after(p.to)
	}
	w.net.recycle(p.bytes)
}

// misdirect returns where a packet arrives. What is meant for a member may come to its zombie,
// or to both.
func (w *World) misdirect(p packet) int {
	z := w.sites[w.zombie]
	if w.zombie == 0 || z.process == nil || p.to == w.zombie || w.sites[p.to].peer != z.peer {
		return p.to
	}
	switch w.choose.Choose(3, "zombie hears") {
	case 1:
		return w.zombie
	case 2:
		w.net.put(packet{at: w.now, from: p.from, to: w.zombie, port: p.port, bytes: append(w.net.buffer(), p.bytes...)})
	}
	return p.to
}

// guard calls f and turns a panic into a violation.
func (w *World) guard(s *site, f func()) (ok bool) {
	defer func() {
		if x := recover(); x != nil {
			w.fail("no panic", fmt.Sprintf("%s: %v", s.name, x))
			ok = false
		}
	}()
	f()
	return true
}

// after hands on what a step at a site did, and looks at what became of the replica.
func (w *World) after(i int) {
	s := w.sites[i]
	w.stats.Steps++
	s.paused = max(s.paused, w.now+w.stepTime)
	if s.subject != nil {
		w.look(s, &w.out)
		w.sendState(s)
	}
	w.count(s)
	w.tell(s)
	for _, p := range w.out.packets {
		w.net.send(w.now, i, p.to, p.bytes)
	}
	if w.onResult != nil {
		for _, r := range w.out.results {
			w.onResult(i, r)
		}
	}
	if w.onStep != nil && w.violation == nil {
		w.onStep(i, &w.out)
	}
}

// look runs the checkers on the replica at a site.
func (w *World) look(s *site, out *output) {
	r, m := s.process.replica()
	s.subject.applied, s.subject.sent, s.subject.events = m.applied, out.sent, out.events
	s.subject.digest = m.digest
	s.subject.observe(r, w.record.committed)
	m.applied = m.applied[:0]
	if v := w.record.look(s.subject); v != nil {
		w.fail(v.Name, v.Detail)
	}
}

func (w *World) count(s *site) {
	for _, e := range w.out.events {
		switch e.Kind {
		case vr.EventStateInstalled:
			w.stats.Transfers++
		case vr.EventCheckpoint:
			w.stats.Checkpoints++
		case vr.EventRecovered:
			w.stats.Recoveries++
		case vr.EventViewStarted:
			if e.Peer == s.peer {
				w.stats.Views++
			}
		}
	}
	w.stats.Commits = w.earlier + len(w.record.committed)
}

// tell writes what a step did into the trace.
func (w *World) tell(s *site) {
	if !w.trace.wanted() {
		return
	}
	state := ""
	if s.subject != nil {
		b := &s.subject.now
		state = fmt.Sprintf("%v v=%d n=%d k=%d", b.Status, b.View, b.Op, b.Commit)
	}
	for _, e := range w.out.events {
		w.trace.line(w.now, s.name+"!", e.String(), state)
	}
	for _, e := range w.out.sent {
		to := w.siteOf(e.To)
		name := "?"
		if to >= 0 {
			name = w.sites[to].name
		}
		_, text, _ := strings.Cut(e.String(), " ")
		w.trace.line(w.now, s.name+"->"+name, text, state)
	}
	for _, r := range w.out.results {
		w.trace.line(w.now, s.name+"=", fmt.Sprintf("request %d: %v %q", r.Request, r.Outcome, r.Body), "")
	}
}

// describePacket writes a packet of a bare process as its message, and any other as its length.
func describePacket(b []byte) string {
	var d wire.Decoder
	h, m, err := d.Decode(b)
	if err != nil {
		return fmt.Sprintf("%d bytes", len(b))
	}
	_, text, _ := strings.Cut(wire.Envelope{Header: *h, Message: m}.String(), " ")
	return text
}

// fail records the first violation.
func (w *World) fail(name, detail string) {
	if w.violation == nil {
		w.violation = &Violation{Name: name, Detail: detail, At: w.now, Step: w.stats.Steps}
		w.trace.line(w.now, "", "VIOLATION "+w.violation.String(), "")
	}
}
