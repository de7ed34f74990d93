// Package relay is a network for experiments that needs no rights and no kernel modules: all
// processes are on the loopback of one machine, and each believes of every other one that it is at
// an address that is really a socket of the relay.
//
//	site a ──> port(a,b) ── link a→b ──> port(b,a) ──> site b
//
// What a sends to its address for b arrives at port(a,b). The link says when it goes on, how often,
// or that it is lost; it leaves from port(b,a), which is b's address for a, so that answers take the
// other direction. Time is real. What becomes of the n-th datagram of a direction follows from the
// seed; when it comes does not.
package relay
