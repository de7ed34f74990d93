package sim

// A nat stands in front of a site and gives it other ports than its own, each for a while. The
// address of a site's port is a number: that of the site, and as many times the number of all sites
// as the nat had given it ports by then. So the address of its own port is the number of the site.
type nat struct {
	// port is what the site sends from, 0 its own; given is how many others there have been.
	port, given int
	// forwards: its own port is open all the time.
	forwards bool
	// followed counts the packets that have come to the present port while it is not its own.
	followed int
}

// rebind forgets the present port and gives the site another one.
func (n *nat) rebind(forwards bool) {
	n.given++
	*n = nat{port: n.given, given: n.given, forwards: forwards}
}

// release gives the site its own port again, and tells how many packets have come to the one before.
func (n *nat) release() (followed int) {
	followed = n.followed
	*n = nat{given: n.given}
	return followed
}

// admits tells whether a packet gets in that was sent to a port.
func (n *nat) admits(port int) bool {
	if port != n.port {
		return port == 0 && n.forwards
	}
	if port != 0 {
		n.followed++
	}
	return true
}
