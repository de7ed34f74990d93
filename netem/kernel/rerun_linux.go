package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// mark is a variable in the environment of the program that Rerun has started.
const mark = "VRNODE_NETEM_INSIDE"

// Inside tells whether Rerun has started this program.
func Inside() bool { return os.Getpid() == 1 && os.Getenv(mark) != "" }

// Rerun runs this program again, with the same arguments, in namespaces of its own: network,
// processes and mounts, and users if it is not root. When that program ends, or this one does, by
// whatever signal, the kernel ends all processes in there and takes away all that they have made.
// It returns the exit code. If ctx ends, the program is asked to end, too. A program that is
// interactive gets the terminal.
func Rerun(ctx context.Context, interactive bool) (code int, err error) {
	// The program is killed when the thread that has started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	path, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{
		Path: path, Args: os.Args, Env: append(os.Environ(), mark+"=1"),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
			Pdeathsig:  syscall.SIGKILL,
			// Ctrl-C comes to this program alone, which passes it on once.
			Setpgid: true, Foreground: interactive && isTerminal(os.Stdin),
		},
	}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		a := cmd.SysProcAttr
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("no namespaces, see vrnode lab doctor: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if err := cmd.Wait(); cmd.ProcessState == nil {
		return 0, err
	}
	if !cmd.ProcessState.Exited() {
		return 0, fmt.Errorf("the program in the namespaces was ended: %v", cmd.ProcessState)
	}
	return cmd.ProcessState.ExitCode(), nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Settle makes the namespaces that Rerun has put the program into its own: nothing that is mounted
// here is seen elsewhere, processes are those of the namespace, and ip has an empty place for the
// names of networks.
func Settle() error {
	if err := os.Unsetenv(mark); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if _, err := os.Stat(namespaces); err == nil {
		return mountTmpfs(namespaces)
	}
	return errors.Join(cover(filepath.Dir(namespaces)), os.Mkdir(namespaces, 0o755))
}

func mountTmpfs(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mounting a tmpfs on %s: %w", dir, err)
	}
	return nil
}

// cover mounts an empty file system on a directory, in which a directory can be made without a
// trace, and the directories that were there on that, so that nobody misses them.
func cover(dir string) error {
	old, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer old.Close()
	entries, err := old.ReadDir(-1)
	if err != nil {
		return err
	}
	if err := mountTmpfs(dir); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		from, to := fmt.Sprintf("/proc/self/fd/%d/%s", old.Fd(), e.Name()), filepath.Join(dir, e.Name())
		if err := errors.Join(os.Mkdir(to, 0o755), unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")); err != nil {
			return err
		}
	}
	return nil
}
