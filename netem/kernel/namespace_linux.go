package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespaces is where ip keeps the namespaces that it has made.
const namespaces = "/var/run/netns"

// within calls a function on a thread that is in a namespace. The thread does not come back from
// there: it ends with the goroutine, which keeps it.
func within(namespace string, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			f, err := os.Open(filepath.Join(namespaces, namespace))
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("namespace %s: %w", namespace, err)
			}
			return do()
		}()
	}()
	return <-done
}
