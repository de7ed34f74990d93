package udp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newSleeper returns a sleeper on an eventfd in place of a socket, and a function that makes that
// readable, as it stays.
func newSleeper(t *testing.T) (*sleeper, func()) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	s := new(sleeper)
	t.Cleanup(func() {
		s.close()
		_ = unix.Close(fd)
	})
	if err := s.open(fd); err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAlarmIsNotMovedLater: what a datagram puts off costs no call of the kernel.
func TestAlarmIsNotMovedLater(t *testing.T) {
	s, arrive := newSleeper(t)
	arrive()
	s.sleep(unix.POLLIN, time.Minute)
	first := s.alarm
	if first == 0 {
		t.Fatal("no alarm is set")
	}
	s.sleep(unix.POLLIN, 2*time.Minute)
	if s.alarm != first {
		t.Errorf("the alarm was moved by %v", s.alarm-first)
	}
	s.sleep(unix.POLLIN, time.Second)
	if s.alarm >= first {
		t.Errorf("the alarm was not moved to an earlier time, but by %v", s.alarm-first)
	}
}

// TestAlarmRingsEarly: an alarm that was set for what is no longer due does not end a sleep, and
// the next one is not forgotten.
func TestAlarmRingsEarly(t *testing.T) {
	s, _ := newSleeper(t)
	early := time.Since(s.born) + time.Microsecond
	s.setAlarm(early-time.Microsecond, early)
	from := time.Since(s.born)
	for s.alarm == early {
		s.sleep(unix.POLLIN, 5*time.Millisecond)
	}
	if now := time.Since(s.born); s.alarm == 0 && now < from+5*time.Millisecond {
		t.Errorf("the sleep has ended after %v", now-from)
	}
}

// TestNothingHasArrived: after a sleep that saw nothing arrive, the kernel is not asked, once.
func TestNothingHasArrived(t *testing.T) {
	c := open(t)
	asked := 0
	c.kernel.recvmmsg = func(int, []unix.Mmsghdr) (int, unix.Errno) {
		asked++
		return 0, unix.EAGAIN
	}
	for !c.quiet { // a signal may end a sleep, and then nobody has looked
		c.Wait(time.Microsecond)
	}
	for want := range 3 {
		if _, err := c.ReadBatch(); err != nil || asked != want {
			t.Fatalf("asked %d times, want %d; %v", asked, want, err)
		}
	}
	c.Wake()
	c.Wait(time.Hour) // does not look
	if _, err := c.ReadBatch(); err != nil || asked != 3 {
		t.Errorf("asked %d times, want 3; %v", asked, err)
	}
}

// TestSpinAsks: a Wait that spins asks the kernel until there is something to do.
func TestSpinAsks(t *testing.T) {
	c := open(t)
	asked := 0
	c.kernel.recvmmsg = func(int, []unix.Mmsghdr) (int, unix.Errno) {
		if asked++; asked == 3 {
			c.Wake()
		}
		return 0, unix.EAGAIN
	}
	c.Wait(time.Microsecond)
	if asked != 0 {
		t.Errorf("asked %d times without Spin", asked)
	}
	c.Spin(time.Hour)
	c.Wait(time.Hour)
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}

// TestBulkIsAwaited: after bulk, and only then, Wait asks before it sleeps, but not for long in vain.
func TestBulkIsAwaited(t *testing.T) {
	c := open(t)
	arriving, asked, late := 0, 0, 0
	c.kernel.recvmmsg = func(_ int, headers []unix.Mmsghdr) (int, unix.Errno) {
		if asked++; asked > 0 && asked == late {
			arriving = 1
		}
		if arriving == 0 {
			return 0, unix.EAGAIN
		}
		headers[0].Len, arriving = uint32(arriving), 0
		headers[0].Hdr.SetControllen(0)
		return 1, 0
	}
	read := func() {
		t.Helper()
		c.quiet = false // the socket does not know of what arrives here
		if _, err := c.ReadBatch(); err != nil || arriving > 0 {
			t.Fatal("nothing has arrived", err)
		}
	}
	// asks tells whether a Wait asks that follows the arrival of so many bytes.
	asks := func(bytes int) bool {
		t.Helper()
		arriving, asked = bytes, -1
		read()
		c.Wait(time.Millisecond)
		return asked > 0
	}
	if asks(bulkLeast - 1) {
		t.Error("asks after a small message")
	}
	for range bulkTries {
		if !asks(bulkLeast) {
			t.Error("does not ask after bulk")
		}
	}
	tries := 0
	for range 2 * bulkEvery {
		if asks(bulkLeast) {
			tries++
		}
	}
	if tries != 2 {
		t.Errorf("asked %d times in %d when it was always in vain", tries, 2*bulkEvery)
	}
	late = 1
	for tries = 0; !asks(bulkLeast) && tries < bulkEvery; tries++ {
	}
	late = 0
	read() // what arrived while Wait asked
	if !asks(bulkLeast) {
		t.Error("does not ask after bulk although it paid the last time")
	}
}
