package lab

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vrnode/internal/race"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
	"vrnode/netem/scenarios"
)

// simulate runs a cell in virtual time.
func simulate(t *testing.T, s *scenario.Scenario) *result.Run {
	t.Helper()
	got, err := Simulate(t.Context(), Options{Scenario: s, Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func shipped(t *testing.T, file string) *scenario.Scenario {
	t.Helper()
	text, err := scenarios.Files.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestShippedScenarios runs every scenario that comes with the program. Of those with a matrix one
// cell must do.
func TestShippedScenarios(t *testing.T) {
	race.SkipLong(t)
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			s := *shipped(t, file).Cells()[0].Scenario
			if s.Workload.Rate == 0 {
				s.Workload.Rate = 400 // as fast as they can takes a while
			}
			got := simulate(t, &s)
			if got.Verdict.Outcome != result.Pass {
				t.Errorf("%+v", got.Verdict)
			}
		})
	}
}

// TestSimulationRepeats: the same scenario and seed are the same run to the byte, another seed is
// another one.
func TestSimulationRepeats(t *testing.T) {
	race.SkipLong(t)
	s := shipped(t, "storm.yaml").Cells()[0].Scenario
	a, b := simulate(t, s), simulate(t, s)
	other := *s
	other.Seed++
	c := simulate(t, &other)
	for _, name := range []string{result.TraceFile, result.EventsFile, result.HistoryFile, result.LinksFile, result.VerdictFile} {
		first, again, differs := content(t, a, name), content(t, b, name), content(t, c, name)
		if !bytes.Equal(first, again) {
			t.Errorf("%s of two runs differs", name)
		}
		if bytes.Equal(first, differs) {
			t.Errorf("%s is the same for two seeds", name)
		}
	}
}

// A run that is cut short still has a result, which says so.
func TestSimulationInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := *shipped(t, "lan-baseline.yaml")
	s.Workload.Duration = scenario.DurationMax
	got, err := Simulate(ctx, Options{Scenario: &s, Root: t.TempDir(), Progress: func(line string) {
		if !strings.Contains(line, "starting") {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Verdict.Outcome != result.Invalid || len(got.Links) == 0 || !strings.Contains(strings.Join(got.Verdict.Why, " "), "interrupted") {
		t.Errorf("%+v", got.Verdict)
	}
}

// A rule about messages that finds too few of them makes a run invalid.
func TestSimulationLosesMessages(t *testing.T) {
	s := *shipped(t, "lost-view-change.yaml")
	got := simulate(t, &s)
	if got.Verdict.Outcome != result.Pass {
		t.Errorf("%+v", got.Verdict)
	}
	s.Steps = s.Steps[:2] // without the crash nobody sends one
	got = simulate(t, &s)
	if got.Verdict.Outcome != result.Invalid || !strings.Contains(strings.Join(got.Verdict.Why, " "), "only 0 were lost") {
		t.Errorf("%+v", got.Verdict)
	}
}

// TestSimulationStaysCalm: what hits backups alone, or nobody in a way that the transport can not cope
// with, does not change the view. Real machines are too busy with other things to promise that.
func TestSimulationStaysCalm(t *testing.T) {
	race.SkipLong(t)
	for _, file := range []string{"address-change.yaml", "mtu-blackhole.yaml", "mtu-shrink.yaml"} {
		s := *shipped(t, file)
		for s.Seed = range uint64(2) {
			v := simulate(t, &s).Verdict
			if f := v.Figures; v.Outcome != result.Pass || f.ViewChanges > 0 || f.Unavailable > 100*time.Millisecond {
				t.Errorf("%s, seed %d: %+v", file, s.Seed, v)
			}
		}
	}
}

// TestSimulationNeedsFollowers: if nobody is seen to send to the other port of a replica, which is
// paused and can not tell, the run is invalid.
func TestSimulationNeedsFollowers(t *testing.T) {
	s := *shipped(t, "address-change.yaml")
	third := scenario.Target{Role: scenario.Numbered, Number: 3}
	s.Steps = []scenario.Step{
		{When: scenario.When{At: time.Second}, Action: &scenario.Pause{Target: third}, For: 2 * time.Second},
		{When: scenario.When{At: time.Second}, Action: &scenario.Rebind{Target: third}, For: time.Second},
	}
	v := simulate(t, &s).Verdict
	if v.Outcome != result.Invalid || !strings.Contains(strings.Join(v.Why, " "), "site 3 had another port, and nothing was sent there") {
		t.Errorf("%+v", v)
	}
}

func content(t *testing.T, run *result.Run, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(run.Dir, name))
	if err != nil || len(text) == 0 {
		t.Fatalf("%s: %v", name, err)
	}
	return text
}
