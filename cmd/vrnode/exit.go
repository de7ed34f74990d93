package main

import (
	"errors"
	"fmt"
)

// The exit codes, documented in the help of the root command and in README.md.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUnknown     = 2
	exitUnavailable = 3
	exitUsage       = 64
)

// A codedError ends the process with a code of its own.
type codedError struct {
	code int
	err  error
}

// Error is empty if there is nothing to say any more.
func (e *codedError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

// usage makes the error of a command line that can not be right.
func usage(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

// unavailable makes the error of a group that does not serve, or of a link without another end.
func unavailable(format string, args ...any) error {
	return &codedError{exitUnavailable, fmt.Errorf(format, args...)}
}

// unknown makes the error of an operation that may or may not have been executed.
func unknown(format string, args ...any) error {
	return &codedError{exitUnknown, fmt.Errorf(format, args...)}
}

// passOn makes the error of a command that another process has run, and has told why it failed.
func passOn(code int) error {
	if code == exitDone {
		return nil
	}
	return &codedError{code: code}
}

func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded.code
	}
	return exitFailed
}
