// Package race is for tests of which the race detector can tell nothing.
package race

import "testing"

// SkipLong skips a test that takes long and has only one goroutine, if the race detector is on. It would
// take ten times as long, to find no race. The same test runs where the detector is off.
func SkipLong(t testing.TB) {
	t.Helper()
	if detector {
		t.Skip("skipped: needs no race detector, it has one goroutine")
	}
}
