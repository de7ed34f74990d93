package lab

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"vrnode/frag/noise"
)

// TestKeys follows the files of two replicas through a rotation.
func TestKeys(t *testing.T) {
	k, err := newKeys(2)
	if err != nil {
		t.Fatal(err)
	}
	wants := func(when string, want ...noise.Key) {
		t.Helper()
		flags := k.flags(1)
		if len(flags) != 2 || flags[0] != "--key-file" {
			t.Fatalf("%s: flags %q", when, flags)
		}
		text, err := os.ReadFile(flags[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := noise.ParseKeys(string(text))
		if err != nil || len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%s: %v, %v, want %v", when, got, err, want)
		}
		if info, err := os.Stat(flags[1]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", when, info.Mode(), err)
		}
	}
	wants("in the beginning", k.old)
	if err := k.advance(2); err != nil {
		t.Error(err)
	}
	wants("when another one has advanced", k.old)
	if err := k.advance(1); err != nil {
		t.Error(err)
	}
	wants("in between", k.fresh, k.old)
	if err := k.advance(1); err != nil {
		t.Error(err)
	}
	wants("in the end", k.fresh)
	if err := k.advance(1); err == nil || !strings.Contains(err.Error(), "has the new key alone already") {
		t.Error(err)
	}
	if err := k.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(k.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the files are still there")
	}
	var none *keys
	if none.all() != nil || none.flags(1)[0] != "--insecure" {
		t.Error("there are keys in plain mode")
	}
}
