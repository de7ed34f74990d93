package kernel

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"vrnode/netem/scenario"
	"vrnode/netem/tc"
)

// A party is a socket at a site.
type party struct {
	*testing.T
	conn *net.UDPConn
	addr netip.AddrPort
}

func newParty(t *testing.T, n *Network, s scenario.Site, port uint16) *party {
	t.Helper()
	p := &party{T: t}
	err := n.Within(s, func() (err error) {
		p.conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.lab.Addr(s), port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	p.addr = p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return p
}

func (p *party) send(to netip.AddrPort, text string) {
	p.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		p.Fatal(err)
	}
}

// wants returns where the next datagram comes from, which must be this one: what was lost before it
// would have come before it.
func (p *party) wants(text string) netip.AddrPort {
	p.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		p.Fatal(err)
	}
	var b [100]byte
	n, from, err := p.conn.ReadFromUDPAddrPort(b[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.Fatalf("%q never came", text)
	}
	if err != nil || string(b[:n]) != text {
		p.Fatalf("%q came, %v, want %q", b[:n], err, text)
	}
	return from
}

// TestRebind: from behind a NAT a client, and a replica, come from ports of which nobody has heard, and are
// reached there. The client's own port is closed meanwhile, and the other one afterwards; the observer
// sees nothing of it.
func TestRebind(t *testing.T) {
	needsRoot(t)
	n := newProbation(t).network
	const client = scenario.Site(3)
	for _, c := range []struct {
		site scenario.Site
		port uint16
		open bool // its own port, all the time
	}{{client, 0, false}, {client, 0, false}, {2, tc.ReplicaPort, true}} {
		it, peer := newParty(t, n, c.site, c.port), newParty(t, n, 1, tc.ReplicaPort)
		it.send(peer.addr, "before")
		if from := peer.wants("before"); from != it.addr {
			t.Errorf("site %d is at %v before, want %v", c.site, from, it.addr)
		}
		if err := n.Rebind(c.site); err != nil {
			t.Fatal(err)
		}
		if c.open {
			peer.send(it.addr, "to its own port")
			it.wants("to its own port")
			observer := newParty(t, n, tc.Observer, 0)
			it.send(observer.addr, "to the observer")
			if from := observer.wants("to the observer"); from != it.addr {
				t.Errorf("the observer sees %v", from)
			}
			observer.send(it.addr, "from the observer")
			it.wants("from the observer")
		}
		it.send(peer.addr, "hello")
		other := peer.wants("hello")
		if other.Addr() != it.addr.Addr() || other.Port() == it.addr.Port() {
			t.Errorf("site %d was at %v and is at %v", c.site, it.addr, other)
		}
		if !c.open {
			peer.send(it.addr, "lost")
		}
		peer.send(other, "answer")
		if from := it.wants("answer"); from != peer.addr {
			t.Errorf("site %d sees %v, want %v", c.site, from, peer.addr)
		}
		if followed, err := n.Release(c.site); followed != 1 || err != nil {
			t.Errorf("%d datagrams came to the other port of site %d, %v", followed, c.site, err)
		}
		peer.send(other, "lost")
		peer.send(it.addr, "again")
		it.wants("again")
		it.send(peer.addr, "after")
		if from := peer.wants("after"); from != it.addr {
			t.Errorf("site %d is at %v in the end, want %v", c.site, from, it.addr)
		}
		it.conn.Close()
		peer.conn.Close()
	}
	if _, err := n.Release(client); err == nil {
		t.Error("a site has lost a port that it did not have")
	}
}
