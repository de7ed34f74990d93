//go:build unix

package lab

import "syscall"

// The signals that stop a process, with its memory, and let it go on.
const (
	pauseSignal  = syscall.SIGSTOP
	resumeSignal = syscall.SIGCONT
)
