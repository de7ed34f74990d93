package loop

import (
	"os"
	"testing"
	"testing/synctest"

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

// All that a source writes goes to the disk, one part at a time, however long the disk takes. What a target
// fetches is left to the kernel.
func TestSourcesGoToDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type part struct{ from, bytes int64 }
		var parts []part
		end := make(chan bool)
		s := &spools{dir: t.TempDir(), self: 1, toDisk: func(_ *os.File, from, bytes int64) {
			parts = append(parts, part{from, bytes})
			<-end
		}}
		source, err := s.source()
		if err != nil {
			t.Fatal(err)
		}
		target, err := s.target(wire.ClusterID{1})
		if err != nil {
			t.Fatal(err)
		}
		write := func(at int64) {
			t.Helper()
			for _, f := range []interface {
				WriteAt([]byte, int64) (int, error)
			}{source, target} {
				if _, err := f.WriteAt(make([]byte, 10), at-10); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		write(earlyEvery - 1)
		if len(parts) > 0 {
			t.Errorf("%v, of so little", parts)
		}
		write(earlyEvery)
		write(3 * earlyEvery) // while the disk is busy
		end <- true
		synctest.Wait()
		write(4 * earlyEvery)
		end <- true
		if len(parts) != 2 || parts[0] != (part{0, earlyEvery}) || parts[1] != (part{earlyEvery, 3 * earlyEvery}) {
			t.Errorf("%v", parts)
		}
		for _, f := range []interface{ Close() error }{source, target} {
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
