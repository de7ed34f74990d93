package sim

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"vrnode/netem/link"
	"vrnode/vr"
	"vrnode/wire"
)

// seeds is how many runs TestSeeds makes; `vrnode sim --seeds` makes more.
const seeds = 60

// TestSeeds makes each run twice: no promise may be broken, and both must be the same to the bit.
func TestSeeds(t *testing.T) {
	n := uint64(seeds)
	if testing.Short() {
		n = 10
	}
	var sum Stats
	for seed := uint64(1); seed <= n; seed++ {
		a := Run(Options{Seed: seed})
		if a.Violation != nil {
			t.Errorf("%v at %v\n%s", a.Violation, a.Violation.At, a.Reproduce())
			continue
		}
		if b := Run(Options{Seed: seed}); a.Hash != b.Hash {
			t.Errorf("two runs of one seed differ: hashes %#x and %#x\n%s", a.Hash, b.Hash, a.Reproduce())
		}
		sum.Commits += a.Stats.Commits
		sum.Views += a.Stats.Views
		sum.Recoveries += a.Stats.Recoveries
		sum.Transfers += a.Stats.Transfers
		sum.Anew += a.Stats.Anew
	}
	if !testing.Short() && (sum.Commits < 1000 || sum.Views < 60 || sum.Recoveries < 10 || sum.Transfers < 5 || sum.Anew == 0) {
		t.Errorf("the runs do not do much: %+v", sum)
	}
}

// A recording replays to the same run.
func TestTapeReplaysARun(t *testing.T) {
	a := Run(Options{Seed: 7})
	b := Run(Options{Choices: a.Choices})
	if a.Hash != b.Hash || a.Stats != b.Stats {
		t.Fatalf("replayed to another run: %+v and %+v", a.Stats, b.Stats)
	}
}

var (
	minimize = flag.Uint64("minimize", 0, "the seed of a run that breaks a promise, for TestMinimize")
	tape     = flag.String("tape", "", "where TestMinimize puts the shrunk run")
)

// TestMinimize makes a tape of a run that breaks a promise, to be kept in testdata/tapes:
//
//	go test ./internal/sim -run TestMinimize -minimize 0x2a -tape testdata/tapes/what-it-was.tape
func TestMinimize(t *testing.T) {
	if *tape == "" {
		t.Skip("needs -minimize and -tape")
	}
	r := Run(Options{Seed: *minimize})
	if r.Violation == nil {
		t.Fatal("the run breaks no promise")
	}
	text := fmt.Sprintf("# Once broke %v\n%s", r.Violation.Name, FormatTape(Minimize(r, 500)))
	if err := os.WriteFile(*tape, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTapes replays the runs that once broke a promise.
func TestTapes(t *testing.T) {
	paths, err := filepath.Glob("testdata/tapes/*.tape")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no tapes: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".tape"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			choices, err := ParseTape(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if r := Run(Options{Choices: choices}); r.Violation != nil {
				t.Errorf("%v at %v", r.Violation, r.Violation.At)
			}
		})
	}
}

// TestCanary forges one kind of message. If nobody notices, nobody would notice a bug.
func TestCanary(t *testing.T) {
	for seed := range uint64(200) {
		r := newRun(&Recorder{From: NewDice(seed)}, Options{})
		if !r.bare {
			continue
		}
		r.w.onStep = func(site int, out *output) {
			r.afterStep(site, out)
			r.forge(site, out)
		}
		r.phases()
		if v := r.w.violation; v != nil && v.Name[0] == 'I' {
			return
		}
	}
	t.Fatal("forged acknowledgements went unnoticed")
}

// forge acknowledges each Prepare in the name of the replica that it is for.
func (r *run) forge(site int, out *output) {
	for _, e := range out.sent {
		m, ok := e.Message.(*wire.Prepare)
		if !ok || r.w.record.members[e.To-1] == nil {
			continue
		}
		h := e.Header
		h.From, h.Incarnation = e.To, r.w.record.members[e.To-1].now.Incarnation
		ack := &wire.PrepareOK{Op: m.First + wire.OpNumber(m.Entries.Len()) - 1}
		r.w.net.put(packet{at: r.w.now, from: int(e.To - 1), to: site, bytes: new(wire.Encoder).Append(nil, &h, ack)})
	}
}

// TestStuckGroupIsSeen keeps a quorum apart after the faults: a promise of liveness breaks.
func TestStuckGroupIsSeen(t *testing.T) {
	for seed := range uint64(20) {
		r := newRun(&Recorder{From: NewDice(seed)}, Options{})
		if r.replicas != 3 {
			continue
		}
		r.w.onStep = func(site int, out *output) {
			r.afterStep(site, out)
			if r.w.sites[r.operator].process == nil { // it is gone when the faults are
				for i := range r.replicas {
					r.w.net.isolate(r.w.now, i)
				}
			}
		}
		r.phases()
		if r.w.violation == nil || !strings.HasPrefix(r.w.violation.Name, "L") {
			t.Fatalf("seed %d: a group without any connection ended with %v", seed, r.w.violation)
		}
		return
	}
}

// TestLinearizable asks another judge than our own: porcupine, which sees the calls of clients and
// nothing else.
func TestLinearizable(t *testing.T) {
	judged := 0
	for seed := uint64(1000); judged < 5; seed++ {
		r := Run(Options{Seed: seed})
		if r.Violation != nil {
			t.Fatalf("%v\n%s", r.Violation, r.Reproduce())
		}
		operations, complete := operationsOf(r.Histories[len(r.Histories)-1])
		if !complete {
			continue // a client died with a call under way, of which nobody can say what became
		}
		judged++
		if !porcupine.CheckOperations(accumulator, operations) {
			t.Errorf("the history of %d calls is not linearizable\n%s", len(operations), r.Reproduce())
		}
	}
}

// accumulator is what the clients were promised.
var accumulator = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		sum := state.(int64) + input.(int64)
		return sum == output.(int64), sum
	},
}

func operationsOf(history []*Call) (operations []porcupine.Operation, complete bool) {
	for i, c := range history {
		if !c.Done {
			return nil, false
		}
		operations = append(operations, porcupine.Operation{
			ClientId: i, Input: c.Add, Call: int64(c.Invoked), Output: c.Sum, Return: int64(c.Returned),
		})
	}
	return operations, true
}

// BenchmarkCluster3 is one op through three replicas and a client on a perfect network: what all
// layers together cost, without sockets.
func BenchmarkCluster3(b *testing.B) {
	for _, depth := range []int{1, 64} {
		b.Run(fmt.Sprintf("outstanding=%d", depth), func(b *testing.B) {
			r := perfect(3)
			if !r.until(time.Minute, r.isFormed) {
				b.Fatal(r.w.violation)
			}
			r.w.stepsMax = math.MaxInt // no storm, however long
			site := r.w.sites[r.replicas]
			done, open := 0, 0
			r.w.onResult = func(int, vr.Result) { done, open = done+1, open-1 }
			r.w.onStep = func(i int, _ *output) {
				if _, m := r.w.sites[i].process.replica(); m != nil {
					m.applied = m.applied[:0]
				}
			}
			for _, s := range r.w.sites {
				s.subject = nil // the checkers are not what is measured
			}
			b.ReportAllocs()
			b.ResetTimer()
			for done < b.N {
				for ; open < depth; open++ {
					if _, ok := site.process.submit(r.w.now-site.born, []byte("add 1")); !ok {
						b.Fatal("not accepted")
					}
				}
				if !r.w.step(never) {
					b.Fatal(r.w.violation)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// perfect returns a run of hosts in which nothing goes wrong.
func perfect(replicas int) *run {
	for seed := uint64(0); ; seed++ {
		r := newRun(NewDice(seed), Options{})
		if r.replicas != replicas || r.bare || r.clientsAtHome {
			continue
		}
		r.stopped = true
		r.w.net.hold, r.w.net.slow = 0, 0
		r.w.net.setAll(r.w.now, link.Settings{Delay: link.Delay{Mean: 50 * time.Microsecond}})
		return r
	}
}
