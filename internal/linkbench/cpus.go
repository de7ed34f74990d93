//go:build linux

package main

import (
	"errors"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// A seating says on which CPUs two processes run: the one that asks, and the one that answers. Left
// to itself, the scheduler puts both ends of a ping-pong on one CPU at times, and at times wakes
// another one for each message, which takes four times as long. It decides so for one subject and
// otherwise for the next, and what would be compared then is the scheduler with itself. A transport
// that would use more than one CPU at an end can not.
type seating struct{ asks, answers int }

// seatings returns one with a CPU for each process and one with the same CPU for both, of the first two
// CPUs that we may use; taskset chooses others.
func seatings() (apart, together seating, err error) {
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return apart, together, err
	}
	if ours.Count() < 2 {
		return apart, together, errors.New("this takes two CPUs, one for each process")
	}
	next := func(cpu int) int {
		for !ours.IsSet(cpu) {
			cpu++
		}
		return cpu
	}
	first := next(0)
	return seating{first, next(first + 1)}, seating{first, first}, nil
}

// startOn starts a process on a CPU, which it inherits from the thread that starts it.
func startOn(cpu int, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var ours, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return err
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &ours) // it was so before
	return cmd.Start()
}
