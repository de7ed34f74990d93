package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vrnode/netem/result"
)

// A synthetic run is made up from a seed and a list of what happened, to have every part of a page
// without an experiment. It goes through a result folder, as a real one does.
type synthetic struct {
	result.Run
	dice *rand.Rand
	// deaf are the times in which nothing is answered, view by view.
	deaf  [][2]time.Duration
	slow  [][2]time.Duration
	span  time.Duration
	usual time.Duration // the latency of a call
}

// ms is a time of a script.
func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// crashed is a run with one fault of every sort.
func crashed(seed uint64) *synthetic {
	s := newSynthetic(seed, 30*time.Second, 900*time.Microsecond)
	s.formed()
	s.fault(1, "crash", "crash the primary (replica 1), restart after 3s", 5000, 8000, 1)
	s.process(5000, 1, "exit")
	s.viewChange(5000, 5210, 1, []int{2, 3})
	s.process(8000, 1, "start")
	s.said(8004, 1, "recovering", 0, 0)
	s.said(8062, 1, "recovered", 1, 1)
	s.fault(2, "partition", "bridge partition, any-backup (replica 3)", 12000, 15000)
	s.viewChange(12000, 12240, 2, []int{1, 3, 2})
	s.fault(3, "pause", "pause the primary (replica 3) for 2s", 17000, 19000, 3)
	s.viewChange(17000, 17190, 3, []int{1, 2})
	s.said(19012, 3, "view-change-started", 3, 1)
	s.said(19019, 3, "view-started", 3, 1)
	s.fault(4, "links", "links backups → primary: loss gemodel p 2% r 20%, delay 8ms ± 2ms", 20500, 25000)
	s.slow = append(s.slow, [2]time.Duration{ms(20500), ms(25000)})
	s.fault(5, "drop", "lose 2 DoViewChange of all", 24800, 26500)
	s.fault(0, "heal", "heal all", 27000, 27000)
	s.calls(4, 120)
	s.links()
	s.samples()
	s.judge()
	return s
}

// calm is a run of the same length without faults.
func calm(seed uint64) *synthetic {
	s := newSynthetic(seed, 30*time.Second, 700*time.Microsecond)
	s.Manifest.Name, s.Manifest.Hypothesis = "lan-baseline", "Nothing happens, and nobody waits."
	s.formed()
	s.calls(4, 120)
	s.links()
	s.samples()
	s.judge()
	return s
}

func newSynthetic(seed uint64, span, usual time.Duration) *synthetic {
	s := &synthetic{dice: rand.New(rand.NewPCG(seed, 0)), span: span, usual: usual}
	s.Manifest = result.Manifest{
		Name:       "primary-behind-bad-link",
		Hypothesis: "Through a crash, a bridge partition, a pause and burst loss the group stays linearizable, and each of them costs at most one view change.",
		File:       "netem/scenarios/primary-behind-bad-link.yaml", Seed: seed, Backend: "relay", Replicas: 3, Clients: 4,
		Began: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Lasted: span + time.Second,
		Version: "v0.3.0 go1.26.0", System: "Linux 6.12.0 amd64, 2 cores",
		Reproduce: fmt.Sprintf("vrnode lab run netem/scenarios/primary-behind-bad-link.yaml --backend relay --seed %d", seed),
	}
	return s
}

func (s *synthetic) event(at time.Duration, e result.Event) {
	e.At = at
	s.Events = append(s.Events, e)
}

func (s *synthetic) fault(number int, name, text string, begin, end int, replicas ...int) {
	s.event(ms(begin), result.Event{Kind: result.FaultBegin, Fault: number, Name: name, Text: text, Replicas: replicas})
	if end > begin {
		s.event(ms(end), result.Event{Kind: result.FaultEnd, Fault: number, Name: name, Text: text, Replicas: replicas})
	}
}

func (s *synthetic) process(at, replica int, name string) {
	s.event(ms(at), result.Event{Kind: result.Process, Replica: replica, Name: name, Text: "process " + name})
}

func (s *synthetic) said(at, replica int, name string, view uint64, primary int) {
	s.event(ms(at)+time.Duration(s.dice.IntN(900))*time.Microsecond, result.Event{
		Kind: result.Said, Replica: replica, Name: name, View: view, Op: uint64(at / 2), Primary: primary,
		Text: fmt.Sprintf("%s v=%d", name, view),
	})
}

// formed is the birth of the group.
func (s *synthetic) formed() {
	for i := 1; i <= 3; i++ {
		s.process(0, i, "start")
		s.said(3, i, "recovering", 0, 0)
		s.said(60, i, "formed", 0, 1)
	}
	s.deaf = append(s.deaf, [2]time.Duration{0, ms(61)})
}

// viewChange goes to a view after silence of its old primary; alive suspect it in that order.
func (s *synthetic) viewChange(silent, suspected int, view uint64, alive []int) {
	primary := int(view)%3 + 1
	for i, replica := range alive {
		s.said(suspected+2*i, replica, "suspected", view-1, int(view-1)%3+1)
		s.said(suspected+6+3*i, replica, "view-change-started", view, primary)
		s.said(suspected+21+i, replica, "view-change-started", view, primary)
	}
	s.said(suspected+18, primary, "view-started", view, primary)
	for i, replica := range alive {
		if replica != primary {
			s.said(suspected+22+i, replica, "view-started", view, primary)
		}
	}
	s.deaf = append(s.deaf, [2]time.Duration{ms(silent), ms(suspected + 24)})
}

// calls lets clients call at a rate, in turn.
func (s *synthetic) calls(clients, perSecond int) {
	for at := ms(20); at < s.span; at += time.Second / time.Duration(perSecond) {
		call := result.Call{
			Client: len(s.History)%clients + 1, Command: "add 1", Invoke: at, End: result.Answered,
			Return: at + time.Duration(float64(s.usual)*(0.7+s.dice.ExpFloat64()*0.4)), Result: "1",
		}
		if within(s.slow, at) {
			call.Return += time.Duration(s.dice.ExpFloat64() * float64(ms(18)))
		}
		for _, d := range s.deaf {
			if d[0] <= at && at < d[1] {
				call.Return = d[1] + time.Duration(s.dice.ExpFloat64()*float64(ms(40)))
				if s.dice.IntN(9) == 0 {
					call.End, call.Error = result.Unanswered, "gave up"
				}
			}
		}
		if call.Return < s.span {
			s.History = append(s.History, call)
		}
	}
}

func within(times [][2]time.Duration, at time.Duration) bool {
	return slices.ContainsFunc(times, func(t [2]time.Duration) bool { return t[0] <= at && at < t[1] })
}

// links has each direction in the times between which its settings changed.
func (s *synthetic) links() {
	edges := []time.Duration{0}
	for _, t := range s.slow {
		edges = append(edges, t[0], t[1])
	}
	edges = append(edges, s.span)
	sites := s.Manifest.Replicas + s.Manifest.Clients
	for from := 1; from <= sites; from++ {
		for to := 1; to <= sites; to++ {
			switch {
			case from == to || min(from, to) > s.Manifest.Replicas:
			case to == 1 && from == 3 && len(edges) > 2:
				for i, begin := range edges[:len(edges)-1] {
					s.link(from, to, begin, edges[i+1], i == 1)
				}
			case max(from, to) == 2 && len(edges) > 2: // the bridge partition
				s.link(from, to, 0, ms(12000), false)
				s.link(from, to, ms(12000), ms(15000), false)
				s.link(from, to, ms(15000), s.span, false)
			default:
				s.link(from, to, 0, s.span, false)
			}
		}
	}
}

func (s *synthetic) link(from, to int, begin, end time.Duration, bad bool) {
	l := result.Link{
		Direction: result.Direction{From: from, To: to}, Begin: begin, End: end, Requested: "delay 250µs ± 50µs",
		Delay:   result.Figure{Requested: 250e-6, Achieved: 250e-6 * (1 + 0.02*s.dice.NormFloat64())},
		Offered: uint64((end - begin).Seconds() * 210), Lost: map[string]uint64{},
	}
	if bad {
		l.Requested = "delay 8ms ± 2ms, loss gemodel p 2% r 20%, reorder 1%, duplicate 0.5%"
		l.Delay = result.Figure{Requested: 8e-3, Achieved: 8e-3 * (1 + 0.02*s.dice.NormFloat64())}
		l.Loss = result.Figure{Requested: 0.0909, Achieved: 0.0909 * (1 + 0.1*s.dice.NormFloat64())}
		l.Reorder = result.Figure{Requested: 0.01, Achieved: 0.01 * (1 + 0.1*s.dice.NormFloat64())}
		l.Duplicate = result.Figure{Requested: 0.005, Achieved: 0.005 * (1 + 0.1*s.dice.NormFloat64())}
		l.Lost["random"] = uint64(float64(l.Offered) * l.Loss.Achieved)
		l.Lost["queue"] = 9
	}
	if begin == ms(12000) {
		l.Requested, l.Delay.Requested, l.Delay.Achieved = "down", 0, 0
		l.Lost["down"] = l.Offered
	}
	l.Delivered = l.Offered
	for _, n := range l.Lost {
		l.Delivered -= n
	}
	l.P50 = time.Duration(l.Delay.Achieved * 1e9)
	l.P99 = l.P50 * 3 / 2
	s.Links = append(s.Links, l)
}

// samples tells what replicas sent, and that more is sent again where calls are slow.
func (s *synthetic) samples() {
	sent, again := uint64(0), uint64(0)
	for at := ms(50); at < s.span; at += ms(50) {
		sent += 30 + uint64(s.dice.IntN(5))
		if within(s.slow, at) {
			again += uint64(s.dice.IntN(6))
		}
		for i := 1; i <= s.Manifest.Replicas; i++ {
			s.event(at, result.Event{Kind: result.Sample, Replica: i, Sent: sent, Again: again})
		}
	}
	s.Verdict.Figures.Sent, s.Verdict.Figures.Again = 3*sent, 3*again
}

// judge makes up a verdict from the calls.
func (s *synthetic) judge() {
	f := &s.Verdict.Figures
	latencies := []time.Duration{0}
	for _, c := range s.History {
		f.Calls++
		if c.End == result.Answered {
			f.Acknowledged++
			latencies = append(latencies, c.Return-c.Invoke)
		} else {
			f.Unanswered++
		}
	}
	slices.Sort(latencies)
	at := func(q float64) time.Duration { return latencies[int(q*float64(len(latencies)-1))] }
	f.P50, f.P99, f.P999, f.Slowest = at(0.5), at(0.99), at(0.999), at(1)
	f.PerSecond = float64(f.Acknowledged) / s.span.Seconds()
	f.Unavailable, f.RSS = 4*ms(60), 31<<20
	for _, d := range s.deaf {
		f.Unavailable = max(f.Unavailable, d[1]-d[0])
	}
	f.ViewChanges = len(s.deaf) - 1
	s.Verdict.Outcome = result.Pass
	s.Verdict.Checks = []result.Check{
		{What: "linearizable", Outcome: result.Pass, Found: fmt.Sprintf("%d calls", f.Calls)},
		{What: "no_committed_op_lost", Outcome: result.Pass, Found: "every acknowledged op is in the log of 3 replicas"},
		{What: "recovers_within 3s after heal", Outcome: result.Pass, Found: "4ms"},
		{What: "view_changes between 0 and 4", Outcome: result.Pass, Found: fmt.Sprint(f.ViewChanges)},
	}
}

// folder writes the run to a result folder and reads it back.
func (s *synthetic) folder(t *testing.T) *result.Run {
	t.Helper()
	f, err := result.Create(t.TempDir(), "synthetic", s.Manifest.Began, s.Manifest.Seed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.History {
		f.Call(&s.History[i])
	}
	for i := range s.Events {
		f.Event(&s.Events[i])
	}
	for _, file := range []struct {
		name  string
		value any
	}{{result.ManifestFile, s.Manifest}, {result.VerdictFile, s.Verdict}, {result.LinksFile, s.Links}} {
		if err := f.Write(file.name, file.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := result.Read(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
