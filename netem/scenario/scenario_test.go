package scenario_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vrnode/internal/golden"
	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/scenarios"
	"vrnode/wire"
)

const ms = time.Millisecond

// head is the least that a scenario has.
const head = `version: 1
name: test
hypothesis: it works
seed: 7
workload: {clients: 2, duration: 10s}
expect: [linearizable]
`

func parse(t testing.TB, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	text, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, string(text))
	var out strings.Builder
	fmt.Fprintf(&out, "%s, seed %d, %d replicas, profile %s: %s\n", s.Name, s.Seed, s.Replicas, s.Profile, s.Hypothesis)
	fmt.Fprintf(&out, "a state of %d bytes, served with %v\n", s.State, s.Serve())
	fmt.Fprintf(&out, "workload %+v\n", s.Workload)
	fmt.Fprintf(&out, "all links: %s\n", scenario.Describe(s.Base))
	for _, r := range s.Rules {
		fmt.Fprintf(&out, "line %d: links %v: %v\n", r.Line, r.Where, &r.Impairment)
	}
	for _, step := range s.Steps {
		fmt.Fprintf(&out, "line %d: %v for %v: %v\n", step.Line, step.When, step.For, step.Action)
	}
	for _, e := range s.Expect {
		fmt.Fprintf(&out, "line %d: expect %v\n", e.Line, &e)
	}
	fmt.Fprintf(&out, "needs %v\n", s.Needs())
	for _, c := range s.Cells() {
		fmt.Fprintf(&out, "cell %v: seed %d, %s\n", &c, c.Seed, scenario.Describe(c.Base))
	}
	golden.File(t, "testdata/everything.txt", []byte(out.String()))
}

// bad are scenarios with one mistake each, and what is said about it.
var bad = []struct{ name, text, want string }{
	{"empty", "", "test.yaml:1: want one YAML document, not 0"},
	{"syntax", head + "links: [\n", "test.yaml:7: "},
	{"a list", "- version\n", "test.yaml:1: the scenario: want keys and values, not a list"},
	{"version", strings.Replace(head, "version: 1", "version: 2", 1), `test.yaml:1: "2": want a whole number from 1 to 1`},
	{"name", strings.Replace(head, "name: test", "name: ../test", 1), `test.yaml:2: "../test": want at most 64 small letters`},
	{"hole in a name", strings.Replace(head, "name: test", "name: a/b", 1), `test.yaml:2: "a/b": want at most 64 small letters`},
	{"no hypothesis", strings.Replace(head, "it works", `""`, 1), `test.yaml:3: "": want a sentence`},
	{"escapes", strings.Replace(head, "it works", `"\e[31mred"`, 1), "want a sentence that can be printed"},
	{"missing", strings.Replace(head, "seed: 7\n", "", 1), `test.yaml:1: the scenario: the key "seed" is missing`},
	{"twice", head + "name: other\n", `test.yaml:7: mapping key "name" already defined`},
	{"top key", head + "mattrix: {}\n", `test.yaml:7: unknown key "mattrix" in the scenario; did you mean "matrix"?`},
	{"link key", head + "links:\n  - {dealy: 5ms}\n", `test.yaml:8: unknown key "dealy" in links; did you mean "delay"?`},
	{"far key", head + "links:\n  - {bandwidth: 5ms}\n", `test.yaml:8: unknown key "bandwidth" in links; the nearest known is`},
	{"profile", head + "profile: lann\n", `test.yaml:7: unknown word "lann"; did you mean "lan"?`},
	{"duration", head + "links: [{delay: 5}]\n", `test.yaml:7: "5": want a duration such as 50ms`},
	{"percent", head + "links: [{loss: 5}]\n", `test.yaml:7: "5": want a percentage such as 5%`},
	{"over 100", head + "links: [{loss: 101%}]\n", `want a percentage`},
	{"bits", head + "links: [{rate: 10MB}]\n", `test.yaml:7: "10MB": want bits per second such as 500kbit`},
	{"size", head + "links: [{rate: 10Mbit, queue: 64k}]\n", `test.yaml:7: "64k": want a size such as 64KiB`},
	{"small queue", head + "links:\n\n  - {rate: 10Mbit, queue: 1KiB}\n", `test.yaml:9: links: queue: 1024 is not between 1514 and`},
	{"queue alone", head + "links: [{queue: 64KiB}]\n", `a queue is in front of a rate, which is missing`},
	{"nothing", head + "links: [{loss: }]\n", `test.yaml:7: want a percentage such as 5%, not nothing`},
	{"anchor", head + "links: [{loss: &a 5%}]\n", "which scenarios do not have"},
	{"gemodel", head + "links: [{loss: {gemodel: {p: 1%, rr: 20%}}}]\n", `unknown key "rr" in gemodel; did you mean "r"?`},
	{"target and from", head + "links: [{target: primary, from: backups, loss: 1%}]\n", "not both"},
	{"role", head + "steps:\n  - {at: 1s, fault: crash, target: primry}\n", `test.yaml:8: unknown target "primry"; did you mean "primary"?`},
	{"replica", head + "steps: [{at: 1s, fault: crash, target: replica:4}]\n", "there is no replica:4: the group has 3 replicas"},
	{"crash of clients", head + "steps: [{at: 1s, fault: crash, target: clients}]\n", "only replicas can be crashed, paused or given keys"},
	{"keys and kinds of messages", head + "steps: [{at: 1s, fault: drop, message: Commit}, {at: 1s, fault: rekey, target: primary}]\n", "drop and rekey do not go together"},
	{"rebound replica", head + "steps:\n  - {at: 1s, fault: rebind, target: replica:4}\n", "test.yaml:8: there is no replica:4: the group has 3 replicas"},
	{"rebound nobody", head + "steps:\n  - {at: 1s, fault: rebind, for: 1s}\n", "test.yaml:8"},
	{"rebound links", head + "steps:\n  - {at: 1s, fault: rebind, target: clients, to: primary}\n", `test.yaml:8: unknown key "to"`},
	{"short state", head + "cluster: {state: 1MiB}\n", "test.yaml:7: a state of 1048576 bytes: want 4194304 to 67108864"},
	{"long state", head + "cluster: {replicas: 5, state: 65MiB}\n", "test.yaml:7: a state of 68157440 bytes: want"},
	{"state without a unit", head + "cluster: {state: 8}\n", `test.yaml:7: "8": want a size such as 64KiB`},
	{"no time for p99", strings.Replace(head, "[linearizable]", "[{p99: {max: 5}}]", 1), `test.yaml:6: "5": want a duration`},
	{"no bound of states", strings.Replace(head, "[linearizable]", "[{states: {}}]", 1), "states: want min or max"},
	{"fault", head + "steps:\n  - {at: 1s, fault: crsh, target: primary}\n", `test.yaml:8: unknown fault "crsh"; did you mean "crash"?`},
	{"no fault", head + "steps: [{at: 1s, target: primary}]\n", "a step is a fault or a heal, and this is neither"},
	{"both", head + "steps: [{at: 1s, heal: all, fault: pause, target: primary}]\n", "and this is both"},
	{"no time", head + "steps: [{heal: all}]\n", "a step is taken at a time, or after an event"},
	{"plus alone", head + "steps: [{at: 1s, plus: 1s, heal: all}]\n", "a step is taken at a time, or after an event"},
	{"event", head + "steps: [{after: view-startd, heal: all}]\n", `unknown word "view-startd"; did you mean "view-started"?`},
	{"order", head + "steps:\n  - {at: 2s, heal: all}\n  - {at: 1s, heal: all}\n", "test.yaml:9: this step is due at 1s, the one before it at 2s"},
	{"late", head + "steps: [{at: 10s, heal: all}]\n", "when the workload of 10s has ended"},
	{"shape", head + "steps: [{at: 1s, fault: partition, shape: half}]\n", `unknown word "half"`},
	{"small ring", head + "steps: [{at: 1s, fault: partition, shape: ring}]\n", "a ring of 3 replicas cuts nothing"},
	{"wide bridge", head + "steps: [{at: 1s, fault: partition, shape: bridge, target: backups}]\n", "a bridge is one replica"},
	{"key of another fault", head + "steps: [{at: 1s, fault: pause, target: primary, restart_after: 1s}]\n", `unknown key "restart_after" in this step`},
	{"no change", head + "steps: [{at: 1s, fault: link, target: primary}]\n", "this step changes nothing"},
	{"message", head + "steps: [{at: 1s, fault: drop, message: DoViewChang}]\n", `unknown message "DoViewChang"; did you mean "DoViewChange"?`},
	{"expectation", strings.Replace(head, "[linearizable]", "[lineariseable]", 1), `test.yaml:6: unknown word "lineariseable"; did you mean "linearizable"?`},
	{"expectation key", strings.Replace(head, "[linearizable]", "[{view_change: {max: 1}}]", 1), `unknown expectation "view_change"; did you mean "view_changes"?`},
	{"nothing expected", strings.Replace(head, "[linearizable]", "[]", 1), "nothing is expected"},
	{"min over max", strings.Replace(head, "[linearizable]", "[{view_changes: {min: 3, max: 1}}]", 1), "view_changes: the least, 3, is more than the most, 1"},
	{"empty expectation", strings.Replace(head, "[linearizable]", "[{}]", 1), "test.yaml:6: this expectation is empty"},
	{"two in one", strings.Replace(head, "[linearizable]", "[{acknowledged: {min: 1}, view_changes: {max: 1}}]", 1), "an expectation is one thing, and this is view_changes and acknowledged"},
	{"no bound", strings.Replace(head, "[linearizable]", "[{view_changes: {}}]", 1), "view_changes: want min or max"},
	{"empty target", head + "links: [{target: \"\", loss: 1%}]\n", `test.yaml:7: unknown target ""`},
	{"rule without a change", head + "links: [{from: primary}]\n", "test.yaml:7: links: this changes nothing"},
	{"rule about nobody", head + "links: [{from: old-primary, loss: 1%}]\n", "test.yaml:7: links: there is none from old-primary to all at the beginning"},
	{"rule between clients", head + "links: [{from: clients, to: clients, loss: 1%}]\n", "there is none from clients to clients"},
	{"reorder alone", head + "links: [{loss: 1%}, {reorder: 25%}]\n", "test.yaml:7: reorder does nothing without a delay"},
	{"reorder alone, later", head + "steps:\n  - {at: 1s, fault: link, reorder: 25%}\n", "test.yaml:8: reorder does nothing without a delay"},
	{"distribution alone", head + "links: [{delay: {mean: 5ms, distribution: pareto}}]\n", "a distribution is that of a jitter, which is missing"},
	{"axis", head + "matrix: {los: [1%]}\n", `unknown key "los" in matrix; did you mean "loss"?`},
	{"axis value", head + "matrix: {loss: [1]}\n", `matrix, loss: "1": want a percentage`},
	{"range", head + "matrix: {seed: 5..1}\n", "want a list or a range"},
	{"cells", head + "matrix: {seed: 1..500, loss: [0%, 1%, 2%]}\n", "the matrix has 1500 cells up to here"},
	{"one cell", head + "steps: [{at: 1s, fault: crash, target: replica:5}]\nmatrix: {replicas: [5, 3]}\n", "there is no replica:5: the group has 3 replicas"},
}

func TestMistakes(t *testing.T) {
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			_, err := scenario.Parse("test.yaml", []byte(b.text))
			if err == nil || !strings.Contains(err.Error(), b.want) {
				t.Errorf("got %v\nwant %s", err, b.want)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := scenario.Parse("test.yaml", []byte(head+"profile: lann\nlinks:\n  - {loss: 5}\n"))
	if err == nil || strings.Count(err.Error(), "test.yaml:") != 2 {
		t.Errorf("got %v, want two mistakes", err)
	}
}

func TestProfileBeforeOtherAxes(t *testing.T) {
	s := parse(t, head+"matrix: {loss: [5%], profile: [lossy, wan]}\n")
	for _, c := range s.Cells() {
		if c.Base.Loss != (link.Loss{Random: 0.05}) || c.Base.Delay.Mean == 0 {
			t.Errorf("%v: %s", &c, scenario.Describe(c.Base))
		}
	}
}

func dice() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

func TestTargets(t *testing.T) {
	g := scenario.Group{Replicas: 5, Clients: 2, Primary: 4, NextPrimary: 5, OldPrimary: 3, Down: []scenario.Site{1, 2, 3}}
	for target, want := range map[scenario.Target]string{
		{Role: scenario.Primary}:             "[4]",
		{Role: scenario.NextPrimary}:         "[5]",
		{Role: scenario.OldPrimary}:          "[3]",
		{Role: scenario.AnyBackup}:           "[5]", // the only one that runs
		{Role: scenario.Backups}:             "[1 2 3 5]",
		{Role: scenario.Minority}:            "[3 5]",
		{Role: scenario.Majority}:            "[1 2 4]",
		{Role: scenario.Replicas}:            "[1 2 3 4 5]",
		{Role: scenario.Clients}:             "[6 7]",
		{Role: scenario.All}:                 "[1 2 3 4 5 6 7]",
		{Role: scenario.Numbered, Number: 2}: "[2]",
		{}:                                   "[]",
	} {
		if got := fmt.Sprint(target.Sites(&g, dice())); got != want {
			t.Errorf("%v: %s, want %s", target, got, want)
		}
	}
	if got := (scenario.Target{Role: scenario.Primary}).Sites(&scenario.Group{Replicas: 3}, dice()); got != nil {
		t.Errorf("%v is primary where there is none", got)
	}
}

func TestCuts(t *testing.T) {
	role := func(r scenario.Role) scenario.Target { return scenario.Target{Role: r} }
	g3 := scenario.Group{Replicas: 3, Clients: 1, Primary: 1}
	g5 := scenario.Group{Replicas: 5, Clients: 1, Primary: 1}
	for _, c := range []struct {
		name string
		p    scenario.Partition
		g    *scenario.Group
		want string
	}{
		{"full", scenario.Partition{Shape: scenario.Full, Target: role(scenario.Primary)}, &g3, "[{1 2} {1 3} {2 1} {3 1}]"},
		{"one way", scenario.Partition{Shape: scenario.OneWay, Where: scenario.Where{From: role(scenario.Backups), To: role(scenario.Primary)}}, &g3, "[{2 1} {3 1}]"},
		{"from clients", scenario.Partition{Shape: scenario.OneWay, Where: scenario.Where{From: role(scenario.Clients), To: role(scenario.Primary)}}, &g3, "[{4 1}]"},
		{"bridge", scenario.Partition{Shape: scenario.Bridge, Target: role(scenario.Primary)}, &g3, "[{2 3} {3 2}]"},
		{"bridge of five", scenario.Partition{Shape: scenario.Bridge, Target: role(scenario.Primary)}, &g5, "[{2 3} {2 5} {3 2} {3 4} {4 3} {4 5} {5 2} {5 4}]"},
		{"ring", scenario.Partition{Shape: scenario.Ring}, &g5, "[{1 3} {1 4} {2 4} {2 5} {3 1} {3 5} {4 1} {4 2} {5 2} {5 3}]"},
	} {
		if got := fmt.Sprint(c.p.Cuts(c.g, dice())); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestCutsRules wants of every partition that it is between different replicas, and of those that
// are not one-way that they are the same in both directions.
func TestCutsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &scenario.Group{Replicas: rapid.IntRange(1, 9).Draw(t, "replicas"), Clients: 3}
		g.Primary = scenario.Site(rapid.IntRange(1, g.Replicas).Draw(t, "primary"))
		p := scenario.Partition{
			Shape:  rapid.SampledFrom([]scenario.Shape{scenario.Full, scenario.Bridge, scenario.Ring}).Draw(t, "shape"),
			Target: scenario.Target{Role: rapid.SampledFrom([]scenario.Role{scenario.Primary, scenario.AnyBackup, scenario.Minority}).Draw(t, "role")},
		}
		cuts := p.Cuts(g, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		for _, c := range cuts {
			if c.From == c.To || int(max(c.From, c.To)) > g.Replicas {
				t.Fatalf("cut %v", c)
			}
			if !slices.Contains(cuts, scenario.Direction{From: c.To, To: c.From}) {
				t.Fatalf("%v is cut one way", c)
			}
		}
	})
}

func TestLinks(t *testing.T) {
	s := parse(t, head+`profile: lan
links:
  - {loss: 1%}
  - {from: backups, to: primary, delay: 5ms}
  - {target: replica:3, mtu: 900}
`)
	links := s.Links(&scenario.Group{Replicas: 3, Clients: 2, Primary: 1}, s.Dice("links"))
	if want := 3*2 + 2*3*2; len(links) != want {
		t.Errorf("%d directions, want %d", len(links), want)
	}
	lan := s.Base.Delay
	for d, want := range map[scenario.Direction]link.Settings{
		{From: 1, To: 2}: {Delay: lan, Loss: link.Loss{Random: 0.01}},
		{From: 2, To: 1}: {Delay: link.Delay{Mean: 5 * ms}, Loss: link.Loss{Random: 0.01}},
		{From: 3, To: 1}: {Delay: link.Delay{Mean: 5 * ms}, Loss: link.Loss{Random: 0.01}, MTU: 900},
		{From: 4, To: 3}: {Delay: lan, Loss: link.Loss{Random: 0.01}, MTU: 900},
	} {
		if links[d] != want {
			t.Errorf("%v: %s, want %s", d, scenario.Describe(links[d]), scenario.Describe(want))
		}
	}
}

func TestNeeds(t *testing.T) {
	for text, want := range map[string]scenario.Capabilities{
		"":                      0,
		"profile: lan\n":        scenario.CanDelay,
		"links: [{loss: 1%}]\n": scenario.CanLose,
		"links: [{target: primary, down: true}]\n":                                          scenario.CanPartition,
		"links: [{from: primary, down: true}]\n":                                            scenario.CanPartition | scenario.CanPartitionOneWay,
		"steps: [{at: 1s, fault: link, rate: 1Mbit}]\n":                                     scenario.CanRate,
		"steps: [{at: 1s, fault: drop, message: Commit}]\n":                                 scenario.CanDropMessages,
		"steps: [{at: 1s, fault: crash, target: primary}]\n":                                scenario.CanCrash,
		"steps: [{at: 1s, fault: pause, target: primary, for: 1s}]\n":                       scenario.CanPause,
		"steps: [{at: 1s, fault: rekey, target: replica:1}]\n":                              scenario.CanRekey,
		"steps: [{at: 1s, fault: rebind, target: clients}]\n":                               scenario.CanRebind,
		"steps: [{at: 1s, fault: partition, shape: full, target: primary}]\n":               scenario.CanPartition,
		"steps: [{at: 1s, fault: partition, shape: one-way, from: primary, to: backups}]\n": scenario.CanPartition | scenario.CanPartitionOneWay,
	} {
		if got := parse(t, head+text).Needs(); got != want {
			t.Errorf("%s needs %v, want %v", text, got, want)
		}
	}
	if got := scenario.CanAll.String(); len(strings.Fields(got)) != 14 {
		t.Errorf("all capabilities are %s", got)
	}
	if got := (scenario.CanDelay | scenario.CanMTU).Without(scenario.CanDelay).String(); got != "mtu" {
		t.Errorf("left are %s", got)
	}
}

func TestDrop(t *testing.T) {
	s := parse(t, head+"steps: [{at: 1s, fault: drop, message: DoViewChange, skip: 1, from: backups, to: primary}]\n")
	d, ok := s.Steps[0].Action.(*scenario.Drop)
	if !ok || d.Message != wire.KindDoViewChange || d.Skip != 1 || d.Count != 1 {
		t.Errorf("%+v", s.Steps[0].Action)
	}
}

func TestProfilesAreValid(t *testing.T) {
	for _, p := range scenario.Profiles() {
		if err := p.Settings.Validate(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// FuzzParse wants that no file makes Parse panic, and that what it accepts can be run.
func FuzzParse(f *testing.F) {
	for _, b := range bad {
		f.Add([]byte(b.text))
	}
	names, err := scenarios.Files.ReadDir(".")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		text, err := scenarios.Files.ReadFile(n.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := scenario.Parse("test.yaml", text)
		if err != nil {
			return
		}
		for _, c := range s.Cells() {
			g := &scenario.Group{Replicas: c.Replicas, Clients: c.Workload.Clients, Primary: 1}
			for d, settings := range c.Links(g, c.Dice("links")) {
				if err := settings.Validate(); err != nil {
					t.Fatalf("%v: %v", d, err)
				}
			}
		}
	})
}
