package udp

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What a sleeper sleeps on.
const (
	pollSocket = iota
	pollWake   // an eventfd
	pollAlarm  // a timerfd
	pollMax
)

// A sleeper is how the owner sleeps: in ppoll, away from the runtime's poller, whose timers are too
// coarse.
//
// Deadlines move with every datagram, mostly to a later time, and to set a timer of the kernel can
// cost more than all else on the way of a datagram. So the alarm is not moved to a later time, nor
// switched off: it rings early, once, and is set anew.
type sleeper struct {
	poll  [pollMax]unix.PollFd
	born  time.Time
	alarm time.Duration // since born, or 0 if it is not set
	state atomic.Uint32
	// closing keeps close from closing the eventfd under a wake, whose write could then go to
	// another file of the same number.
	closing sync.Mutex
}

// The states of the owner, as far as wake cares.
const (
	running uint32 = iota // a wake must keep the next sleep from sleeping
	parked                // a wake must write the eventfd
	woken                 // a wake has nothing to do
)

// sleepMax bounds a sleep. The owner finds out early that there is nothing to do.
const sleepMax = time.Hour

func (s *sleeper) open(socket int) error {
	s.born = time.Now()
	s.poll[pollSocket].Fd = int32(socket)
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	s.poll[pollWake] = unix.PollFd{Fd: int32(wake), Events: unix.POLLIN}
	alarm, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	s.poll[pollAlarm] = unix.PollFd{Fd: int32(alarm), Events: unix.POLLIN}
	return nil
}

// sleep sleeps until the socket has one of these events, wake was called since the last sleep, or
// the timeout has passed. It may return early. It tells whether the socket is known to have none.
func (s *sleeper) sleep(events int16, timeout time.Duration) (quiet bool) {
	if timeout > 0 && s.state.CompareAndSwap(running, parked) {
		quiet = s.park(events, timeout)
	}
	s.state.Store(running)
	return quiet
}

func (s *sleeper) park(events int16, timeout time.Duration) (quiet bool) {
	s.poll[pollSocket].Events = events
	now := time.Since(s.born)
	until := now + min(timeout, sleepMax)
	for {
		if s.alarm == 0 || until < s.alarm {
			s.setAlarm(now, until)
		}
		if _, err := unix.Ppoll(s.poll[:], nil, nil); err != nil {
			return false
		}
		if s.poll[pollWake].Revents != 0 {
			var count [8]byte
			_, _ = unix.Read(int(s.poll[pollWake].Fd), count[:])
		}
		quiet = s.poll[pollSocket].Revents == 0
		if s.poll[pollAlarm].Revents == 0 {
			return quiet
		}
		s.alarm = 0
		now = time.Since(s.born)
		if now >= until || !quiet || s.poll[pollWake].Revents != 0 {
			return quiet
		}
	}
}

// setAlarm has the alarm ring at that time, and not before. It can only fail for a file that is none.
func (s *sleeper) setAlarm(now, at time.Duration) {
	setting := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at - now))}
	_ = unix.TimerfdSettime(int(s.poll[pollAlarm].Fd), 0, &setting, nil)
	s.alarm = at
}

// wake ends the owner's present or next sleep. It may be called by any goroutine, even after close.
func (s *sleeper) wake() {
	if s.state.Load() == woken || s.state.Swap(woken) != parked {
		return
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.poll[pollWake].Fd >= 0 {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(int(s.poll[pollWake].Fd), one[:])
	}
}

// isWoken tells whether wake was called since the last sleep, and takes that as heard.
func (s *sleeper) isWoken() bool { return s.state.CompareAndSwap(woken, running) }

func (s *sleeper) close() {
	s.closing.Lock()
	defer s.closing.Unlock()
	for i := pollWake; i < pollMax; i++ {
		if s.poll[i].Fd >= 0 {
			_ = unix.Close(int(s.poll[i].Fd))
			s.poll[i].Fd = -1
		}
	}
}
