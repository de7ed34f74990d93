package lab

import (
	"os/exec"
	"syscall"
)

// tie makes a process end when the runner does, however that ends. It is in a group of its own, so
// that Ctrl-C reaches only the runner.
func tie(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true
}
