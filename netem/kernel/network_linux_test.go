package kernel

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
)

// TestMain runs all tests of this package in namespaces of their own, so that nothing of them is
// left whatever ends them. Where there is no right to that, those that need it are skipped.
func TestMain(m *testing.M) {
	if Inside() {
		if err := Settle(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		isolated = true
		os.Exit(m.Run())
	}
	if os.Geteuid() == 0 {
		if code, err := Rerun(context.Background(), false); err == nil {
			os.Exit(code)
		}
	}
	os.Exit(m.Run())
}

var isolated bool

// needsRoot skips a test where there are no namespaces and no commands to fill them.
func needsRoot(t *testing.T) {
	t.Helper()
	if !isolated {
		t.Skip("needs root, and namespaces")
	}
	for _, command := range []string{"ip", "tc", "nft"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skip("needs the command " + command)
		}
	}
}

func sh(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// A probation asks for settings and waits until enough probes have met them.
type probation struct {
	*testing.T
	network *Network
	way     scenario.Direction
	spans   int
}

func newProbation(t *testing.T) *probation {
	t.Helper()
	n, err := New(2, 1, scenario.CanAll)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if left := sh(t, "ip netns"); left != "" {
			t.Errorf("left: %s", left)
		}
	})
	return &probation{t, n, scenario.Direction{From: 1, To: 2}, 0}
}

func (p *probation) set(s link.Settings) {
	p.Helper()
	if err := p.network.Set(scenario.Changed{Direction: p.way, Settings: s}); err != nil {
		p.Fatal(err)
	}
	p.spans++
}

// enough is how many probes must have been judged.
const enough = 20

// wait waits until enough more probes have been judged, and returns what all tell of the present span.
func (p *probation) wait() link.Counters {
	p.Helper()
	before := p.measure().Offered
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(tickTime) {
		if c := p.measure(); c.Offered >= before+enough {
			return c
		}
	}
	p.Fatal("there are too few probes")
	return link.Counters{}
}

func (p *probation) measure() link.Counters {
	p.Helper()
	done, _ := p.network.Measure(p.way)
	if len(done) != p.spans+1 {
		p.Fatalf("%d spans, want %d", len(done), p.spans+1)
	}
	return done[p.spans]
}

// TestNetwork asks the kernel for what every kernel can do, and wants probes to tell that it does.
func TestNetwork(t *testing.T) {
	needsRoot(t)
	p := newProbation(t)
	rate := link.Rate{Bits: 2_000_000, Queue: 32 << 10}
	for _, c := range []struct {
		settings link.Settings
		lost     link.Reason // of all, 0: none, of half for an MTU
		of       uint64
	}{
		{link.Settings{}, 0, 1},
		{link.Settings{Down: true}, link.LostDown, 1},
		{link.Settings{}, 0, 1},
		{link.Settings{MTU: 900}, link.LostTooLong, 2},
		{link.Settings{Rate: rate}, 0, 1},
		{link.Settings{Rate: rate, Down: true}, link.LostDown, 1},
		{link.Settings{}, 0, 1},
	} {
		p.set(c.settings)
		got := p.wait()
		lost := uint64(0)
		for _, n := range got.Lost {
			lost += n
		}
		if c.lost == 0 && lost > 0 || c.lost != 0 && (lost != got.Lost[c.lost] || lost < got.Offered/c.of) || got.Escaped > 0 {
			t.Errorf("%v: %d sent, %d delivered, %d escaped, lost %v", scenario.Describe(c.settings), got.Offered, got.Delivered, got.Escaped, got.Lost)
		}
	}
	if back, _ := p.network.Measure(scenario.Direction{From: 2, To: 1}); len(back) != 1 || back[0].Offered == 0 || back[0].Delivered != back[0].Offered {
		t.Errorf("the way back: %+v", back)
	}
}

// TestBehindOurBack takes away what was asked for, which the kernel tells nobody.
func TestBehindOurBack(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct {
		name, command, want string
		settings            link.Settings
	}{
		{"rate", "tc -n vrlab-r1 qdisc delete dev to-r2 root", "escaped", link.Settings{Rate: link.Rate{Bits: 2_000_000, Queue: 32 << 10}}},
		{"cut", "ip netns exec vrlab-r2 nft flush chain ip vrlab in", "delivered while down", link.Settings{Down: true}},
		{"mtu", "ip netns exec vrlab-r2 nft flush chain ip vrlab in", "escaped", link.Settings{MTU: 900}},
		{"loss", "ip netns exec vrlab-r2 nft add rule ip vrlab in udp dport 7001 drop", "loss", link.Settings{}},
		{"other qdisc", "tc -n vrlab-r1 qdisc replace dev to-r2 root pfifo limit 1000", "escaped", link.Settings{Rate: link.Rate{Bits: 2_000_000, Queue: 32 << 10}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProbation(t)
			p.set(c.settings)
			sh(t, c.command)
			got := p.wait()
			d := c.settings.Deviations(&got, Slack)
			if !slices.ContainsFunc(d, func(d link.Deviation) bool { return strings.Contains(d.What, c.want) }) {
				t.Errorf("deviations %v, want %s", d, c.want)
			}
		})
	}
}
