package loop

import (
	"os"
	"testing"

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
	s := &spools{dir: t.TempDir(), self: 1}
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
