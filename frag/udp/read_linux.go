package udp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"vrnode/wire"
)

const (
	// messageSize is more than any message of the kernel: what it joins never exceeds it, and a
	// smaller buffer would lose the rest.
	messageSize = 64 << 10
	// inControlSize is room for the two control messages that we ask for: the segment size and
	// the drop counter.
	inControlSize = 64
)

// An inVector is the kernel's view of a batch of messages to receive: a header for each, and what
// it points to. It is allocated once and lives on the heap, where its parts keep their addresses.
type inVector struct {
	headers  [BatchMax]unix.Mmsghdr
	iovecs   [BatchMax]unix.Iovec
	names    [BatchMax]unix.RawSockaddrInet6
	controls [BatchMax][inControlSize]byte
	buffers  []byte
}

// newInVector gives each header a buffer of its own. Memory that no datagram ever reaches is never
// touched and costs nothing.
func newInVector() *inVector {
	v := &inVector{buffers: make([]byte, BatchMax*messageSize)}
	for i := range v.headers {
		v.iovecs[i].Base = &v.buffers[i*messageSize]
		v.iovecs[i].SetLen(messageSize)
		h := &v.headers[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&v.names[i]))
		h.Iov = &v.iovecs[i]
		h.SetIovlen(1)
		h.Control = &v.controls[i][0]
	}
	v.rearm(BatchMax)
	return v
}

// rearm restores what recvmmsg overwrote in the first n headers.
func (v *inVector) rearm(n int) {
	for i := range n {
		h := &v.headers[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(inControlSize)
		h.Flags = 0
	}
}

func (v *inVector) bytes(i int) []byte {
	return v.buffers[i*messageSize:][:v.headers[i].Len:messageSize]
}

// total returns the bytes of the first n messages.
func (v *inVector) total(n int) (bytes int) {
	for i := range n {
		bytes += int(v.headers[i].Len)
	}
	return bytes
}

// An incoming is what the kernel has delivered and ReadBatch has not handed out.
type incoming struct {
	at, count int // messages of the vector
	// The message in hand, from which datagrams of so many bytes are cut; the last is what is left.
	started bool
	from    netip.AddrPort
	rest    []byte
	size    int
}

// ReadBatch returns the datagrams that have arrived, at most BatchMax. If they are fewer, there
// are no more, or the next call will return them, or they came after the last Wait. They are valid
// until the next call. An error means that the socket is of no more use.
func (c *Conn) ReadBatch() ([]wire.Datagram, error) {
	batch := c.datagrams[:0]
	if c.incoming.at == c.incoming.count {
		if err := c.receive(); err != nil {
			return nil, err
		}
	}
	for len(batch) < BatchMax && c.incoming.at < c.incoming.count {
		if d, ok := c.cut(); ok {
			batch = append(batch, d)
		}
	}
	c.stats.Received += uint64(len(batch))
	return batch, nil
}

// receive asks the kernel for messages.
func (c *Conn) receive() error {
	c.in.rearm(c.incoming.count)
	c.incoming = incoming{}
	if c.quiet {
		c.quiet = false
		return nil
	}
	n, e := c.kernel.recvmmsg(c.fd, c.in.headers[:])
	if e != 0 {
		return fatal(e)
	}
	c.incoming.count = n
	if n > 0 {
		c.bulk.arrived(c.in.total(n))
	}
	return nil
}

// cut returns the next datagram of the message in hand, and says false if it is of no use.
func (c *Conn) cut() (wire.Datagram, bool) {
	in := &c.incoming
	if !in.started && !c.open(in) {
		in.at++
		return wire.Datagram{}, false
	}
	size := min(in.size, len(in.rest))
	d := wire.Datagram{Addr: in.from, Bytes: in.rest[:size:size]}
	if in.rest = in.rest[size:]; len(in.rest) == 0 {
		in.started = false
		in.at++
	}
	if size > wire.DatagramMax {
		c.stats.Truncated++
		return wire.Datagram{}, false
	}
	return d, true
}

// open takes the next message in hand.
func (c *Conn) open(in *incoming) bool {
	h := &c.in.headers[in.at]
	in.rest = c.in.bytes(in.at)
	in.size = max(len(in.rest), 1)
	if size := c.readControl(c.in.controls[in.at][:h.Hdr.Controllen]); size > 0 {
		in.size = size
	}
	if h.Hdr.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		// Without the control message nobody knows where a datagram ends.
		c.stats.Truncated++
		return false
	}
	if len(in.rest) > in.size {
		c.stats.ReceivedJoined += uint64((len(in.rest) + in.size - 1) / in.size)
	}
	in.from = sockaddr(&c.in.names[in.at])
	in.started = true
	return true
}

// readControl returns the size of the datagrams in a message, 0 if it is one, and counts what the
// kernel has dropped before it. That counter is cumulative and wraps.
func (c *Conn) readControl(control []byte) (size int) {
	for len(control) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		switch {
		case header.Level == unix.SOL_UDP && header.Type == unix.UDP_GRO && len(data) >= 4:
			size = int(int32(binary.NativeEndian.Uint32(data)))
		case header.Level == unix.SOL_SOCKET && header.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			total := binary.NativeEndian.Uint32(data)
			c.stats.Overflowed += uint64(total - c.dropped)
			c.dropped = total
		}
		control = rest
	}
	return size
}
