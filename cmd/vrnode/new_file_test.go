package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A file has its name when it is kept, and then alone.
func TestNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f, err := createFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it has its name before it is whole")
	}
	if err := f.keep(false); err != nil {
		t.Error(err)
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 || all[0].Name() != "state" {
		t.Errorf("%v, %v", all, err)
	}
}

// That a directory can not be synced is only an error where there is something to do.
func TestSyncDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := syncDirectory(dir); err != nil {
		t.Error(err)
	}
	if err := syncDirectory(filepath.Join(dir, "missing")); err == nil && runtime.GOOS != "windows" {
		t.Error("a directory that is not there was synced")
	}
}
