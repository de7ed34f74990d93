//go:build unix && !linux

package lab

import (
	"os/exec"
	"syscall"
)

// tie keeps Ctrl-C from a process. Only Linux ends the processes of a runner that was killed.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
