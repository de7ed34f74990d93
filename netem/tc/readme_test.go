package tc_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"vrnode/internal/golden"
	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/scenarios"
	"vrnode/netem/tc"
)

// TestReadme keeps the commands and the lists of the README those of the code.
func TestReadme(t *testing.T) {
	eth := tc.Interface{Dev: "eth1", First: 7000, Last: 7004}
	bad := link.Settings{
		Delay: link.Delay{Mean: 20 * ms, Jitter: 5 * ms, Distribution: link.Normal},
		Loss:  link.Loss{Random: 0.05}, Reorder: 0.25, Duplicate: 0.01, Corrupt: 0.01,
	}
	thin := bad
	thin.Loss = link.Loss{Burst: link.Burst{Turn: 0.01, Mend: 0.2, Bad: 1}}
	thin.Rate = link.Rate{Bits: 10_000_000, Queue: 64 << 10}
	cut := thin
	cut.Down = true
	// In this order: each is asked of the interface as the one before has left it.
	steps := map[string]string{
		"show":   block(eth.Show()),
		"up":     block(eth.Up()...),
		"impair": block(eth.Set(bad)...),
	}
	steps["change"] = block(eth.Set(thin)...)
	steps["cut"] = block(eth.Set(cut)...)
	steps["down"] = block(append(eth.Set(thin), eth.Down()...)...)
	steps["pair"] = pair(bad)
	steps["example"] = example(t)
	steps["profiles"] = profiles()
	steps["scenarios"] = list(t)
	golden.Sections(t, "../README.md", func(name string) string { return steps[name] })
}

func block(list ...tc.Command) string { return "```\n" + text(list) + "```\n" }

// pair is the network of two sites, without the observer, and an impairment from the first to the
// second.
func pair(s link.Settings) string {
	l := tc.NewLab(2, 0)
	var list []tc.Command
	list = append(list, l.Up()...)
	list = append(list, l.Set(scenario.Changed{Direction: scenario.Direction{From: 1, To: 2}, Settings: s})...)
	list = append(list, l.Set(scenario.Changed{Direction: scenario.Direction{From: 2, To: 1}, Settings: link.Settings{Down: true, MTU: 900}})...)
	list = append(list, l.Down()...)
	return block(slices.DeleteFunc(list, func(c tc.Command) bool {
		return strings.Contains(c.String(), l.Name(tc.Observer))
	})...)
}

func example(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../scenarios/primary-behind-bad-link.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return "```yaml\n" + string(b) + "```\n"
}

func profiles() string {
	var out strings.Builder
	out.WriteString("| profile | what it is | every direction |\n|---|---|---|\n")
	for _, p := range scenario.Profiles() {
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", p.Name, p.About, scenario.Describe(p.Settings))
	}
	return out.String()
}

func list(t *testing.T) string {
	t.Helper()
	names, err := scenarios.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("| scenario | hypothesis | needs |\n|---|---|---|\n")
	for _, n := range names {
		name := strings.TrimSuffix(n.Name(), ".yaml")
		s := read(t, name)
		var needs scenario.Capabilities
		for _, c := range s.Cells() {
			needs |= c.Needs()
		}
		fmt.Fprintf(&out, "| [%s](scenarios/%s) | %s | %v |\n", name, n.Name(), s.Hypothesis, needs)
	}
	return out.String()
}
