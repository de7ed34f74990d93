package guest

import (
	"os/exec"
	"syscall"
)

// endWithUs has the kernel kill a command when the thread that starts it ends. Only that, and not
// what a terminal sends to all that it sees: it is for us to say what an interrupt means.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
