package loop

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"vrnode/internal/stack"
	"vrnode/wire"
)

// Replicas of two groups with the same number find what they have fetched themselves, in a directory of
// both, and leave nothing when they are done.
func TestSpoolsOfTwoGroups(t *testing.T) {
	dir := t.TempDir()
	groups := [...]wire.ClusterID{{1}, {2}}
	write := func(group wire.ClusterID) {
		s := &spools{dir: dir, self: 1}
		f, err := s.target(group)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := f.Size(); size != 0 || err != nil {
			t.Errorf("group %v finds %d bytes, %v", group, size, err)
		}
		if _, err := f.WriteAt(group[:], 0); err != nil {
			t.Error(err)
		}
		s.close() // as when the process ends
	}
	for _, group := range groups {
		write(group)
	}
	for _, group := range groups {
		s := &spools{dir: dir, self: 1}
		f, err := s.target(group)
		if err != nil {
			t.Fatal(err)
		}
		var found wire.ClusterID
		if _, err := f.ReadAt(found[:], 0); err != nil || found != group {
			t.Errorf("group %v finds what is of %v, %v", group, found, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// Room that is reserved is not part of a spool: who opens it next looks at all that it has.
func TestReservedRoomHasNoLength(t *testing.T) {
	s := &spools{dir: t.TempDir(), self: 1, toDisk: func(*os.File, int64, int64) {}}
	f, err := s.source()
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []int64{10, reserveFirst + 10} {
		if _, err := f.WriteAt(make([]byte, 10), end-10); err != nil {
			t.Fatal(err)
		}
		if size, err := f.Size(); size != end || err != nil {
			t.Errorf("%d bytes, %v, after writing up to %d", size, err, end)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// What a source writes goes to the disk at once, step by step, one part at a time however long the disk takes. Of
// what a target fetches a part goes each time that the kernel is found to be about to begin by itself, but not of
// what the last run has fetched.
func TestSpoolsGoToDisk(t *testing.T) {
	type part struct {
		target      bool
		from, bytes int64
	}
	steps := func(target bool, from, end int64) (parts []part) {
		for ; from < end; from += earlyStep {
			parts = append(parts, part{target, from, min(earlyStep, end-from)})
		}
		return parts
	}
	synctest.Test(t, func(t *testing.T) {
		var told []part
		var source, target *spool
		end := make(chan bool)
		asked, full := 0, false
		dir := t.TempDir()
		s := &spools{dir: dir, self: 1,
			toDisk: func(f *os.File, from, bytes int64) {
				told = append(told, part{f == target.File, from, bytes})
				<-end
			},
			nearlyFull: func() bool { asked++; return full },
		}
		open := func(f stack.Spool, err error) *spool {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return f.(*spool)
		}
		const lastRun = targetEvery - 5
		before := &spools{dir: dir, self: 1}
		if _, err := open(before.target(wire.ClusterID{1})).WriteAt(make([]byte, 10), lastRun-10); err != nil {
			t.Fatal(err)
		}
		before.close()
		source, target = open(s.source()), open(s.target(wire.ClusterID{1}))
		// write writes up to a place. expect lets the disk finish what it is told.
		write := func(f *spool, to int64) {
			t.Helper()
			if _, err := f.WriteAt(make([]byte, 10), to-10); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		expect := func(want []part) {
			t.Helper()
			for range want {
				end <- true
				synctest.Wait()
			}
			if !slices.Equal(told, want) {
				t.Errorf("told %v, not %v", told, want)
			}
			told = nil
		}
		write(source, earlyStep-1)
		expect(nil)
		write(source, earlyStep)
		write(source, 2*earlyStep) // while the disk is busy
		write(source, 4*earlyStep-5)
		expect(steps(false, 0, earlyStep))
		write(source, 4*earlyStep+5)
		expect(steps(false, earlyStep, 4*earlyStep+5))

		write(target, lastRun+targetEvery-1) // too soon to ask
		write(target, lastRun+targetEvery)
		write(target, lastRun+2*targetEvery-1) // too soon again
		expect(nil)
		full = true
		write(target, lastRun+2*targetEvery)
		expect(steps(true, lastRun, lastRun+targetEvery))
		write(target, lastRun+3*targetEvery)
		expect(steps(true, lastRun+targetEvery, lastRun+2*targetEvery))
		full = false
		write(target, lastRun+4*targetEvery)
		expect(nil)
		if asked != 4 {
			t.Errorf("asked %d times", asked)
		}
		for _, f := range []*spool{source, target} {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// The kernel takes what it is told of, also of a file that is closed.
func TestToDisk(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 1000), 0); err != nil {
		t.Fatal(err)
	}
	toDisk(f, 0, 1000)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	toDisk(f, 0, 1000)
}
