package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vrnode/internal/sim"
	"vrnode/netem/link"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
	"vrnode/vr/client"
	"vrnode/wire"
)

// Simulated is the name of the backend that Simulate is.
const Simulated = "sim"

// A simulation is one experiment in virtual time: the processes are those of the simulator, which
// run the code of real ones, and whose promises are checked after each step. The same scenario and
// seed are the same run, byte for byte.
type simulation struct {
	experiment
	stage *sim.Stage
	board *board
	// rotation is that of the keys, if the scenario wants any.
	rotation rotation
	zero     time.Duration // time 0 of the steps, on the stage's clock
	trace    *bufio.Writer

	clients []virtualClient
	history []result.Call
	calls   int // that were begun
	numbers int64
	// filling counts the commands under way that make the state of time 0.
	filling int
	// idle: clients begin no more calls.
	idle bool

	// heard are the events that the driver has heard of.
	heard   int
	filters []*scenario.Filter
	rules   map[*dropped]*scenario.Filter
	polled  time.Duration // when the board is written next
	// busy: since the last look at what is due something has happened that changes it.
	busy     bool
	reported time.Time
	spans    map[scenario.Direction][]link.Counters
	bases    map[scenario.Direction]link.Counters
}

// A virtualClient is one of the workload.
type virtualClient struct {
	*caller
	open    bool
	call    result.Call
	request wire.RequestNumber
}

// Simulate runs a scenario in virtual time; see Run.
func Simulate(ctx context.Context, o Options) (*result.Run, error) {
	s := &simulation{
		experiment: experiment{Options: o}, rules: make(map[*dropped]*scenario.Filter),
		spans: make(map[scenario.Direction][]link.Counters), bases: make(map[scenario.Direction]link.Counters),
	}
	began := time.Now()
	var err error
	if s.folder, err = result.Create(o.Root, o.Scenario.Name, began, o.Scenario.Seed); err != nil {
		return nil, err
	}
	if err := errors.Join(s.run(ctx, began), s.folder.Close()); err != nil {
		return nil, err
	}
	return result.Read(s.folder.Dir)
}

func (s *simulation) run(ctx context.Context, began time.Time) error {
	if err := s.describe(Simulated, began); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.folder.Dir, result.TraceFile))
	if err != nil {
		return err
	}
	s.trace = bufio.NewWriter(file)
	s.play(ctx)
	if ctx.Err() != nil {
		s.trouble("interrupted after %v", s.now())
	}
	return errors.Join(s.end(), s.trace.Flush(), file.Close())
}

// play is the whole run: the group forms, clients and steps have their time, and what is under way
// ends.
func (s *simulation) play(ctx context.Context) {
	load := &s.Scenario.Workload
	s.board = newBoard(s.Scenario, s.folder)
	stage := sim.StageConfig{
		Replicas: s.Scenario.Replicas, Clients: load.Clients, Seed: s.Scenario.Seed, Trace: s.trace,
		OnEvent: s.said, OnResult: s.answered, Lose: s.lose,
	}
	if s.Scenario.State > 0 {
		stage.LogBytes = scenario.LogMemory
	}
	if s.Scenario.Needs()&scenario.CanRekey != 0 {
		s.rotation = newRotation(client.Key{1}, client.Key{2})
		stage.Keys, stage.ReplicaKeys = s.rotation.all(), []client.Key{s.rotation.old}
	}
	s.stage = sim.NewStage(stage)
	for n := 1; n <= s.Scenario.Replicas; n++ {
		s.board.process(0, scenario.Site(n), true, "start", "")
	}
	s.stage.Form()
	if !s.until(ctx, formTimeout, s.board.settled) || !s.fill(ctx) {
		s.trouble("the group was not formed")
		return
	}
	s.zero = s.stage.Now()
	s.board.start(s.zero)
	s.polled = 0
	s.driver = newDriver(s.Scenario, s.board.group())
	s.network, _ = newNetwork(s, s.driver.plan.All()) // simulated links take what they are given
	for i := range load.Clients {
		s.clients = append(s.clients, virtualClient{caller: newCaller(s.Scenario, i+1)})
	}
	s.until(ctx, load.Duration, never)
	s.worked, s.idle = s.now(), true
	s.obey(s.now(), s, s.driver.Stop(s.now(), s.stage.Violation() == nil && ctx.Err() == nil, nil))
	s.settle(ctx)
}

// fill lets the first client make the state of time 0.
func (s *simulation) fill(ctx context.Context) bool {
	if s.Scenario.State == 0 {
		return true
	}
	left := slices.Collect(fillOf(s.Scenario))
	return s.until(ctx, s.now()+fillTimeout(s.Scenario), func() bool {
		for len(left) > 0 {
			if _, taken := s.stage.Submit(s.Scenario.Replicas+1, left[0]); !taken {
				break
			}
			left = left[1:]
			s.filling++
		}
		return s.filling == 0 && s.board.settled()
	})
}

func never() bool { return false }

// settle lets what is under way end, reads the value and waits for all replicas to have it.
func (s *simulation) settle(ctx context.Context) {
	deadline := s.now() + settleTimeout
	quiet := func() bool {
		return s.board.groupLost() || !slices.ContainsFunc(s.clients, func(c virtualClient) bool { return c.open })
	}
	if s.until(ctx, deadline, quiet) && !s.board.groupLost() {
		s.begin(0, "read")
		s.until(ctx, deadline, quiet)
	}
	s.giveUp()
	s.until(ctx, deadline, func() bool {
		s.settled, s.lost = s.board.settled(), s.board.groupLost()
		return s.settled || s.lost
	})
}

// now is the time of the steps.
func (s *simulation) now() time.Duration { return s.stage.Now() - s.zero }

// until lets time pass to end, or until stop says so when the board has just been written, and
// tells whether it did. It ends early with the context, and when a promise is broken.
func (s *simulation) until(ctx context.Context, end time.Duration, stop func() bool) bool {
	for ctx.Err() == nil && s.stage.Violation() == nil && s.now() < end {
		at := min(end, s.polled)
		for i := range s.clients {
			if c := &s.clients[i]; !c.open && !s.idle {
				at = min(at, c.next)
			}
		}
		if s.driver != nil {
			at = min(at, s.driver.Deadline())
		}
		for s.busy = false; !s.busy && s.stage.Step(s.zero+at); {
		}
		if s.polled <= s.now() {
			if s.poll(); stop() {
				return true
			}
		}
		s.act()
	}
	return false
}

// act lets the driver and the clients do what is due.
func (s *simulation) act() {
	if s.driver == nil {
		return
	}
	for ; s.heard < len(s.board.events); s.heard++ {
		s.driver.Hear(&s.board.events[s.heard])
	}
	s.obey(s.now(), s, s.driver.Tick(s.now(), s.board.group(), nil))
	for i := range s.clients {
		c := &s.clients[i]
		if s.idle || c.open || c.next > s.now() {
			continue
		}
		if s.calls++; s.calls > callsMax {
			c.next = forever
			continue
		}
		s.begin(i, c.command(func() int64 { s.numbers++; return s.numbers }))
	}
}

// poll asks the replicas how they are, and writes it down.
func (s *simulation) poll() {
	for n := 1; n <= s.Scenario.Replicas; n++ {
		s.board.answered(s.stage.Ask(n))
	}
	if s.board.started {
		s.board.sample(s.now(), make([]int64, s.Scenario.Replicas))
	}
	s.polled = s.now() + pollInterval
	const often = 200 * time.Millisecond
	if s.Progress != nil && time.Since(s.reported) > often {
		s.reported = time.Now()
		s.Progress(s.board.line(s.now()))
	}
}

// said takes what happened to a replica.
func (s *simulation) said(n int, e vr.Event) {
	for _, known := range spoken {
		if known.kind == e.Kind {
			primary := 0
			if e.Kind == vr.EventSuspected || e.Kind == vr.EventViewChangeStarted || e.Kind == vr.EventViewStarted {
				primary = int(e.Peer)
			}
			s.board.said(result.Event{
				At: s.now(), Replica: n, Name: e.Kind.String(), Text: known.text,
				View: uint64(e.View), Op: uint64(e.Op), Primary: primary,
			})
			s.busy = true
			return
		}
	}
}

// ---- hands

func (s *simulation) crash(site scenario.Site) {
	s.stage.Kill(int(site))
	s.board.process(s.now(), site, false, "exit", "killed")
}

func (s *simulation) start(site scenario.Site) error {
	s.stage.Start(int(site))
	s.board.process(s.now(), site, true, "start", "")
	return nil
}

func (s *simulation) pause(site scenario.Site, paused bool) error {
	s.board.pause(site, paused)
	if paused {
		s.stage.Pause(int(site))
	} else {
		s.stage.Resume(int(site))
	}
	return nil
}

func (s *simulation) rekey(site scenario.Site) error {
	err := s.rotation.advance(site)
	s.stage.SetKeys(int(site), s.rotation.of(site))
	return err
}

func (s *simulation) rebind(site scenario.Site) error {
	s.stage.Rebind(int(site))
	return nil
}

func (s *simulation) release(site scenario.Site) (followed int, err error) {
	return s.stage.Release(int(site)), nil
}

func (s *simulation) drop(d *dropped) error {
	f := scenario.NewFilter(d.Message, d.directions, d.Skip, d.Count)
	s.filters, s.rules[d] = append(s.filters, f), f
	return nil
}

func (s *simulation) pass(d *dropped) (lost int) {
	f := s.rules[d]
	s.filters = slices.DeleteFunc(s.filters, func(g *scenario.Filter) bool { return g == f })
	return f.Lost()
}

// lose tells whether a rule loses a datagram.
func (s *simulation) lose(from, to int, datagram []byte) bool {
	d := scenario.Direction{From: scenario.Site(from), To: scenario.Site(to)}
	return slices.ContainsFunc(s.filters, func(f *scenario.Filter) bool { return f.Loses(d, datagram) })
}

func (s *simulation) keep(e result.Event) {
	s.stage.Note(fmt.Sprintf("%s %s", e.Kind, e.Text))
	s.board.keep(e)
}

// ---- wires

// Set gives directions new settings.
func (s *simulation) Set(changed ...scenario.Changed) error {
	for _, c := range changed {
		d := c.Direction
		all := s.stage.Counters(int(d.From), int(d.To))
		base := s.bases[d]
		s.spans[d] = append(s.spans[d], all.Since(&base))
		s.bases[d] = all
		s.stage.Set(int(d.From), int(d.To), c.Settings)
	}
	return nil
}

// Measure returns what a direction has done before the first Set, and since each. Nothing is late.
func (s *simulation) Measure(d scenario.Direction) (done []link.Counters, late []link.Histogram) {
	all := s.stage.Counters(int(d.From), int(d.To))
	base := s.bases[d]
	return append(slices.Clone(s.spans[d]), all.Since(&base)), nil
}

// Slack is nothing: in virtual time everything comes when it should.
func (s *simulation) Slack() time.Duration { return 0 }

// ---- clients

// begin makes a call of a client.
func (s *simulation) begin(i int, command string) {
	c := &s.clients[i]
	c.call = result.Call{Client: i + 1, Command: command, Invoke: s.now()}
	c.request, c.open = s.stage.Submit(s.Scenario.Replicas+1+i, command)
	if !c.open {
		s.finish(c, result.Refused, "", "the client has no room")
	}
}

// answered takes a result.
func (s *simulation) answered(site int, request wire.RequestNumber, outcome wire.Outcome, value string) {
	if s.driver == nil {
		s.filling--
		return
	}
	c := &s.clients[site-1-s.Scenario.Replicas]
	if !c.open || c.request != request {
		return
	}
	switch outcome {
	case wire.OutcomeDone:
		s.board.acked++
		s.finish(c, result.Answered, value, "")
	case wire.OutcomeTooOld:
		s.finish(c, result.Unanswered, "", outcome.String())
	default:
		s.finish(c, result.Refused, "", outcome.String())
	}
}

// finish ends a call.
func (s *simulation) finish(c *virtualClient, end result.CallEnd, value, why string) {
	c.open, s.busy = false, true
	c.call.Return, c.call.End, c.call.Result, c.call.Error = s.now(), end, value, why
	c.ended(s.now())
	s.history = append(s.history, c.call)
	s.folder.Call(&c.call)
}

// giveUp ends the calls that have no answer. That of the first client comes last: it may be the one
// that reads the value.
func (s *simulation) giveUp() {
	for i := range slices.Backward(s.clients) {
		if c := &s.clients[i]; c.open {
			s.finish(c, result.Unanswered, "", "no answer before the end")
		}
	}
}

// end judges and writes.
func (s *simulation) end() error {
	s.giveUp()
	t := &trial{history: s.history, complete: s.calls <= callsMax, events: s.board.events, virtual: true}
	t.promises = result.Check{
		What: "promises of the protocol", Outcome: result.Pass,
		Found: fmt.Sprintf("all of them held after each of %d steps", s.stage.Steps()),
	}
	if v := s.stage.Violation(); v != nil {
		t.promises = result.Check{What: v.Name, Outcome: result.Failed, Found: fmt.Sprintf("%s, at %v", v.Detail, v.At-s.zero)}
	}
	return s.conclude(s.now(), t)
}
