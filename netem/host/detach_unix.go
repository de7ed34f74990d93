//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// detach gives a process a session of its own, which no terminal ends.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
