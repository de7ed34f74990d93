package relay

import (
	"net"

	"vrnode/netem/scenario"
)

// A nat gives the receiver of a lane another port than its own. All of them stay open until the
// relay is closed, so that what is under way from there still leaves, and nobody else gets them.
type nat struct {
	other    *net.UDPConn // nil if it is its own
	all      []*net.UDPConn
	followed int // datagrams that have come to other
}

func (n *nat) rebind(other *net.UDPConn) {
	n.all = append(n.all, other)
	n.other, n.followed = other, 0
}

func (n *nat) release() (followed int) {
	followed = n.followed
	n.other, n.followed = nil, 0
	return followed
}

func (n *nat) close() {
	for _, conn := range n.all {
		conn.Close()
	}
}

// Rebind gives a site another port on all its links than it has had: a NAT in front of it has
// forgotten its table. What is sent to the port of before is lost when it arrives, unless that is a
// replica's own.
func (r *Relay) Rebind(s scenario.Site) error {
	for d, l := range r.lanes {
		if d.To != s {
			continue
		}
		conn, err := listen()
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.nat.rebind(conn)
		l.mu.Unlock()
		r.ends.Go(func() { r.forward(d, l, conn) })
	}
	return nil
}

// Release gives a site its own port again, and tells how many datagrams have come to the other one.
func (r *Relay) Release(s scenario.Site) (followed int, err error) {
	for d, l := range r.lanes {
		if d.To == s {
			l.mu.Lock()
			followed += l.nat.release()
			l.mu.Unlock()
		}
	}
	return followed, nil
}

// admits tells whether what has come in at a port gets to the receiver.
func (l *lane) admits(port *net.UDPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if port != l.port {
		if port == l.nat.other {
			l.nat.followed++
		}
		return port == l.nat.other
	}
	return l.nat.other == nil || l.forwards
}

// source is the port from which the receiver sees what comes along the lane, which the sender has.
func (l *lane) source() *net.UDPConn {
	l.back.mu.Lock()
	defer l.back.mu.Unlock()
	if l.back.nat.other != nil {
		return l.back.nat.other
	}
	return l.back.port
}
