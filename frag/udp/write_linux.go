package udp

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"vrnode/wire"
)

const (
	// runMax bounds the datagrams of a run, and runBytesMax their bytes. Newer kernels take more
	// of them, none more bytes.
	runMax      = 64
	runBytesMax = 65507
	// iovecsMax bounds the pieces of memory of one system call.
	iovecsMax = 1024
)

// An outVector is the kernel's view of datagrams to send. An entry is a run of them, often of one:
// to the same address, all of one size but the last, which may be shorter. The kernel carries a
// run through its layers in one piece and cuts it as late as it can, or leaves it to the network
// card (UDP_SEGMENT).
type outVector struct {
	headers  [BatchMax]unix.Mmsghdr
	names    [BatchMax]unix.RawSockaddrInet6
	controls [BatchMax]segmentSize
	counts   [BatchMax]int // datagrams of the entry
	iovecs   [iovecsMax]unix.Iovec
}

// segmentSize is the control message that tells where to cut.
type segmentSize struct {
	header unix.Cmsghdr
	size   uint16
	_      [6]byte // up to the alignment of another one
}

func newOutVector() *outVector {
	v := new(outVector)
	for i := range v.headers {
		v.headers[i].Hdr.Name = (*byte)(unsafe.Pointer(&v.names[i]))
		c := &v.controls[i].header
		c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
	}
	return v
}

// stage makes entries of the first datagrams of batch and returns their number. The first alone
// datagrams are not joined with others.
func (c *Conn) stage(batch []wire.Datagram, alone int) (entries int) {
	v, iovecs, at := c.out, 0, 0
	for at < len(batch) && entries < BatchMax && iovecs < iovecsMax {
		size, ok := putSockaddr(&v.names[entries], c.family, batch[at].Addr)
		if !ok {
			break
		}
		run := 1
		if at >= alone && c.joins && !c.apart.has(batch[at].Addr) {
			run = runOf(batch[at:], min(runMax, iovecsMax-iovecs))
		}
		h := &v.headers[entries].Hdr
		h.Namelen = size
		h.Iov = &v.iovecs[iovecs]
		pieces := gather(v.iovecs[iovecs:], batch[at:at+run])
		h.SetIovlen(pieces)
		// The control message is left out if there is nothing to cut: some kernels mind.
		h.Control = nil
		h.SetControllen(0)
		if run > 1 {
			v.controls[entries].size = uint16(len(batch[at].Bytes))
			h.Control = (*byte)(unsafe.Pointer(&v.controls[entries]))
			h.SetControllen(unix.CmsgSpace(2))
		}
		v.counts[entries] = run
		iovecs += pieces
		at += run
		entries++
	}
	return entries
}

// runOf returns how many datagrams at the beginning of batch make a run, at most limit.
func runOf(batch []wire.Datagram, limit int) int {
	first := &batch[0]
	size := len(first.Bytes)
	total := size
	for n := 1; n < min(limit, len(batch)); n++ {
		d := &batch[n]
		total += len(d.Bytes)
		if !d.Joined || len(d.Bytes) == 0 || len(d.Bytes) > size || total > runBytesMax || d.Addr != first.Addr {
			return n
		}
		if len(d.Bytes) < size {
			return n + 1
		}
	}
	return min(limit, len(batch))
}

// gather points iovecs to the bytes of a run and returns how many it took. Datagrams that lie one
// behind the other in memory need only one.
func gather(iovecs []unix.Iovec, run []wire.Datagram) (n int) {
	end := uintptr(0)
	for i := range run {
		b := run[i].Bytes
		begin := unsafe.SliceData(b)
		if n > 0 && uintptr(unsafe.Pointer(begin)) == end {
			iovecs[n-1].SetLen(int(iovecs[n-1].Len) + len(b))
		} else {
			iovecs[n].Base = begin
			iovecs[n].SetLen(len(b))
			n++
		}
		end = uintptr(unsafe.Pointer(begin)) + uintptr(len(b))
	}
	return n
}

// WriteBatch sends datagrams, in their order. What the kernel has no room for now is kept and goes
// out before the next batch; Wait sees to it that there is one in time. An error means that the
// socket is of no more use.
func (c *Conn) WriteBatch(batch []wire.Datagram) error {
	c.tooBig = c.tooBig[:0]
	if c.apart.any() {
		c.apart.expire(c.kernel.now())
	}
	if c.backlog.any() {
		done, err := c.send(c.backlog.datagrams)
		if err != nil {
			return err
		}
		c.backlog.drop(done)
	}
	done := 0
	if !c.backlog.any() {
		var err error
		if done, err = c.send(batch); err != nil {
			return err
		}
	}
	kept := c.backlog.keep(batch[done:])
	c.stats.Lost += uint64(len(batch) - done - kept)
	return nil
}

// send returns how many datagrams it is done with; fewer than all if the kernel has no room.
func (c *Conn) send(batch []wire.Datagram) (done int, err error) {
	defer runtime.KeepAlive(batch) // an iovec may span several datagrams and hold only the first
	c.blocked = 0
	alone := 0 // so many of the next datagrams must not be joined
	for done < len(batch) {
		entries := c.stage(batch[done:], alone)
		if entries == 0 {
			// An address of the other family: this socket has no route to it.
			c.stats.Lost++
			done++
			continue
		}
		n, e := c.kernel.sendmmsg(c.fd, c.out.headers[:entries])
		if e == 0 {
			sent := c.sent(n)
			done += sent
			alone = max(alone-sent, 0)
			continue
		}
		run := c.out.counts[0]
		first := batch[done]
		switch {
		case e == unix.EINTR:
		case e == unix.EAGAIN || e == unix.ENOBUFS || e == unix.ENOMEM:
			c.stats.Blocked++
			c.blocked = e
			return done, nil
		case fatal(e) != nil:
			return done, fatal(e)
		case run > 1 && (e == unix.EIO || e == unix.EINVAL):
			c.stats.Refused++
			c.apart.add(first.Addr, c.kernel.now())
			alone = run
		case run > 1 && e == unix.EMSGSIZE:
			alone = run // those of them that fit still go
		default:
			if e == unix.EMSGSIZE {
				c.onTooBig(first, alone > 0)
			}
			c.stats.Lost += uint64(run)
			done += run
			alone = max(alone-run, 0)
		}
	}
	return done, nil
}

// sent counts the first n entries and returns how many datagrams they are.
func (c *Conn) sent(n int) (datagrams int) {
	for _, run := range c.out.counts[:n] {
		datagrams += run
		if run > 1 {
			c.stats.SentJoined += uint64(run)
		}
	}
	c.stats.Sent += uint64(datagrams)
	return datagrams
}

// onTooBig notes that a datagram does not fit the path. If it was part of a run before, that was
// why an older kernel has refused the run, and not that it can not join.
func (c *Conn) onTooBig(d wire.Datagram, wasJoined bool) {
	if len(c.tooBig) < cap(c.tooBig) {
		c.tooBig = append(c.tooBig, TooBig{d.Addr, len(d.Bytes)})
	}
	if wasJoined {
		c.apart.remove(d.Addr)
	}
}

// TooBig returns which datagrams of the last WriteBatch did not fit the path's first link, at most
// BatchMax of them. They count as lost. The answer is valid until the next WriteBatch.
func (c *Conn) TooBig() []TooBig { return c.tooBig }

// backlogBytesMax bounds the bytes of the datagrams that wait for the kernel, and backlogMax their
// number. What exceeds either is lost.
const (
	backlogBytesMax = 1 << 20
	backlogMax      = 4096
)

// A backlog is a queue of copies of datagrams. Its memory is taken back when it is empty.
type backlog struct {
	datagrams []wire.Datagram
	bytes     []byte
}

func (b *backlog) any() bool { return len(b.datagrams) > 0 }

// keep appends the first datagrams of batch, as many as there is room for, and returns their number.
func (b *backlog) keep(batch []wire.Datagram) int {
	for i, d := range batch {
		if b.bytes == nil {
			b.bytes = make([]byte, 0, backlogBytesMax)
		}
		at := len(b.bytes)
		if len(b.datagrams) == backlogMax || at+len(d.Bytes) > cap(b.bytes) {
			return i
		}
		b.bytes = append(b.bytes, d.Bytes...)
		d.Bytes = b.bytes[at:]
		b.datagrams = append(b.datagrams, d)
	}
	return len(batch)
}

// drop removes the first n datagrams.
func (b *backlog) drop(n int) {
	b.datagrams = b.datagrams[:copy(b.datagrams, b.datagrams[n:])]
	if len(b.datagrams) == 0 {
		b.bytes = b.bytes[:0]
	}
}
