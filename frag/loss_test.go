package frag

import (
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/wire"
)

// A cellName names a cell of a session's one direction.
type cellName struct {
	lane uint8
	id   uint64
	cell uint32
}

// cells calls see for each cell in the datagrams that an end of plain mode is about to send.
func (n *end) cells(t testing.TB, see func(c cellName)) {
	t.Helper()
	for _, d := range n.out.Datagrams {
		var h wire.DatagramHeader
		payload, err := wire.DecodeDatagram(d.Bytes, &h)
		if err != nil || h.Type != wire.DatagramData {
			continue
		}
		for len(payload) > 0 {
			var f wire.Frame
			if payload, err = wire.DecodeFrame(payload, &f); err != nil {
				t.Fatal(err)
			}
			if f.Type != wire.FrameData {
				continue
			}
			for i := range cellsOf(len(f.Data.Bytes)) {
				see(cellName{f.Data.Lane, f.Data.ID, f.Data.Cell + uint32(i)})
			}
		}
	}
}

// TestNotAgainTooSoon: where many datagrams overtake all others, cells are not sent again within half
// a round trip, except that how long one is becomes clear only in time.
func TestNotAgainTooSoon(t *testing.T) {
	again, early := 0, 0
	for seed := range uint64(3) {
		l := newLab(t, seed, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.Delay.Mean, l.Loss, l.Reorder = 3*time.Millisecond, link.Loss{Random: 0.3}, 0.25
		l.connect(a, b)
		sent := map[cellName]time.Duration{}
		l.watch = func(n *end) {
			if n != a {
				return
			}
			a.cells(t, func(c cellName) {
				if at, ok := sent[c]; ok {
					again++
					if l.now-at < a.session(2).rtt.smoothed/2 {
						early++
					}
				}
				sent[c] = l.now
			})
		}
		for i := range 300 {
			a.Send(l.now, 2, Lane(i%2), text(uint64(i), 100+i*100))
			l.pass(500 * time.Microsecond)
		}
		l.run(10*time.Second, func() bool { return a.Stats().Queued == 0 })
	}
	t.Logf("%d cells were sent again, %d too soon", again, early)
	if again == 0 || early*100 > again {
		t.Errorf("%d cells were sent again, %d too soon", again, early)
	}
}
