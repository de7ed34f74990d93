//go:build !linux

package guest

import "os/exec"

// endWithUs does nothing where Find finds nothing.
func endWithUs(*exec.Cmd) {}
