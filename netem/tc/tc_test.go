package tc_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vrnode/internal/golden"
	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/scenarios"
	"vrnode/netem/tc"
)

const ms = time.Millisecond

func text(list []tc.Command) string {
	var out strings.Builder
	for _, c := range list {
		fmt.Fprintln(&out, c)
	}
	return out.String()
}

func TestUpAndDown(t *testing.T) {
	l := tc.NewLab(2, 1)
	golden.File(t, "testdata/up.txt", []byte("# Up\n"+text(l.Up())+"# Down\n"+text(l.Down())))
}

// changes are settings one after the other, with a word on what is tried.
var changes = []struct {
	what     string
	settings link.Settings
}{
	{"delay with a table", link.Settings{Delay: link.Delay{Mean: 5 * ms, Jitter: ms, Distribution: link.Normal}}},
	{"the same again", link.Settings{Delay: link.Delay{Mean: 5 * ms, Jitter: ms, Distribution: link.Normal}}},
	{"no jitter", link.Settings{Delay: link.Delay{Mean: 250 * time.Microsecond}}},
	{"uniform after a table: made again", link.Settings{Delay: link.Delay{Mean: 5 * ms, Jitter: ms}}},
	{"everything", link.Settings{
		Delay: link.Delay{Mean: 50 * ms, Jitter: 5 * ms, Distribution: link.Pareto}, Reorder: 0.25, Duplicate: 0.01, Corrupt: 0.01,
		Loss: link.Loss{Burst: link.Burst{Turn: 0.01, Mend: 0.2, Bad: 1}}, Rate: link.Rate{Bits: 10_000_000, Queue: 64 << 10}, MTU: 1400,
	}},
	{"another rate and MTU", link.Settings{Delay: link.Delay{Mean: 50 * ms}, Rate: link.Rate{Bits: 1_000_000, Queue: 32 << 10}, MTU: 900}},
	{"a rate alone", link.Settings{Rate: link.Rate{Bits: 1_000_000_000, Queue: 1 << 20}}},
	{"a rate and a cut", link.Settings{Rate: link.Rate{Bits: 1_000_000_000, Queue: 1 << 20}, Down: true}},
	{"healed", link.Settings{}},
	{"reorder without delay is nothing", link.Settings{Reorder: 0.25, Loss: link.Loss{Random: 0.001}}},
	{"a limit", link.Settings{Limit: 2000}},
}

func TestSet(t *testing.T) {
	l := tc.NewLab(3, 1)
	var out strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&out, "# %s\n%s", c.what, text(l.Set(scenario.Changed{Direction: scenario.Direction{From: 2, To: 4}, Settings: c.settings})))
	}
	golden.File(t, "testdata/set.txt", []byte(out.String()))
}

func TestInterface(t *testing.T) {
	i := tc.Interface{Dev: "eth1", First: 7000, Last: 7004}
	var out strings.Builder
	fmt.Fprintf(&out, "# Show\n%v\n# Up\n%s", i.Show(), text(i.Up()))
	for _, c := range changes {
		fmt.Fprintf(&out, "# %s\n%s", c.what, text(i.Set(c.settings)))
	}
	fmt.Fprintf(&out, "# Down\n%s", text(i.Down()))
	golden.File(t, "testdata/interface.txt", []byte(out.String()))
}

// TestPlan writes a plan that shows every kind of step.
func TestPlan(t *testing.T) {
	b, err := os.ReadFile("testdata/plan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse("testdata/plan.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "testdata/plan.txt", []byte(tc.Plan(s)))
}

func read(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	b, err := scenarios.Files.ReadFile(name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(name+".yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPlansUndo wants of every shipped scenario that each namespace of its plan is taken away.
func TestPlansUndo(t *testing.T) {
	names, err := scenarios.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		p := tc.Plan(read(t, strings.TrimSuffix(n.Name(), ".yaml")))
		if strings.Count(p, "ip netns add ") != strings.Count(p, "ip netns delete ") {
			t.Errorf("%s: namespaces are left", n.Name())
		}
	}
}

// A kernel is a model of one direction in Linux: what is attached, and in which sets its sender is.
type kernel struct {
	outer, inner string
	sets         map[string]string
}

// run does one command, or says why Linux would refuse it.
func (k *kernel) run(c tc.Command) error {
	line := strings.Join(c, " ")
	switch {
	case strings.Contains(line, " qdisc delete ") && strings.Contains(line, " parent 1:1 "):
		if k.inner == "" {
			return fmt.Errorf("nothing to delete inside")
		}
		k.inner = ""
	case strings.Contains(line, " qdisc delete "):
		if k.outer == "" {
			return fmt.Errorf("nothing to delete")
		}
		k.outer, k.inner = "", ""
	case strings.Contains(line, " qdisc "):
		at := &k.outer
		if strings.Contains(line, "parent 1:1 ") {
			at = &k.inner
			if k.outer != "netem" {
				return fmt.Errorf("no parent")
			}
		}
		kind := "tbf"
		if strings.Contains(line, " netem ") {
			kind = "netem"
		}
		if add := strings.Contains(line, " qdisc add "); add && *at != "" || !add && *at != kind {
			return fmt.Errorf("%q is attached", *at)
		}
		*at = kind
	case strings.Contains(line, " element "):
		_, element, _ := strings.Cut(line, " ip vrlab ")
		set, what, _ := strings.Cut(element, " ")
		if _, there := k.sets[set]; there == strings.Contains(line, " add ") {
			return fmt.Errorf("set %s holds %q", set, k.sets[set])
		}
		if strings.Contains(line, " add ") {
			k.sets[set] = what
		} else if k.sets[set] != what {
			return fmt.Errorf("set %s holds %q", set, k.sets[set])
		} else {
			delete(k.sets, set)
		}
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

// TestSetRules asks for one thing after the other and wants that Linux accepts each command, that
// what is needed is there in the end, and that a heal leaves nothing.
func TestSetRules(t *testing.T) {
	d := scenario.Direction{From: 1, To: 2}
	rapid.Check(t, func(t *rapid.T) {
		l, k := tc.NewLab(3, 1), &kernel{sets: make(map[string]string)}
		set := func(s link.Settings) {
			for _, c := range l.Set(scenario.Changed{Direction: d, Settings: s}) {
				if err := k.run(c); err != nil {
					t.Fatalf("%v: %v", c, err)
				}
			}
		}
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			s := rapid.SampledFrom(changes).Draw(t, "settings").settings
			s.Down = rapid.Bool().Draw(t, "down")
			set(s)
			if _, cut := k.sets["cut"]; cut != s.Down {
				t.Fatalf("down is %t, cut is %t", s.Down, cut)
			}
			if _, long := k.sets["long"]; long != (s.MTU > 0) {
				t.Fatalf("MTU is %d, long is %t", s.MTU, long)
			}
			if (k.outer == "tbf" || k.inner == "tbf") != (s.Rate.Bits > 0) {
				t.Fatalf("rate is %v, attached are %q and %q", s.Rate, k.outer, k.inner)
			}
		}
		set(link.Settings{})
		if k.outer != "" || k.inner != "" || len(k.sets) > 0 {
			t.Fatalf("left after a heal: %+v", k)
		}
	})
}

func TestForeignQdisc(t *testing.T) {
	for _, c := range []struct{ name, json, want string }{
		{"none", `[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}}]`, ""},
		{"of the kernel", `[{"kind":"mq","handle":"0:","dev":"eth1","root":true},{"kind":"fq_codel","handle":"0:","dev":"eth1","parent":":1"}]`, ""},
		{"ours", `[{"kind":"htb","handle":"7652:","root":true},{"kind":"netem","handle":"7653:","parent":"7652:2"}]`, ""},
		{"theirs", `[{"kind":"tbf","handle":"1:","root":true,"options":{"rate":2500000}}]`, "eth1 has a root qdisc of somebody else, tbf 1:"},
		{"of another device", `[{"kind":"tbf","handle":"1:","dev":"eth0","root":true}]`, ""},
	} {
		qdiscs, err := tc.ParseQdiscs([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		i := tc.Interface{Dev: "eth1", First: 7000, Last: 7000}
		if err := i.Check(qdiscs); (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := tc.ParseQdiscs([]byte("Error: no such device")); err == nil {
		t.Error("what is not JSON was read")
	}
	if i := (tc.Interface{Dev: "eth1"}); i.Check(nil) == nil {
		t.Error("no ports are all ports")
	}
}

// TestDeviations compares the counters of a netem that was made as asked, and of others.
func TestDeviations(t *testing.T) {
	s := link.Settings{Loss: link.Loss{Random: 0.3}, Duplicate: 0.5, Delay: link.Delay{Mean: ms}, Reorder: 0.25, Corrupt: 0.01}
	l := link.New(s, 1)
	for i := range 100_000 {
		l.Send(time.Duration(i)*ms, 100)
	}
	c := l.Counters()
	asAsked := tc.Qdisc{Kind: "netem", Packets: c.Delivered, Drops: c.Lost[link.LostRandom], Requeues: c.Ahead}
	if d := tc.Deviations(s, []tc.Qdisc{asAsked}); d != nil {
		t.Error(d)
	}
	full := tc.Qdisc{Kind: "tbf", Drops: 10_000}
	behind := asAsked
	behind.Drops += full.Drops
	if d := tc.Deviations(s, []tc.Qdisc{behind, full}); d != nil {
		t.Error(d)
	}
	notAtAll := tc.Qdisc{Kind: "netem", Packets: 10_000}
	if d := tc.Deviations(s, []tc.Qdisc{notAtAll}); len(d) != 2 {
		t.Errorf("%v, want loss and reorder", d)
	}
}

// TestBatch: a batch does what the commands of its sender do, and nothing else.
func TestBatch(t *testing.T) {
	l := tc.NewLab(3, 1)
	s := link.Settings{Rate: link.Rate{Bits: 1_000_000, Queue: 16 << 10}}
	commands := l.Set(
		scenario.Changed{Direction: scenario.Direction{From: 1, To: 2}, Settings: s},
		scenario.Changed{Direction: scenario.Direction{From: 2, To: 1}, Settings: s},
		scenario.Changed{Direction: scenario.Direction{From: 1, To: 3}, Settings: link.Settings{Down: true}},
	)
	for from, want := range map[scenario.Site]string{
		1: "qdisc show\nqdisc add dev to-r2 root handle 1: tbf rate 1000000bit burst 3028 limit 16384\nqdisc show\n",
		2: "qdisc show\nqdisc add dev to-r1 root handle 1: tbf rate 1000000bit burst 3028 limit 16384\nqdisc show\n",
		3: "qdisc show\nqdisc show\n",
	} {
		c, input, changes := l.Batch(from, commands)
		if got := c.String(); got != fmt.Sprintf("tc -n vrlab-r%d -s -j -batch -", from) || input != want || changes != strings.Count(want, "\n")-2 {
			t.Errorf("site %d: %q reads %q, %d changes; want %q", from, got, input, changes, want)
		}
	}
	before, after, err := tc.ParseBatch([]byte("[]\n[{\"kind\":\"tbf\",\"dev\":\"to-r2\"}]\n"))
	if err != nil || len(before) != 0 || len(after) != 1 || after[0].Dev != "to-r2" {
		t.Errorf("before %v, after %v, %v", before, after, err)
	}
	if _, _, err := tc.ParseBatch([]byte("[]\n")); err == nil {
		t.Error("half an answer was taken")
	}
}
