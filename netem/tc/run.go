package tc

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Run runs the command and returns what it prints. What it complains of is in the error. started, if
// it is not nil, is told the process that runs it.
func (c Command) Run(started func(pid int)) ([]byte, error) { return c.Feed("", started) }

// Feed is Run for a command that reads.
func (c Command) Feed(input string, started func(pid int)) ([]byte, error) {
	cmd := exec.Command(c[0], c[1:]...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &complaint
	err := cmd.Start()
	if err == nil {
		if started != nil {
			started(cmd.Process.Pid)
		}
		err = cmd.Wait()
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("there is no command %s: see vrnode lab doctor", c[0])
	case err != nil:
		return nil, fmt.Errorf("%v: %w: %s", c, err, strings.TrimSpace(complaint.String()))
	}
	return out.Bytes(), nil
}
