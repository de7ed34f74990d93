package memory

import (
	"os"
	"runtime"
	"runtime/debug"
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

// TestGrow: the memory is there at once, and not asked for again while there is room in the heap.
func TestGrow(t *testing.T) {
	if !mayPopulate() {
		t.Skip("needs MADV_POPULATE_WRITE, which Linux has since 5.14")
	}
	const size = 64 << 20
	self := os.Getpid()
	debug.FreeOSMemory() // what other tests have left
	if err := ForgetPeak(self); err != nil {
		t.Fatal(err)
	}
	before := Peak(self)
	steps := 0
	grow(2*size, func() { steps++ })
	if grown := Peak(self) - before; grown < size/2 {
		t.Errorf("%d bytes came, but room for %d was asked for", grown, 2*size)
	}
	if steps < 2*size>>20 {
		t.Errorf("%d steps back", steps)
	}
	before = Peak(self)
	grow(size, func() {})
	if grown := Peak(self) - before; grown > size/2 {
		t.Errorf("%d bytes came although there was room for %d", grown, size)
	}
}
