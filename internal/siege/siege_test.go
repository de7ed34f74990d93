package siege

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var duration = flag.Duration("for", 200*time.Millisecond, "how long to measure each")

func TestMain(m *testing.M) {
	Act()
	flag.Parse()
	os.Exit(m.Run())
}

const (
	// patience is how long to wait for what comes soon unless the machine has other things to do. Only
	// a test that fails lasts so long.
	patience = 3 * time.Minute
	// memoryMax is what a replica may use: what outsiders can make it hold is bounded by its budget for
	// clients and what 4096 sessions need, which is a quarter of this, and as much again is garbage
	// before it is collected.
	memoryMax = 512 << 20
	// amplifiedMax is how many times the bytes of an address may go there before it is proven.
	amplifiedMax = 3
)

// TestCase06FloodedGroup: a group of processes goes on while another process floods it as fast as it
// can. How fast it goes on depends on the machine; make flood shows it.
func TestCase06FloodedGroup(t *testing.T) {
	var all []*Figures
	for _, secure := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), patience+2**duration)
		f, err := Measure(ctx, secure, *duration)
		cancel()
		if err != nil {
			t.Fatalf("secure %v: %v", secure, err)
		}
		all = append(all, f)
		if f.Flooded.Commits < least || f.After < least {
			t.Errorf("secure %v: %d commits in the flood, %d after it", secure, f.Flooded.Commits, f.After)
		}
		if f.Flooded.Memory > memoryMax {
			t.Errorf("secure %v: a replica uses %d MiB", secure, f.Flooded.Memory>>20)
		}
		if f.Flood.Sent == 0 || f.Flood.BackBytes == 0 || f.Flood.Amplified > amplifiedMax {
			t.Errorf("secure %v: %+v", secure, f.Flood)
		}
		if open := f.Flood.Sessions > 0; open == secure {
			t.Errorf("secure %v: outsiders got %d sessions", secure, f.Flood.Sessions)
		}
	}
	if testing.Verbose() {
		if err := Print(os.Stdout, all); err != nil {
			t.Fatal(err)
		}
		fmt.Println()
	}
}
