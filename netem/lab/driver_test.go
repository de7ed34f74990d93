package lab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// A rehearsal drives a scenario without any process.
type rehearsal struct {
	t *testing.T
	*driver
	group scenario.Group
}

func rehearse(t *testing.T, steps string) *rehearsal {
	t.Helper()
	text := "version: 1\nname: x\nhypothesis: x\nseed: 1\nworkload: {clients: 1, duration: 60s}\nexpect: [linearizable]\nsteps:\n" + steps
	s, err := scenario.Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g := scenario.Group{Replicas: 3, Clients: 1, Primary: 1, NextPrimary: 2}
	return &rehearsal{t, newDriver(s, g), g}
}

// at ticks at a time and wants orders, as words.
func (r *rehearsal) at(now time.Duration, want ...string) {
	r.t.Helper()
	r.check(now, r.Tick(now, r.group, nil), want)
}

func (r *rehearsal) check(now time.Duration, orders []order, want []string) {
	r.t.Helper()
	if got := words(orders); !slices.Equal(got, want) {
		r.t.Errorf("at %v: %q, want %q", now, got, want)
	}
}

func words(orders []order) (out []string) {
	verbs := [...]string{doCrash: "crash", doStart: "start", doPause: "pause", doResume: "resume", doDrop: "drop", doPass: "pass", doRekey: "rekey", doRebind: "rebind", doRelease: "release"}
	for _, o := range orders {
		switch o.verb {
		case doTell:
			out = append(out, string(o.event.Kind)+" "+o.event.Name)
		case doComplain:
			_, what, _ := strings.Cut(o.text, ": ")
			out = append(out, "complain: "+what)
		case doSet:
			for _, c := range o.links {
				state := "up"
				if c.Settings.Down {
					state = "down"
				}
				out = append(out, strings.Join([]string{"set", string('0' + rune(c.From)), string('0' + rune(c.To)), state}, " "))
			}
		case doDrop, doPass:
			out = append(out, verbs[o.verb])
		default:
			out = append(out, verbs[o.verb]+" "+string('0'+rune(o.site)))
		}
	}
	return out
}

func (r *rehearsal) next(want time.Duration) {
	r.t.Helper()
	if got := r.Deadline(); got != want {
		r.t.Errorf("next at %v, want %v", got, want)
	}
}

func TestDriverTakesStepsAndUndoesThem(t *testing.T) {
	r := rehearse(t, `
  - {at: 2s, fault: crash, target: primary, restart_after: 1s}
  - {at: 2s, fault: pause, target: replica:2}
  - {at: 5s, heal: all}
`)
	r.next(2 * time.Second)
	r.at(time.Second)
	r.at(2*time.Second, "crash 1", "fault-begin crash")
	r.next(2 * time.Second) // one step at a time, since the group is another one now
	r.at(2*time.Second, "pause 2", "fault-begin pause")
	r.next(3 * time.Second)
	r.at(3*time.Second, "start 1", "fault-end crash")
	r.at(5*time.Second, "resume 2", "fault-end pause", "fault-begin heal", "fault-end heal")
	r.next(forever)
	r.check(0, r.Stop(6*time.Second, true, nil), nil)
}

// TestDriverRekeys: keys stay when everything is healed, and steps may wait for the end of each.
func TestDriverRekeys(t *testing.T) {
	r := rehearse(t, `
  - {at: 1s, fault: rekey, target: replicas}
  - {after: heal, plus: 1s, fault: rekey, target: replica:2}
  - {at: 3s, heal: all}
`)
	r.at(time.Second, "rekey 1", "rekey 2", "rekey 3", "fault-begin rekey", "fault-end rekey")
	r.next(2 * time.Second)
	r.at(2*time.Second, "rekey 2", "fault-begin rekey", "fault-end rekey")
	r.at(3*time.Second, "fault-begin heal", "fault-end heal")
}

// TestDriverRebinds: the end of it is as that of any fault, and clients are no replicas.
func TestDriverRebinds(t *testing.T) {
	r := rehearse(t, `
  - {at: 1s, fault: rebind, target: all, for: 1s}
  - {at: 3s, fault: rebind, target: clients}
  - {at: 4s, fault: rebind, target: all}
  - {at: 10s, heal: all}
`)
	orders := r.Tick(time.Second, r.group, nil)
	r.check(time.Second, orders, []string{"rebind 1", "rebind 2", "rebind 3", "rebind 4", "fault-begin rebind"})
	if got := orders[4].event.Replicas; !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("the replicas %v are on the time line", got)
	}
	r.at(2*time.Second, "release 1", "release 2", "release 3", "release 4", "fault-end rebind")
	r.at(3*time.Second, "rebind 4", "fault-begin rebind")
	r.at(4 * time.Second) // one of them has another port already
	r.at(4*time.Second+targetTimeout, "complain: the step at 4s: other ports for all: nobody is meant, or somebody who is down, paused or rebound already")
	r.at(10*time.Second, "release 4", "fault-end rebind", "fault-begin heal", "fault-end heal")
}

func TestDriverWaitsForEvents(t *testing.T) {
	r := rehearse(t, `
  - {at: 1s, fault: crash, target: replica:3, restart_after: 100ms}
  - {after: restart, plus: 50ms, fault: pause, target: replica:2, for: 1s}
  - {after: view-started, fault: pause, target: replica:1, for: 1s}
`)
	said := func(at time.Duration) { r.Hear(&result.Event{At: at, Kind: result.Said, Name: "view-started"}) }
	said(500 * time.Millisecond) // nobody waits for it
	r.at(time.Second, "crash 3", "fault-begin crash")
	r.next(1100 * time.Millisecond)
	r.at(1100*time.Millisecond, "start 3", "fault-end crash")
	r.next(1150 * time.Millisecond)
	r.at(1150*time.Millisecond, "pause 2", "fault-begin pause")
	said(1140 * time.Millisecond) // it was before the step
	r.next(2150 * time.Millisecond)
	said(1200 * time.Millisecond)
	r.at(1200*time.Millisecond, "pause 1", "fault-begin pause")
}

func TestDriverLooksForTargets(t *testing.T) {
	r := rehearse(t, "  - {at: 1s, fault: crash, target: old-primary}\n  - {at: 2s, fault: crash, target: old-primary}\n")
	r.at(time.Second)
	r.next(time.Second + pollInterval)
	r.group.OldPrimary = 2
	r.at(2*time.Second, "crash 2", "fault-begin crash")
	r.group.OldPrimary = 0
	r.at(2 * time.Second)
	r.at(2*time.Second+targetTimeout, "complain: the step at 2s: crash old-primary: nobody is meant, or somebody who is down, paused or rebound already")
	r.check(0, r.Stop(10*time.Second, true, nil), []string{"start 2", "fault-end crash"})
}

// A process that is down can be neither crashed nor paused: the step waits until it runs, and if it
// does not, the run is not what was asked for.
func TestDriverStrikesTheLiving(t *testing.T) {
	r := rehearse(t, `
  - {at: 1s, fault: crash, target: replica:3, restart_after: 2s}
  - {at: 2s, fault: crash, target: replica:3, restart_after: 9s}
  - {at: 4s, fault: pause, target: backups}
`)
	r.at(time.Second, "crash 3", "fault-begin crash")
	r.at(2 * time.Second)
	r.next(2*time.Second + pollInterval)
	r.at(3*time.Second, "start 3", "fault-end crash", "crash 3", "fault-begin crash")
	r.at(4 * time.Second)
	r.at(4*time.Second+targetTimeout, "complain: the step at 4s: pause backups: nobody is meant, or somebody who is down, paused or rebound already")
}

// Faults of links may overlap: when one ends, the others stay.
func TestDriverOverlapsFaults(t *testing.T) {
	r := rehearse(t, `
  - {at: 1s, fault: partition, shape: one-way, from: replica:1, to: replica:2, for: 2s}
  - {at: 2s, fault: partition, shape: one-way, from: replica:1, to: replica:2, for: 2s}
`)
	r.at(time.Second, "set 1 2 down", "fault-begin partition")
	r.at(2*time.Second, "set 1 2 down", "fault-begin partition")
	r.at(3*time.Second, "set 1 2 down", "fault-end partition")
	r.at(4*time.Second, "set 1 2 up", "fault-end partition")
}

func TestDriverStops(t *testing.T) {
	steps := "  - {at: 1s, fault: drop, message: Prepare, count: 2}\n  - {after: recovered, heal: all}\n"
	for _, complete := range []bool{true, false} {
		r := rehearse(t, steps)
		r.at(time.Second, "drop", "fault-begin drop")
		want := []string{"pass", "fault-end drop"}
		if complete {
			want = append([]string{"complain: the step after recovered: heal all was not due before the end"}, want...)
		}
		r.check(0, r.Stop(10*time.Second, complete, nil), want)
	}
}
