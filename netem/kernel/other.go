//go:build !linux

package kernel

import (
	"context"
	"errors"
)

var errNotLinux = errors.New("the backend " + Name + " is Linux")

// Inside tells whether the program is in namespaces of its own, which only Linux has.
func Inside() bool { return false }

// Settle fails.
func Settle() error { return errNotLinux }

// Rerun fails.
func Rerun(context.Context, bool) (int, error) { return 0, errNotLinux }
