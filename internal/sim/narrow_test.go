package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/vr"
	"vrnode/wire"
)

// A narrow is a group on good links, and a client whose way out is a narrow one.
type narrow struct {
	*Stage
	t    *testing.T
	done int // requests
}

const narrowClient = 4

func newNarrow(t *testing.T, bits int64, loss float64) *narrow {
	n := &narrow{t: t}
	n.Stage = NewStage(StageConfig{
		Replicas: 3, Clients: 1, Seed: 1,
		OnEvent:  func(int, vr.Event) {},
		OnResult: func(int, wire.RequestNumber, wire.Outcome, string) { n.done++ },
	})
	n.Form()
	n.until(time.Minute, "it is formed", func() bool { return len(n.w.record.formed) > 0 && n.Ask(1).Status == wire.StatusNormal })
	n.Set(narrowClient, 1, link.Settings{
		MTU: 1500, Rate: link.Rate{Bits: bits, Queue: 64 << 10}, Delay: link.Delay{Mean: 20 * time.Millisecond}, Loss: link.Loss{Random: loss},
	})
	out := n.w.net.link(narrowClient-1, 0)
	for to := range 3 { // the same one to all of them
		n.w.net.links[narrowClient-1][to] = out
	}
	return n
}

func (n *narrow) until(limit time.Duration, what string, so func() bool) {
	n.t.Helper()
	for end := n.Now() + limit; !so(); {
		if n.Now() >= end {
			n.t.Fatalf("not in %v: %s, %d requests are done", limit, what, n.done)
		}
		n.Step(end)
		if v := n.Violation(); v != nil {
			n.t.Fatal(v)
		}
	}
}

// put has the client make so many requests at once, all of them long and none like another.
func (n *narrow) put(requests int) {
	for i := range uint32(requests) {
		n.Submit(narrowClient, "put "+strings.Repeat(fmt.Sprintf("%08x", (i+1)*2654435761), narrowBytes/8))
	}
}

const narrowBytes = 60 << 10

// A client that has more outstanding than its way out carries in the time after which clients repeat
// themselves gets all of it done in little more than the time that it takes to send it once.
func TestManyLargeRequestsOnANarrowPath(t *testing.T) {
	const requests = 64
	for _, bits := range []int64{1_000_000, 4_000_000} {
		for _, loss := range []float64{0, 0.05} {
			t.Run(fmt.Sprintf("%d/%v", bits, loss), func(t *testing.T) {
				n := newNarrow(t, bits, loss)
				began := n.Now()
				n.put(requests)
				least := time.Duration(requests*narrowBytes) * 8 * time.Second / time.Duration(bits)
				n.until(least*3/2, "all is done", func() bool { return n.done == requests })
				t.Logf("took %v, at least %v, %d bytes", n.Now()-began, least, n.Counters(narrowClient, 1).Bytes)
			})
		}
	}
}

// If the primary crashes while its way in is full of requests, the client soon finds the next one.
func TestNextPrimaryOnANarrowPath(t *testing.T) {
	n := newNarrow(t, 4_000_000, 0.01)
	n.put(64)
	n.until(time.Minute, "some are done", func() bool { return n.done == 8 })
	n.Kill(1)
	began := n.Now()
	n.until(3*time.Second, "one more is done", func() bool { return n.done > 8 })
	t.Logf("took %v", n.Now()-began)
	n.until(time.Minute, "all are done", func() bool { return n.done == 64 })
}
