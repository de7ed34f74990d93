package linktest

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"vrnode/frag"
	"vrnode/frag/noise"
	"vrnode/internal/ports"
	"vrnode/wire"
)

// listen starts a listener that ends with the test, and returns its address.
func listen(t *testing.T, met func(netip.AddrPort), keys ...noise.Key) string {
	l, err := Listen("127.0.0.1:0", 0, keys...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- l.Serve(ctx, met) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestMeasure goes through every phase on real sockets, twice at the same listener.
func TestMeasure(t *testing.T) {
	met := make(chan netip.AddrPort, 2)
	to := listen(t, func(a netip.AddrPort) { met <- a })
	for range 2 {
		cfg := Config{
			To: to, Phases: Phases, Duration: 50 * time.Millisecond, Patience: time.Minute,
			Size: SizeMin, Sizes: []int{SizeMin, SizeMax},
		}
		r, err := Measure(t.Context(), cfg)
		if err != nil || r.Interrupted || len(r.Rows) != 5 || r.To != to || r.Sent == 0 || r.Received == 0 {
			t.Fatalf("%v, %+v", err, r)
		}
		<-met
	}
}

// TestInterrupted: whoever has seen enough gets what there is.
func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	to := listen(t, func(netip.AddrPort) { interrupt(why) })
	r, err := Measure(ctx, Config{To: to, Phases: Phases, Duration: time.Hour, Patience: time.Minute, Size: 64, Sizes: []int{64}})
	if !errors.Is(err, why) || r == nil || !r.Interrupted || r.Sent == 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestNobodyThere(t *testing.T) {
	free, err := ports.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Measure(t.Context(), Config{To: free[0], Phases: []Phase{Ping}, Duration: time.Hour, Patience: 50 * time.Millisecond, Size: 64})
	if !errors.Is(err, ErrNobody) || len(r.Rows) != 0 || r.Received != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestDenied: who has another key than the listener is told so, and with the right one all is well.
func TestDenied(t *testing.T) {
	to := listen(t, func(netip.AddrPort) {}, noise.Key{1})
	cfg := Config{To: to, Phases: []Phase{Ping}, Duration: 20 * time.Millisecond, Patience: time.Minute, Size: 64}
	for _, c := range []struct {
		keys []noise.Key
		want wire.Denied
	}{{nil, wire.DeniedPlain}, {[]noise.Key{{2}}, wire.DeniedKey}, {[]noise.Key{{2}, {1}}, 0}} {
		cfg.Keys = c.keys
		r, err := Measure(t.Context(), cfg)
		if r == nil || errors.Is(err, ErrDenied) != (c.want != 0) || r.Denied != c.want || (err != nil) != (c.want != 0) {
			t.Errorf("%v: %v, %+v", c.keys, err, r)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, to := range []string{"", "127.0.0.1", ":7000", "0.0.0.0:7000", "127.0.0.1:0", "nobody.invalid:7000"} {
		if r, err := Measure(t.Context(), Config{To: to}); err == nil || r != nil {
			t.Errorf("measured %q", to)
		}
	}
	if _, err := Listen("127.0.0.1:port", 0); err == nil {
		t.Error("a listener without a port")
	}
	busy := listen(t, func(netip.AddrPort) {})
	if _, err := Listen(busy, 0); err == nil {
		t.Error("two listeners at one address")
	}
}

// TestProtocol: what is malformed is not answered.
func TestProtocol(t *testing.T) {
	good := filler()[:100]
	putRequest(good, 3, 77, SizeMax)
	if lane, number, answer, ok := readRequest(good); !ok || lane != 3 || number != 77 || answer != SizeMax {
		t.Errorf("%v %v %v %v", lane, number, answer, ok)
	}
	for name, change := range map[string]func(b []byte) []byte{
		"cut":              func(b []byte) []byte { return b[:requestMin-1] },
		"empty":            func([]byte) []byte { return nil },
		"of another kind":  func(b []byte) []byte { b[0] = kindAnswer; return b },
		"in lane 4":        func(b []byte) []byte { b[1] = frag.LanesMax; return b },
		"asks for nothing": func(b []byte) []byte { putRequest(b, 0, 1, answerMin-1); return b },
		"asks for more":    func(b []byte) []byte { putRequest(b, 0, 1, SizeMax+1); return b },
	} {
		b := filler()[:100]
		putRequest(b, 3, 77, 100)
		if _, _, _, ok := readRequest(change(b)); ok {
			t.Errorf("a request that is %s is taken", name)
		}
	}
	path := Path{Sent: 1, Lost: 2, Again: 3, srtt: 4, variation: 5, least: 6, WindowBytes: 7, DatagramBytes: 8, overflowed: 9, Partings: 10}
	b := encodeReport(10, &path)
	if number, ok := readNumber(b, kindReport); !ok || number != 10 || len(b) != reportSize {
		t.Errorf("number %v, %d bytes", number, len(b))
	}
	if got, ok := readReport(b); !ok || got != path {
		t.Errorf("%+v", got)
	}
	if _, ok := readReport(b[1:]); ok {
		t.Error("a report that is cut is taken")
	}
}

func FuzzStep(f *testing.F) {
	request := make([]byte, 50)
	putRequest(request, 1, 2, 20)
	f.Add(request)
	f.Add(encodeReport(1, &Path{Sent: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, m := newWorld(t, time.Millisecond, everything())
		w.run(20 * time.Millisecond)
		w.echo.machine.Step(w.now, meterID, b)
		m.Step(w.now, listenerID, b)
		w.run(40 * time.Millisecond)
	})
}
