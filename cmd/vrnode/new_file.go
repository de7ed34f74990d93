package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// A newFile is a file that has its name only when it is whole. Until then it is beside it.
type newFile struct {
	*os.File
	path string
}

// createFile refuses a name that there is already, unless that may go.
func createFile(path string, force bool) (*newFile, error) {
	if err := checkFree(path, force); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	return &newFile{f, path}, nil
}

func checkFree(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there and is not a file", path)
	case !force:
		return fmt.Errorf("%s is there already; give another name, or --force to replace it", path)
	}
	return nil
}

// keep gives the file its name.
func (f *newFile) keep(force bool) error {
	err := f.Sync()
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = checkFree(f.path, force) // somebody may have been faster
	}
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if err := syncDirectory(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("%s is whole, but its name may not outlive a power cut: %w", f.path, err)
	}
	return nil
}

// syncDirectory has the names in a directory outlive a power cut, where that takes more than to close the
// files, and is possible.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return nil // one may write there, and not read
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) { // as some file systems say
		return err
	}
	return nil
}

// abandon leaves nothing of the file.
func (f *newFile) abandon() {
	_ = f.Close()
	_ = os.Remove(f.Name())
}
