// Package udp is a UDP socket that moves datagrams in batches and sleeps until the next deadline
// to the microsecond.
//
// A Conn belongs to one goroutine, which should call OwnThread before anything else. Only Wake may
// be called by others. On Linux a batch is one system call (recvmmsg, sendmmsg); elsewhere package
// net does the work with the same behaviour.
//
// UDP promises nothing, and so does WriteBatch: whatever keeps a datagram from leaving is counted
// and otherwise left to package frag, whose business is loss.
package udp

import "fmt"

const (
	// BatchMax bounds the datagrams of one ReadBatch and of one system call of WriteBatch.
	BatchMax = 64
	// BufferWanted is the size that is asked for the socket's receive and send buffer. A receive
	// buffer holds what arrives while the owner is busy: 4 MiB are 30 ms at 1 Gbit/s.
	BufferWanted = 4 << 20
	// bufferSize is more than wire.DatagramMax, so that longer datagrams can be told.
	bufferSize = 2 << 10
)

// Stats counts what a Conn has done. Only the owner may ask for it.
type Stats struct {
	Received uint64 // datagrams returned by ReadBatch
	Sent     uint64 // datagrams that the kernel took
	// Overflowed counts datagrams that the kernel dropped because the receive buffer was full.
	// Always 0 where the kernel does not tell.
	Overflowed uint64
	// Truncated counts received datagrams that were dropped for being longer than ours ever are.
	Truncated uint64
	// Lost counts datagrams that the kernel refused to send: no route, no permission, too long …
	Lost uint64
	// Blocked counts the times that WriteBatch stopped because the kernel's queue was full.
	Blocked uint64
}

// Buffers is what the kernel granted of BufferWanted, in bytes; 0 if it does not tell.
type Buffers struct{ Receive, Send int }

// Advice returns a sentence for the operator if a buffer is smaller than wanted, or "".
func (b Buffers) Advice() string {
	name, got, sysctl := "receive", b.Receive, receiveSysctl
	if got == 0 || got >= BufferWanted {
		name, got, sysctl = "send", b.Send, sendSysctl
	}
	if got == 0 || got >= BufferWanted {
		return ""
	}
	return fmt.Sprintf("the UDP %s buffer is %d KiB instead of %d KiB, bursts may be lost; raise it with: sysctl -w %s=%d",
		name, got>>10, BufferWanted>>10, sysctl, BufferWanted)
}
