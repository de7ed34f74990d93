package scenario_test

import (
	"testing"

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
