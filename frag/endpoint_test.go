package frag

import (
	"bytes"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

func TestSendAndReceive(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		for _, n := range []int{1, 63, 64, 65, wire.SingleMax, wire.SingleMax + 1, 5000, 64 << 10, MessageMax} {
			want := text(uint64(n), n)
			if !a.Send(l.now, 2, 1, want) {
				t.Fatalf("%d bytes refused", n)
			}
			took := l.run(5*time.Second, func() bool { return len(b.got) > 0 })
			if !bytes.Equal(b.got[0].bytes, want) || b.got[0].from != 1 {
				t.Fatalf("%d bytes arrive damaged", n)
			}
			t.Logf("%d bytes took %v", n, took)
			b.got = nil
		}
		l.pass(10 * time.Second)
		if s := a.Stats(); s.Queued != 0 {
			t.Errorf("%d bytes are still queued", s.Queued)
		}
		if d := a.Deadline(); d != Never {
			t.Errorf("idle, but the deadline is %v", d)
		}
	})
}

func TestTooBigIsCounted(t *testing.T) {
	e := New(Config{Self: 1, Replicas: []Address{{2, addressOf(2)}, {3, addressOf(3)}}})
	e.TooBig(0, addressOf(3), wire.DatagramBase)
	e.TooBig(0, addressOf(4), wire.DatagramBase)
	for id, want := range map[wire.Peer]uint64{2: 0, 3: 1} {
		if s, _ := e.PeerStats(id); s.TooBig != want {
			t.Errorf("replica %v: %d, want %d", id, s.TooBig, want)
		}
	}
}
