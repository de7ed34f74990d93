package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// A Script is the World under the control of a person: bare replicas, a heap of the messages that
// they have sent, and nothing happens but what a command says. Each process has a clock of its
// own, so that one alone can run into a timeout. All checkers run after every step. The commands:
//
//	cluster replicas=3 [clients=1] [log=640]
//	                                  replicas 1 2 3 … form a group; clients are a, b …; log is the
//	                                  memory for each log, of which an op takes 80 bytes and its body
//	boot replicas=3                   the same replicas, which belong to no group
//	register 1 x                      a client x that does nothing else asks replica 1 for a session:
//	                                  the simplest op there is
//	submit a "add 5"                  client a has a request
//	deliver Prepare 1->2 [v=0] [n=3] [keep] [newest]
//	                                  the oldest such message arrives, or the newest; n is the
//	                                  number of its first or only op; keep leaves a copy
//	drop Prepare 1->2 [v=0] [n=3]     all such messages are lost; * stands for any kind or site
//	run                               all messages arrive, oldest first, and those they cause
//	tick 2 +300ms                     the clock of 2 moves on, and its timers fire in their order
//	crash 2                           2 loses its memory and is down
//	restart 2 [run=3]                 2 starts, as its next run or as the one given
//	state 1->2                        the newest checkpoint of 1 is brought to 2, which needs a state
//	status                            a line for each replica
//	log 1                             the entries of 1
//	messages                          what is on the heap
//
// The output of a command is what the processes did: events, marked with !, and messages.
type Script struct {
	w      *World
	n      int
	clocks []time.Duration
	runs   []uint64
	log    int // memory for each log
	heap   []letter
	text   strings.Builder
}

// A letter is a message on the heap.
type letter struct {
	from, to int
	kind     wire.Kind
	view     wire.ViewNumber
	op       wire.OpNumber
	bytes    []byte
	text     string
}

// scriptClusterID is the group of every script.
var scriptClusterID = wire.ClusterID{1}

// NewScript returns an empty stage.
func NewScript() *Script { return &Script{} }

// Violation returns the first broken promise, or nil. Commands after it do nothing.
func (s *Script) Violation() *Violation {
	if s.w == nil {
		return nil
	}
	return s.w.violation
}

// Do carries out one command and returns what happened, a line each. Errors are part of it.
func (s *Script) Do(command string, args []string) string {
	s.text.Reset()
	if s.Violation() != nil {
		return "stopped\n"
	}
	if err := s.do(command, args); err != nil {
		fmt.Fprintf(&s.text, "error: %v\n", err)
	}
	if v := s.Violation(); v != nil {
		fmt.Fprintf(&s.text, "VIOLATION %v\n", *v)
	}
	return s.text.String()
}

func (s *Script) do(command string, args []string) error {
	switch command {
	case "cluster":
		return s.cluster(args)
	case "boot":
		return s.boot(args)
	}
	if s.w == nil {
		return fmt.Errorf("%s before cluster or boot", command)
	}
	switch command {
	case "register":
		return s.register(args)
	case "submit":
		return s.submit(args)
	case "deliver":
		return s.deliver(args)
	case "drop":
		return s.drop(args)
	case "run":
		return s.runAll()
	case "tick":
		return s.tick(args)
	case "crash":
		return s.crash(args)
	case "restart":
		return s.restart(args)
	case "state":
		return s.state(args)
	case "status":
		return s.status()
	case "log":
		return s.printLog(args)
	case "messages":
		for _, l := range s.heap {
			s.say("%s", l.text)
		}
		return nil
	}
	return fmt.Errorf("unknown command %q", command)
}

func (s *Script) say(format string, args ...any) { fmt.Fprintf(&s.text, format+"\n", args...) }

// ---- the cast

func (s *Script) boot(args []string) error {
	n, err := number(args, "replicas", 3)
	if err != nil {
		return err
	}
	clients, err := number(args, "clients", 0)
	if err != nil {
		return err
	}
	log, err := number(args, "log", 0)
	if err != nil {
		return err
	}
	if n > wire.MembersMax {
		return fmt.Errorf("at most %d replicas", wire.MembersMax)
	}
	*s = Script{
		w: newWorld(&Tape{}, n, n+clients, 0, newTrace(nil)), n: n, log: log,
		clocks: make([]time.Duration, n+clients), runs: make([]uint64, n),
	}
	for i := range n + clients {
		s.clocks[i] = time.Second
	}
	for i := range n {
		s.start(i, 1)
	}
	for i := n; i < n+clients; i++ {
		cfg := vr.ClientConfig{Self: wire.ClientPeer(uint64(0xa+i-n)<<16, 0), Replicas: s.ids()}
		s.w.run(i, cfg.Self, newBareClient(cfg, s.w.siteOf))
	}
	return nil
}

func (s *Script) ids() []wire.Peer {
	var ids []wire.Peer
	for i := range s.n {
		ids = append(ids, wire.Peer(i+1))
	}
	return ids
}

func (s *Script) start(i int, run uint64) {
	s.runs[i] = run
	cfg := vr.Config{Self: wire.Peer(i + 1), Incarnation: wire.Incarnation(run), Replicas: s.ids(), Seed: run, LogBytes: s.log}
	s.w.run(i, cfg.Self, newBareReplica(cfg, s.w.siteOf))
}

func (s *Script) cluster(args []string) error {
	if err := s.boot(args); err != nil {
		return err
	}
	form := &wire.Form{}
	for i := range s.n {
		status := s.w.sites[i].subject.now
		form.Members = append(form.Members, wire.Member{ID: status.Self, Incarnation: status.Incarnation})
	}
	s.w.record.formed = form.Members
	h := wire.Header{Cluster: scriptClusterID, From: wire.ClientPeer(0xf<<16, 0)}
	for i := range s.n {
		s.step(i, new(wire.Encoder).Append(nil, &h, form))
	}
	s.text.Reset()
	return s.status()
}

// ---- what happens

// step gives a message to a process and lets it do what it does at once.
func (s *Script) step(i int, bytes []byte) {
	site := s.w.sites[i]
	s.w.out.reset()
	if s.w.guard(site, func() { site.process.step(s.clocks[i], 0, bytes, &s.w.out) }) {
		s.after(i)
	}
	s.settle(i)
}

// settle ticks a process while it has something to do at its present time.
func (s *Script) settle(i int) {
	site := s.w.sites[i]
	for range 100 {
		if s.Violation() != nil || site.process == nil || site.process.deadline() > s.clocks[i] {
			return
		}
		s.w.out.reset()
		if s.w.guard(site, func() { site.process.tick(s.clocks[i], &s.w.out) }) {
			s.after(i)
		}
	}
}

// after checks what a process did, tells it, and puts its messages on the heap.
func (s *Script) after(i int) {
	site := s.w.sites[i]
	s.w.stats.Steps++
	if site.subject != nil {
		s.w.look(site, &s.w.out)
	}
	for _, e := range s.w.out.events {
		s.say("%s! %v", site.name, e)
	}
	for _, e := range s.w.out.sent {
		s.post(i, e)
	}
	for _, r := range s.w.out.results {
		s.say("%s= request %d: %v %q", site.name, r.Request, r.Outcome, r.Body)
	}
}

func (s *Script) post(from int, e wire.Envelope) {
	to := s.w.siteOf(e.To)
	name := e.To.String()
	if to >= 0 {
		name = s.w.sites[to].name
	}
	_, what, _ := strings.Cut(e.String(), " ")
	l := letter{
		from: from, to: to, kind: e.Message.Kind(), view: e.View, op: firstOp(e.Message),
		bytes: new(wire.Encoder).Append(nil, &e.Header, e.Message),
		text:  s.w.sites[from].name + "->" + name + " " + what,
	}
	s.say("  %s", l.text)
	if to >= 0 {
		s.heap = append(s.heap, l)
	}
}

// firstOp returns the op-number that a script names a message by.
func firstOp(m wire.Message) wire.OpNumber {
	switch m := m.(type) {
	case *wire.Prepare:
		return m.First
	case *wire.PrepareOK:
		return m.Op
	case *wire.CommitAck:
		return m.Op
	case *wire.StartView:
		return m.Op
	case *wire.DoViewChange:
		return m.Op
	case *wire.GetLog:
		return m.From
	case *wire.Log:
		return m.First
	}
	return 0
}

// ---- commands

func (s *Script) register(args []string) error {
	i, err := s.site(args, 0)
	if err != nil || len(args) < 2 || args[1] == "" {
		return fmt.Errorf("register REPLICA NAME")
	}
	h := wire.Header{From: wire.ClientPeer(uint64(args[1][0])<<24, 0)}
	s.step(i, new(wire.Encoder).Append(nil, &h, &wire.Register{}))
	return nil
}

func (s *Script) submit(args []string) error {
	i, err := s.site(args, 0)
	if err != nil || len(args) < 2 {
		return fmt.Errorf("submit CLIENT COMMAND")
	}
	if _, ok := s.w.sites[i].process.submit(s.clocks[i], []byte(args[1])); !ok {
		return fmt.Errorf("%s takes no command", args[0])
	}
	s.settle(i)
	return nil
}

func (s *Script) deliver(args []string) error {
	match, err := s.matcher(args)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(s.heap, match)
	if slices.Contains(args, "newest") {
		for i := range s.heap {
			if match(s.heap[i]) {
				at = i
			}
		}
	}
	if at < 0 {
		s.say("no such message")
		return nil
	}
	l := s.heap[at]
	if !slices.Contains(args, "keep") {
		s.heap = slices.Delete(s.heap, at, at+1)
	}
	s.arrive(l)
	return nil
}

func (s *Script) arrive(l letter) {
	if s.w.sites[l.to].process == nil {
		s.say("%s is down", s.w.sites[l.to].name)
		return
	}
	s.step(l.to, l.bytes)
}

func (s *Script) drop(args []string) error {
	match, err := s.matcher(args)
	if err != nil {
		return err
	}
	before := len(s.heap)
	s.heap = slices.DeleteFunc(s.heap, match)
	s.say("%d lost", before-len(s.heap))
	return nil
}

// runMax bounds how many messages one run command delivers.
const runMax = 10_000

func (s *Script) runAll() error {
	for range runMax {
		if len(s.heap) == 0 || s.Violation() != nil {
			return nil
		}
		l := s.heap[0]
		s.heap = s.heap[1:]
		s.say("> %s", l.text)
		s.arrive(l)
	}
	return fmt.Errorf("no end after %d messages", runMax)
}

func (s *Script) tick(args []string) error {
	i, err := s.site(args, 0)
	if err != nil || len(args) < 2 {
		return fmt.Errorf("tick SITE +DURATION")
	}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	end := s.clocks[i] + d
	for site := s.w.sites[i]; site.process != nil && s.Violation() == nil && site.process.deadline() <= end; {
		s.clocks[i] = max(s.clocks[i], site.process.deadline())
		s.settle(i)
	}
	s.clocks[i] = end
	return nil
}

func (s *Script) crash(args []string) error {
	i, err := s.site(args, 0)
	if err != nil {
		return err
	}
	s.w.kill(i)
	return nil
}

func (s *Script) restart(args []string) error {
	i, err := s.site(args, 0)
	if err != nil {
		return err
	}
	run, err := number(args, "run", int(s.runs[i])+1)
	if err != nil {
		return err
	}
	s.w.kill(i)
	s.start(i, uint64(run))
	s.settle(i)
	return nil
}

// state brings a checkpoint from one replica to another, at once.
func (s *Script) state(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("state FROM->TO")
	}
	from, to, _ := strings.Cut(args[0], "->")
	donor, err := s.site([]string{from}, 0)
	if err != nil {
		return err
	}
	target, err := s.site([]string{to}, 0)
	if err != nil {
		return err
	}
	if s.w.sites[donor].subject == nil || s.w.sites[target].subject == nil {
		return fmt.Errorf("%v: both must be replicas that are up", args[0])
	}
	r, _ := s.w.sites[donor].process.replica()
	checkpoint := r.Checkpoint()
	r, m := s.w.sites[target].process.replica()
	if checkpoint == nil || !r.BeginRestore(checkpoint.Op) {
		s.say("it is of no use")
		return nil
	}
	state, err := copyState(checkpoint, m)
	if err != nil {
		return err
	}
	site := s.w.sites[target]
	s.w.out.reset()
	if s.w.guard(site, func() { site.process.(*bareReplica).install(s.clocks[target], state, &s.w.out) }) {
		s.after(target)
	}
	s.settle(target)
	return nil
}

func (s *Script) status() error {
	for i := range s.n {
		site := s.w.sites[i]
		if site.subject == nil {
			s.say("%s down", site.name)
			continue
		}
		b := site.subject.now
		role := "backup"
		if b.Primary == b.Self {
			role = "primary"
		}
		checkpoint := ""
		if b.Checkpoint > 0 {
			checkpoint = fmt.Sprintf(" checkpoint=%d base=%d", b.Checkpoint, b.LogBase)
		}
		s.say("%s %-7s %v v=%d v'=%d n=%d k=%d run=%d%s",
			site.name, role, b.Status, b.View, b.LastNormal, b.Op, b.Commit, b.Incarnation, checkpoint)
	}
	return nil
}

func (s *Script) printLog(args []string) error {
	i, err := s.site(args, 0)
	if err != nil {
		return err
	}
	if s.w.sites[i].process == nil {
		return fmt.Errorf("%s is down", args[0])
	}
	r, _ := s.w.sites[i].process.replica()
	for op := r.Status().LogBase + 1; ; op++ {
		e, ok := r.Entry(op)
		if !ok {
			return nil
		}
		s.say("%d %v", op, &e)
	}
}

// ---- arguments

// site returns the site named by an argument.
func (s *Script) site(args []string, at int) (int, error) {
	if at < len(args) {
		for i, site := range s.w.sites {
			if site.name == args[at] {
				return i, nil
			}
		}
	}
	return 0, fmt.Errorf("no such replica or client: %v", args)
}

// matcher returns what tells the messages that the arguments of deliver and drop mean.
func (s *Script) matcher(args []string) (func(letter) bool, error) {
	if len(args) < 2 {
		return nil, fmt.Errorf("which message? KIND FROM->TO")
	}
	kind, known := wire.KindNamed(args[0])
	from, to, ok := strings.Cut(args[1], "->")
	if !ok || !known && args[0] != "*" {
		return nil, fmt.Errorf("no such message: %v", args)
	}
	view, err := number(args, "v", -1)
	if err != nil {
		return nil, err
	}
	op, err := number(args, "n", -1)
	if err != nil {
		return nil, err
	}
	return func(l letter) bool {
		return (args[0] == "*" || l.kind == kind) &&
			(from == "*" || s.w.sites[l.from].name == from) && (to == "*" || s.w.sites[l.to].name == to) &&
			(view < 0 || l.view == wire.ViewNumber(view)) && (op < 0 || l.op == wire.OpNumber(op))
	}, nil
}

// number returns the value of the argument key=value, or what it is without one.
func number(args []string, key string, otherwise int) (int, error) {
	for _, a := range args {
		if value, ok := strings.CutPrefix(a, key+"="); ok {
			return strconv.Atoi(value)
		}
	}
	return otherwise, nil
}
