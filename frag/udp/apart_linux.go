package udp

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// apartFor is how long no run is tried towards an address after one was refused.
	apartFor = 60 * time.Second
	// apartMax bounds the addresses that are remembered. The one refused first makes room; if a
	// run is refused again, it comes back.
	apartMax = 64
)

// An apart remembers the addresses to which the kernel does not send runs: the network card, or
// the tunnel, on the way there can not cut them.
type apart struct {
	addrs []netip.AddrPort
	until []time.Time // ascending
}

func (a *apart) any() bool { return len(a.addrs) > 0 }

func (a *apart) has(addr netip.AddrPort) bool {
	return a.any() && slices.Contains(a.addrs, addr)
}

func (a *apart) add(addr netip.AddrPort, now time.Time) {
	a.remove(addr)
	if len(a.addrs) == apartMax {
		a.delete(0, 1)
	}
	a.addrs, a.until = append(a.addrs, addr), append(a.until, now.Add(apartFor))
}

func (a *apart) remove(addr netip.AddrPort) {
	if i := slices.Index(a.addrs, addr); i >= 0 {
		a.delete(i, i+1)
	}
}

func (a *apart) expire(now time.Time) {
	n := 0
	for n < len(a.until) && !a.until[n].After(now) {
		n++
	}
	a.delete(0, n)
}

func (a *apart) delete(i, j int) {
	a.addrs, a.until = slices.Delete(a.addrs, i, j), slices.Delete(a.until, i, j)
}
