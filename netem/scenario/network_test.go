package scenario_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
)

func TestNetwork(t *testing.T) {
	s := parse(t, head+`profile: lan
steps:
  - {at: 1s, fault: link, target: replica:1, mtu: 900}
  - {at: 2s, fault: partition, shape: full, target: replica:1}
  - {at: 3s, fault: pause, target: primary}
`)
	g := &scenario.Group{Replicas: 3, Clients: 2, Primary: 1}
	n := s.NewNetwork(g, dice())
	at := func(want string) {
		t.Helper()
		for _, c := range n.All() {
			if c.From == 1 && c.To == 2 {
				if got := scenario.Describe(c.Settings); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		}
	}
	const lan = "delay 250µs ± 50µs normal"
	at(lan)
	long, changed := n.Begin(s.Steps[0].Action, g, dice())
	if len(changed) != 8 {
		t.Errorf("%d directions changed, want both of the links to four others", len(changed))
	}
	at("mtu 900, " + lan)
	cut, _ := n.Begin(s.Steps[1].Action, g, dice())
	at("down true, mtu 900, " + lan)
	if id, changed := n.Begin(s.Steps[2].Action, g, dice()); id != 0 || changed != nil {
		t.Error("a pause changed links")
	}
	if changed := n.End(long); len(changed) != 8 || n.End(long) != nil {
		t.Errorf("%d directions changed back", len(changed))
	}
	at("down true, " + lan)
	if changed := n.Heal(); len(changed) != 4 {
		t.Errorf("%d directions healed", len(changed))
	}
	at(lan)
	if n.End(cut) != nil {
		t.Error("what was healed has ended again")
	}
}

// TestNetworkRules begins and ends faults in any order. In the end every link is as at the
// beginning, and what is reported on the way is all that changed.
func TestNetworkRules(t *testing.T) {
	s := parse(t, head+`profile: lossy
cluster: {replicas: 5}
steps:
  - {at: 1s, fault: link, target: any-backup, mtu: 900}
  - {at: 2s, fault: link, from: backups, to: primary, loss: 10%, down: true}
  - {at: 3s, fault: partition, shape: full, target: minority}
  - {at: 4s, fault: partition, shape: bridge}
  - {at: 5s, fault: link, delay: 7ms}
`)
	rapid.Check(t, func(t *rapid.T) {
		g := &scenario.Group{Replicas: 5, Clients: 2, Primary: scenario.Site(rapid.IntRange(1, 5).Draw(t, "primary"))}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := s.NewNetwork(g, random)
		seen := make(map[scenario.Direction]link.Settings) // as one who hears of changes only
		hear := func(changed []scenario.Changed) {
			for _, c := range changed {
				seen[c.Direction] = c.Settings
			}
			for _, c := range n.All() {
				if seen[c.Direction] != c.Settings {
					t.Fatalf("%v has become %s unheard", c.Direction, scenario.Describe(c.Settings))
				}
			}
		}
		beginning := n.All()
		hear(beginning)
		var faults []scenario.FaultID
		for range rapid.IntRange(0, 10).Draw(t, "events") {
			if len(faults) > 0 && rapid.Bool().Draw(t, "end") {
				i := rapid.IntRange(0, len(faults)-1).Draw(t, "which")
				hear(n.End(faults[i]))
				faults = slices.Delete(faults, i, i+1)
				continue
			}
			id, changed := n.Begin(rapid.SampledFrom(s.Steps).Draw(t, "step").Action, g, random)
			hear(changed)
			faults = append(faults, id)
		}
		if rapid.Bool().Draw(t, "heal") {
			hear(n.Heal())
		}
		for _, id := range faults {
			hear(n.End(id))
		}
		if !slices.Equal(n.All(), beginning) {
			t.Fatal("the network is not as at the beginning")
		}
	})
}
