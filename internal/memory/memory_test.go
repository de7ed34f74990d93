package memory

import (
	"os"
	"runtime"
	"testing"
)

// What a process has filled it has had.
func TestPeak(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("needs /proc")
	}
	const size = 32 << 20
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	if got := Peak(os.Getpid()); got < size {
		t.Errorf("%d bytes, but %d were filled", got, len(b))
	}
	if got := Resident(os.Getpid()); got < size {
		t.Errorf("%d bytes, but %d are filled", got, len(b))
	}
	runtime.KeepAlive(b)
	if err := ForgetPeak(os.Getpid()); err != nil {
		t.Error(err)
	}
	if got := Peak(os.Getpid()); got == 0 {
		t.Error("no peak")
	}
	if got := Peak(-1); got != 0 {
		t.Errorf("nobody has %d bytes", got)
	}
}
