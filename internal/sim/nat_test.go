package sim

import (
	"slices"
	"testing"
)

// TestNATs sends to every port that two sites have had, in each state of their nats: site 0 is one whose
// own port stays open, site 1 is not.
func TestNATs(t *testing.T) {
	w := quiet()
	n := &w.net
	// ports are what a packet comes from and which of those that were sent to a site got in.
	check := func(when string, site, source int, want ...int) {
		t.Helper()
		n.send(0, site, 1-site, nil)
		p := n.take()
		if got := n.source(&p); got != source {
			t.Errorf("%s: a packet of site %d comes from address %d, want %d", when, site, got, source)
		}
		var in []int
		for port := range 3 {
			n.send(0, 1-site, site+2*port, nil)
			if p := n.take(); p.to != site {
				t.Fatalf("%s: a packet to port %d of site %d comes to site %d", when, port, site, p.to)
			} else if n.nats[site].admits(p.door) {
				in = append(in, port)
			}
		}
		if !slices.Equal(in, want) {
			t.Errorf("%s: the ports %v of site %d are open, want %v", when, in, site, want)
		}
	}
	check("at first", 0, 0, 0)
	check("at first", 1, 1, 0)
	n.nats[0].rebind(true)
	n.nats[1].rebind(false)
	check("rebound", 0, 2, 0, 1)
	check("rebound", 1, 3, 1)
	n.nats[1].rebind(false)
	check("rebound twice", 1, 5, 2)
	for site := range 2 {
		if got := n.nats[site].release(); got != 1 {
			t.Errorf("%d packets have come to the last port of site %d, want 1", got, site)
		}
	}
	check("in the end", 0, 0, 0)
	check("in the end", 1, 1, 0)
	n.nats[0].rebind(true)
	check("rebound again", 0, 4, 0, 2)
}

// TestClosedPort: what meets a closed port comes to nobody, and its memory back.
func TestClosedPort(t *testing.T) {
	w := quiet()
	w.net.nats[0].rebind(false)
	w.net.send(0, 1, 0, nil)
	w.net.send(0, 1, 2, nil)
	for w.step(never) {
	}
	if w.net.nats[0].followed != 1 || len(w.net.free) != 2 {
		t.Errorf("%d packets got in, of %d", w.net.nats[0].followed, len(w.net.free))
	}
}
