package guest

import (
	"os/exec"
	"syscall"
)

// endWithUs has the kernel kill a command when the thread that starts it ends.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
