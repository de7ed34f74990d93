// Package udp is a UDP socket that moves datagrams in batches and sleeps until the next deadline
// to the microsecond.
//
// A Conn belongs to one goroutine, which should call OwnThread before anything else. Only Wake may
// be called by others. On Linux a batch is one system call (recvmmsg, sendmmsg), and datagrams to
// one peer that may be joined cross the kernel in one piece (UDP_SEGMENT, UDP_GRO), which is what
// makes bulk fast; elsewhere package net does the work with the same behaviour.
//
// A Conn that has nothing to do sleeps at once, unless it was told to Spin for a while, or bulk has just
// arrived: then more of it is on its way.
//
// A thread that computes for long beside a Conn should have a Courtesy, and step back with it, so that
// the one that was woken by a datagram need not wait until the next tick.
//
// UDP promises nothing, and so does WriteBatch: whatever keeps a datagram from leaving is counted
// and otherwise left to package frag, whose business is loss. Where a network card or a tunnel can
// not cut what was joined, the same datagrams go out one by one, and so do those of the next
// minute to that peer.
package udp

import (
	"fmt"
	"net/netip"
	"strings"
)

const (
	// BatchMax bounds the datagrams of one ReadBatch, and the messages of one system call: runs of
	// datagrams that the kernel carries in one piece, mostly of one.
	BatchMax = 64
	// BufferWanted is the size that is asked for the socket's receive and send buffer. A receive
	// buffer holds what arrives while the owner is busy: 4 MiB are 30 ms at 1 Gbit/s.
	BufferWanted = 4 << 20
)

// Stats counts what a Conn has done. Only the owner may ask for it.
type Stats struct {
	Received uint64 // datagrams returned by ReadBatch
	Sent     uint64 // datagrams that the kernel took
	// ReceivedJoined and SentJoined count those among them that crossed the kernel together with
	// others.
	ReceivedJoined, SentJoined uint64
	// Refused counts the runs that could not be sent in one piece.
	Refused uint64
	// Overflowed counts datagrams that the kernel dropped because the receive buffer was full.
	// Always 0 where the kernel does not tell.
	Overflowed uint64
	// Truncated counts received datagrams that were dropped for being longer than ours ever are,
	// and messages of the kernel that came without saying where to cut them.
	Truncated uint64
	// Lost counts datagrams that the kernel refused to send: no route, no permission, too long …
	Lost uint64
	// Blocked counts the times that WriteBatch stopped because the kernel's queue was full.
	Blocked uint64
}

// TooBig names a datagram that did not fit the link it was to leave by.
type TooBig struct {
	Addr netip.AddrPort
	Size int
}

// Buffers is what the kernel granted of BufferWanted, in bytes; 0 if it does not tell.
type Buffers struct{ Receive, Send int }

// Advice returns a sentence for the operator about each buffer that is smaller than wanted, or "".
func (b Buffers) Advice() string {
	var parts []string
	for _, buffer := range [...]struct {
		name, sysctl string
		got          int
	}{{"receive", receiveSysctl, b.Receive}, {"send", sendSysctl, b.Send}} {
		if buffer.got > 0 && buffer.got < BufferWanted {
			parts = append(parts, fmt.Sprintf("the UDP %s buffer is %d KiB instead of %d KiB, bursts may be lost; raise it with: sysctl -w %s=%d",
				buffer.name, buffer.got>>10, BufferWanted>>10, buffer.sysctl, BufferWanted))
		}
	}
	return strings.Join(parts, "; ")
}
