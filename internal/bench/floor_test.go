package bench

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

func startRelay(t *testing.T, backups ...netip.AddrPort) netip.AddrPort {
	t.Helper()
	conn, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- Relay(conn, backups) }()
	t.Cleanup(func() {
		conn.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// measured measures longer and longer, until something ends while it is measured. A busy machine may do
// other things for a while.
func measured(t *testing.T, measure func(time.Duration) (Figures, error)) (f Figures) {
	t.Helper()
	for d := 200 * time.Millisecond; f.Operations == 0; d *= 2 {
		var err error
		if f, err = measure(d); (err != nil || f.Operations == 0) && d > time.Minute {
			t.Fatalf("%v, %+v", err, f)
		}
	}
	return f
}

func TestFloor(t *testing.T) {
	backups := []netip.AddrPort{startRelay(t), startRelay(t)}
	for _, test := range []struct {
		name        string
		to          netip.AddrPort
		outstanding int
	}{
		{"ping-pong", backups[0], 1},
		{"two hops", startRelay(t, backups...), 1},
		{"two hops, many", startRelay(t, backups...), 1024},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := measured(t, func(d time.Duration) (Figures, error) {
				return Floor(t.Context(), test.to, test.outstanding, 64, d)
			})
			if f.P50Micros <= 0 || f.P50Micros > f.P99Micros || f.P99Micros > f.P999Micros {
				t.Errorf("%+v", f)
			}
			t.Logf("%+v", f)
		})
	}
}

// TestFloorDeaf: a relay that does not answer is an error, not a wait for ever.
func TestFloorDeaf(t *testing.T) {
	deaf, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if f, err := Floor(t.Context(), deaf.LocalAddr().(*net.UDPAddr).AddrPort(), 1, 64, 10*time.Millisecond); err == nil {
		t.Errorf("figures from nowhere: %+v", f)
	}
}

// TestRecorder: what ends during the warm-up or after the end is not counted.
func TestRecorder(t *testing.T) {
	start := time.Now()
	r := newRecorder(start, time.Second)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, test := range []struct {
		began, ended int // ms
		more         bool
	}{{0, 50, true}, {50, 150, true}, {1000, 1090, true}, {1090, 1200, false}} {
		if more := r.record(at(test.began), at(test.ended)); more != test.more {
			t.Errorf("%+v: more is %t", test, more)
		}
	}
	f := r.figures()
	if f.Operations != 2 || f.OpsPerSecond != 2 {
		t.Errorf("%+v, want the two operations of the one second", f)
	}
	if f.P50Micros < 89e3 || f.P999Micros > 101e3 {
		t.Errorf("%+v, want 90 ms and 100 ms", f)
	}
}

// TestFloorInterrupted: whoever has seen enough need not wait for the end.
func TestFloorInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go interrupt(why)
	if _, err := Floor(ctx, startRelay(t), 1, 64, time.Hour); err != why {
		t.Errorf("got %v", err)
	}
}
