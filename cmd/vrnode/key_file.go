package main

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"vrnode/frag/noise"
)

// keyFileMax bounds a key file, comments and all.
const keyFileMax = 16 << 10

// readKeys reads a key file that nobody but its owner can read.
func readKeys(path string) ([]noise.Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("--key-file %s: others than its owner can get at it, its mode is %04o\nTake that away, and make another key if somebody may have read it:\n  chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileMax+1))
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	if len(text) > keyFileMax {
		return nil, fmt.Errorf("--key-file %s: this is no key file, it has more than %d bytes", path, keyFileMax)
	}
	keys, err := noise.ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("--key-file %s: %w", path, err)
	}
	return keys, nil
}
