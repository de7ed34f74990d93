// Package frag carries messages between processes in UDP datagrams: cut into fragments, repeated
// until they arrive, delivered at most once per session and in no order.
//
//	datagrams ──> Step ─┐
//	messages ──> Send ──┼─> Effects: messages that arrived, datagrams to send
//	time ──────> Tick ──┘
//
// An Endpoint is a state machine without socket, clock, goroutine or randomness of its own.
//
// There are two ways to send. Send queues a message on one of four lanes, which are served in the
// order of their numbers. SendLatest puts a message in a slot, where a newer one replaces it; it
// suits whatever is only worth as much as it is fresh. Slots go before lanes. SendUntil is Send for a
// message that nobody needs any more when it has waited too long for its turn: it is dropped then.
// SendParcel is Send for a long message that is in a buffer which the endpoint may have for another one: it
// is not copied, and nobody checks more than each of its datagrams. Likewise who wants to keep a message
// that has arrived may have its buffer for another.
//
// A session joins one run of a process to one run of another. When one of them restarts, the
// session is replaced and everything queued in it is dropped: nothing is delivered twice in a
// session, and nothing of a past session is delivered at all, but whether a message of a session
// that ended has arrived is not known. The protocol above repeats what still matters.
//
// Reading order:
//
//	limits.go      every bound and every duration
//	endpoint.go    the public face: Step, Send, SendUntil, SendParcel, SendLatest, Tick, Deadline
//	handshake.go   how a session comes about: HELLO, offer, confirmation
//	denial.go      why there is no offer, and cookies under load
//	secure.go      keys, sealed sessions
//	reset.go       how a peer learns that its session is forgotten
//	path.go        the address of a peer, and how a new one is proven
//	session.go     the state of a session; a datagram's way in
//	inbox.go       reassembly, receive windows, duplicates
//	received.go    which datagrams to acknowledge, and when
//	outbox.go      the lanes: messages as runs of cells, sent, lost and acknowledged; queue.go holds
//	               those that wait
//	compress.go    which messages are compressed, and what was
//	slots.go       the slots
//	pathsize.go    how long datagrams may be
//	pack.go        what goes into the next datagram
//	sent.go        what was in the datagrams before
//	runs.go        which datagrams may be joined, and whether that does harm
//	loss.go        acknowledgements, loss detection, probes
//	rtt.go         the round-trip time
//	reordering.go  when to take something for lost
//	delivery.go    how fast datagrams arrive at the peer
//	controller.go  how much may be in flight, and how fast it goes out: at a fixed rate, or by
//	control.go     congestion control, which measures the path
//	phases.go      what it is up to
//	pacer.go       runs of datagrams, and the time between them
//	peer.go        a peer and its deadline; clients.go, heap.go and index.go find peers
//	pool.go        buffers; effects.go lends them out, bitmap.go counts cells in them
//
// An endpoint with keys is in secure mode: its sessions begin with a handshake of package noise, and
// their datagrams are sealed. Nothing else is different.
//
// The bytes of datagrams are package wire's.
package frag
