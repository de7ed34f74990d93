package siege

import (
	"net"
	"net/netip"
	"sync"
)

// A Tap is on the path between a client and the replicas: who knows the replicas by the addresses of
// the Tap talks to them through it, and it sees everything.
type Tap struct {
	// Peers are the addresses by which the client shall know the replicas.
	Peers map[uint64]string

	see    func(to netip.AddrPort, d []byte)
	conns  []*net.UDPConn
	active sync.WaitGroup
}

// NewTap puts a Tap in front of replicas. see is called with what goes to them, by many goroutines.
func NewTap(replicas map[uint64]netip.AddrPort, see func(to netip.AddrPort, d []byte)) (*Tap, error) {
	t := &Tap{Peers: make(map[uint64]string), see: see}
	for id, to := range replicas {
		near, far, err := t.open()
		if err != nil {
			t.Close()
			return nil, err
		}
		t.Peers[id] = near.LocalAddr().String()
		var mu sync.Mutex
		var client netip.AddrPort
		t.active.Go(func() {
			forward(near, func(from netip.AddrPort, d []byte) {
				mu.Lock()
				client = from
				mu.Unlock()
				t.see(to, d)
				far.WriteToUDPAddrPort(d, to) // what does not go is lost
			})
		})
		t.active.Go(func() {
			forward(far, func(_ netip.AddrPort, d []byte) {
				mu.Lock()
				to := client
				mu.Unlock()
				near.WriteToUDPAddrPort(d, to)
			})
		})
	}
	return t, nil
}

// open opens the two sockets of a replica.
func (t *Tap) open() (near, far *net.UDPConn, err error) {
	for _, conn := range []**net.UDPConn{&near, &far} {
		if *conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return nil, nil, err
		}
		t.conns = append(t.conns, *conn)
	}
	return near, far, nil
}

// forward hands on what arrives until the socket is closed.
func forward(conn *net.UDPConn, pass func(from netip.AddrPort, d []byte)) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		pass(from, b[:n])
	}
}

// Close takes the Tap away.
func (t *Tap) Close() {
	for _, c := range t.conns {
		c.Close()
	}
	t.active.Wait()
}
