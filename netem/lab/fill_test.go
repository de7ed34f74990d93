package lab

import (
	"slices"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/vr"
	"vrnode/vr/machine/kv"
)

// Whoever lost its memory needs the state only if no log has the commands that made it.
func TestStateIsLongerThanLogs(t *testing.T) {
	if scenario.LogMemory != vr.LogBytesMin || scenario.StateMin < vr.LogBytesMin {
		t.Errorf("logs of %d bytes and states of %d, where a log has %d or more", scenario.LogMemory, scenario.StateMin, vr.LogBytesMin)
	}
}

// The service that holds a state answers clients as an accumulator does, and all that was put there stays.
func TestDialect(t *testing.T) {
	s := &scenario.Scenario{State: 5 << 20, Seed: 1}
	var m kv.Machine
	bytes, values := 0, make(map[string]bool)
	for c := range fillOf(s) {
		if answer := string(m.Apply(0, []byte(c))); answer != "ok" {
			t.Fatalf("%.40s…: %s", c, answer)
		}
		bytes += len(c)
		values[c[len(c)-100:]] = true
	}
	if bytes < int(s.State) || bytes > int(s.State)*11/10 || len(values) < int(s.State)/kv.ValueMax {
		t.Errorf("%d bytes, %d different values", bytes, len(values))
	}
	if first := slices.Collect(fillOf(s)); !slices.Equal(first, slices.Collect(fillOf(s))) {
		t.Error("the same seed made another state")
	}
	d := dialectOf(s)
	for _, x := range []struct{ command, want string }{{"read", "0"}, {"add 5", "5"}, {"add 7", "12"}, {"read", "12"}} {
		if got := d.answer(m.Apply(0, d.command(x.command))); got != x.want {
			t.Errorf("%s: %s, want %s", x.command, got, x.want)
		}
	}
	plain := dialectOf(&scenario.Scenario{})
	if c := string(plain.command("add 5")); c != "add 5" || plain.answer([]byte("absent")) != "absent" {
		t.Errorf("an accumulator is asked %s", c)
	}
}

// TestTransferSourceDies: a source is lost while the state is on its way, which takes all of its bytes, and
// where nothing is to be moved the expectation fails.
func TestTransferSourceDies(t *testing.T) {
	race.SkipLong(t)
	s := *shipped(t, "transfer-source-dies.yaml")
	s.Workload.Duration = 8 * time.Second // which is enough for the state
	run := simulate(t, &s)
	if run.Verdict.Outcome != result.Pass || run.Verdict.Figures.States != 2 {
		t.Fatalf("%+v", run.Verdict)
	}
	at := func(replica int, name string) int {
		return slices.IndexFunc(run.Events, func(e result.Event) bool {
			return e.At > 0 && e.Name == name && (e.Replica == replica || slices.Contains(e.Replicas, replica))
		})
	}
	if a, b, c := at(5, "needs-state"), at(2, "crash"), at(5, "state-installed"); a < 0 || b < a || c < b {
		t.Errorf("the need, the death and the state are events %d, %d and %d", a, b, c)
	}
	came := uint64(0)
	for _, l := range run.Links {
		if l.To == 5 {
			came += l.Bytes
		}
	}
	if came < uint64(s.State) {
		t.Errorf("%d bytes were sent to the replica that got %d", came, s.State)
	}
	s.State = 0
	if v := simulate(t, &s).Verdict; v.Outcome == result.Pass || v.Figures.States > 0 {
		t.Errorf("without a state: %+v", v)
	}
}
