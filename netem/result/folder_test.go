package result

import (
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"
)

func TestFolder(t *testing.T) {
	root := t.TempDir()
	want := Run{
		Manifest: Manifest{Name: "crash", Seed: 7, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		Verdict:  Verdict{Outcome: Failed, Checks: []Check{{"linearizable", Failed, "no"}}},
		History:  []Call{{Client: 1, Command: "add 5", Invoke: 1, Return: 2, End: Answered, Result: "5"}},
		Events:   []Event{{At: 3, Kind: FaultBegin, Name: "crash", Fault: 1, Replicas: []int{1}}, {At: 4, Kind: Sample, Replica: 2}},
		Links:    []Link{{Direction: Direction{1, 2}, Lost: map[string]uint64{"random": 3}}},
	}
	f, err := Create(root, "crash", want.Manifest.Began, 7)
	if err != nil {
		t.Fatal(err)
	}
	want.Dir = filepath.Join(root, "crash", Latest)
	f.Call(&want.History[0])
	for i := range want.Events {
		f.Event(&want.Events[i])
	}
	for name, value := range map[string]any{ManifestFile: want.Manifest, VerdictFile: want.Verdict, LinksFile: want.Links} {
		if err := f.Write(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(want.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

// TestRunThatDied: the manifest is written first, lines follow, and the last one may be cut off.
func TestRunThatDied(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{ManifestFile: `{"name":"crash"}`, HistoryFile: "{\"client\":1}\n{\"cli"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(dir)
	if err != nil || got.Manifest.Name != "crash" || len(got.History) != 1 || got.Verdict.Outcome != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestLatest: the link follows the last run.
// TestAtOnce: runs that begin at the same time do not get into each other's way.
func TestAtOnce(t *testing.T) {
	root, began := t.TempDir(), time.Now()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			f, err := Create(root, "x", began, 7)
			if err != nil {
				t.Error(err)
				return
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if entries, err := os.ReadDir(filepath.Join(root, "x")); err != nil || len(entries) != 32+1 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestLatest(t *testing.T) {
	root := t.TempDir()
	for i := range 2 {
		f, err := Create(root, "crash", time.UnixMilli(int64(i)), uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if target, _ := os.Readlink(filepath.Join(root, "crash", Latest)); target != filepath.Base(f.Dir) {
			t.Errorf("latest is %s, want %s", target, f.Dir)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
