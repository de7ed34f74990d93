//go:build !unix

package lab

import (
	"os/exec"
	"syscall"
)

// Such a system refuses these, so that a scenario with a pause is invalid there.
const (
	pauseSignal  = syscall.Signal(19)
	resumeSignal = syscall.Signal(18)
)

// tie does nothing: there are no groups of processes.
func tie(*exec.Cmd) {}
