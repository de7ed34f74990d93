package udp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vrnode/wire"
)

func open(t *testing.T) *Conn {
	t.Helper()
	c, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// run returns count datagrams of size bytes, each of another content, that may be joined.
func run(to *Conn, count, size int) []wire.Datagram {
	batch := make([]wire.Datagram, count)
	for i := range batch {
		b := make([]byte, size)
		for j := range b {
			b[j] = byte(i)
		}
		batch[i] = wire.Datagram{Addr: to.LocalAddr(), Bytes: b, Joined: i > 0}
	}
	return batch
}

// expect receives exactly these datagrams, in their order.
func expect(t *testing.T, to *Conn, want []wire.Datagram) {
	t.Helper()
	for len(want) > 0 {
		to.Wait(10 * time.Second)
		got, err := to.ReadBatch()
		if err != nil || len(got) == 0 {
			t.Fatalf("%d datagrams did not come: %v", len(want), err)
		}
		for i, d := range got {
			if i >= len(want) || !slices.Equal(d.Bytes, want[i].Bytes) {
				t.Fatalf("got another datagram, of %d bytes, with %d still to come", len(d.Bytes), len(want))
			}
		}
		want = want[len(got):]
	}
	if got, _ := to.ReadBatch(); len(got) > 0 {
		t.Fatalf("%d datagrams too many", len(got))
	}
}

func TestRunOf(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1")
	joined := func(addr netip.AddrPort, sizes ...int) (batch []wire.Datagram) {
		for _, n := range sizes {
			batch = append(batch, wire.Datagram{Addr: addr, Bytes: make([]byte, n), Joined: true})
		}
		return batch
	}
	single := joined(a, 100, 100, 100)
	single[1].Joined = false
	for _, test := range []struct {
		name  string
		batch []wire.Datagram
		want  int
	}{
		{"one", joined(a, 100), 1},
		{"equal", joined(a, 100, 100, 100), 3},
		{"a shorter one is the last", joined(a, 100, 100, 99, 99), 3},
		{"a longer one begins another", joined(a, 100, 100, 101), 2},
		{"an empty one is no part of any", joined(a, 100, 0, 100), 1},
		{"the first is empty", joined(a, 0, 0), 1},
		{"another address", append(joined(a, 100, 100), joined(b, 100)...), 2},
		{"not to be joined", single, 1},
		{"many", joined(a, slices.Repeat([]int{100}, 200)...), runMax},
		{"large", joined(a, slices.Repeat([]int{1200}, 64)...), 54}, // 64800 bytes; one more were 66000
		{"as large as can be", joined(a, 32753, 32753, 1), 3},
		{"larger", joined(a, 32753, 32753, 2), 2},
	} {
		if n := runOf(test.batch, runMax); n != test.want {
			t.Errorf("%s: %d, want %d", test.name, n, test.want)
		}
	}
	if n := runOf(joined(a, 1, 1, 1, 1), 3); n != 3 {
		t.Errorf("limited to 3: %d", n)
	}
}

// TestGather: what lies together in memory is one piece.
func TestGather(t *testing.T) {
	memory := make([]byte, 400)
	batch := []wire.Datagram{{Bytes: memory[:100]}, {Bytes: memory[100:200]}, {Bytes: memory[300:400]}, {Bytes: memory[200:250]}}
	iovecs := make([]unix.Iovec, 4)
	n := gather(iovecs, batch)
	if n != 3 || iovecs[0].Len != 200 || iovecs[1].Base != &memory[300] || iovecs[2].Len != 50 {
		t.Errorf("%d pieces: %+v", n, iovecs)
	}
}

// TestStage: a run says where it is to be cut, in a control message that is padded and has the length
// of what is in it. What leaves alone says nothing, whatever was staged in its place before: there
// are kernels that fail for the rest of a control message.
func TestStage(t *testing.T) {
	from, to := open(t), open(t)
	from.joins = true
	for _, entries := range [][]int{{1, 5, 1}, {3, 1, 1}} { // of so many datagrams
		var batch []wire.Datagram
		for _, n := range entries {
			batch = append(batch, run(to, n, 100+len(batch))...)
		}
		if got := from.stage(batch, 0); got != len(entries) {
			t.Fatalf("%d entries, want %d", got, len(entries))
		}
		at := 0
		for i, n := range entries {
			h := &from.out.headers[i].Hdr
			control := unsafe.Slice(h.Control, h.Controllen)
			if n == 1 && (h.Control != nil || len(control) != 0) {
				t.Errorf("entry %d of %v: there is control data for one datagram", i, entries)
			}
			if n > 1 {
				m, err := unix.ParseSocketControlMessage(control)
				if err != nil || len(m) != 1 || len(control) != unix.CmsgSpace(2) ||
					m[0].Header.Level != unix.SOL_UDP || m[0].Header.Type != unix.UDP_SEGMENT ||
					len(m[0].Data) != 2 || int(binary.NativeEndian.Uint16(m[0].Data)) != len(batch[at].Bytes) {
					t.Errorf("entry %d of %v: %v %+v, %d bytes", i, entries, err, m, len(control))
				}
			}
			at += n
		}
	}
	from.joins = false // an old kernel
	if got := from.stage(run(to, 5, 100), 0); got != 5 {
		t.Errorf("%d entries where nothing can be joined", got)
	}
}

// TestRuns sends runs of every length, with tails of every kind, over a real socket.
func TestRuns(t *testing.T) {
	from, to := open(t), open(t)
	if !from.joins {
		t.Skip("needs a kernel that knows UDP_SEGMENT")
	}
	sent := 0
	for count := 1; count <= 2*runMax; count++ {
		batch := run(to, count, 500)
		batch[count-1].Bytes = batch[count-1].Bytes[:500-(count*37)%500] // 500 is one of them
		batch = append(batch, wire.Datagram{Addr: to.LocalAddr()}, wire.Datagram{Addr: to.LocalAddr(), Bytes: make([]byte, 700)})
		if err := from.WriteBatch(batch); err != nil {
			t.Fatal(err)
		}
		expect(t, to, batch)
		sent += len(batch)
	}
	f, r := from.Stats(), to.Stats()
	if f.Sent != uint64(sent) || r.Received != f.Sent || f.Lost+f.Refused != 0 || f.SentJoined < f.Sent*9/10 {
		t.Errorf("%d sent: %+v", sent, f)
	}
	if r.ReceivedJoined == 0 {
		t.Errorf("the loopback joins nothing: %+v", r)
	}
}

// A fault is what the kernel says to some calls of sendmmsg.
type fault struct {
	errno unix.Errno
	// of says whether it meets the first of these entries.
	of  func(h *unix.Mmsghdr) bool
	met int
}

func isRun(h *unix.Mmsghdr) bool { return h.Hdr.Controllen > 0 }
func always(*unix.Mmsghdr) bool  { return true }

// sendmmsg is the real one but for the fault, which ends a call early if it is not of the first entry.
func (f *fault) sendmmsg(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	n := slices.IndexFunc(headers, func(h unix.Mmsghdr) bool { return f.of(&h) })
	switch n {
	case 0:
		f.met++
		return 0, f.errno
	case -1:
		n = len(headers)
	}
	return sendmmsg(fd, headers[:n])
}

// TestRunsRefused: where runs can not be sent, the same datagrams go one by one, to that peer only,
// and a minute later runs are tried again.
func TestRunsRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.EINVAL} {
		from, bad, good := open(t), open(t), open(t)
		now := time.Now()
		badPort := bigEndian(bad.LocalAddr().Port())
		f := &fault{errno: errno, of: func(h *unix.Mmsghdr) bool {
			return isRun(h) && binary.NativeEndian.Uint16(unsafe.Slice(h.Hdr.Name, 4)[2:]) == badPort
		}}
		from.kernel.sendmmsg, from.kernel.now = f.sendmmsg, func() time.Time { return now }
		batch := slices.Concat(run(good, 10, 300), run(bad, 40, 300), run(good, 10, 300), run(bad, 3, 200))
		send := func() {
			if err := from.WriteBatch(batch); err != nil {
				t.Fatal(err)
			}
			expect(t, bad, slices.Concat(batch[10:50], batch[60:]))
			expect(t, good, slices.Concat(batch[:10], batch[50:60]))
		}
		send()
		if s := from.Stats(); f.met != 1 || s.Refused != 1 || s.Lost != 0 || s.SentJoined != 20 || s.Sent != 63 {
			t.Errorf("%v: met %d times: %+v", errno, f.met, s)
		}
		now = now.Add(apartFor - 1)
		send()
		if f.met != 1 {
			t.Errorf("%v: tried again within a minute", errno)
		}
		now = now.Add(1)
		send()
		if s := from.Stats(); f.met != 2 || s.Refused != 2 || s.Lost != 0 {
			t.Errorf("%v: a minute later: met %d times: %+v", errno, f.met, s)
		}
	}
}

// TestApartIsBounded: the address refused first makes room, and one that is refused again is there
// once.
func TestApartIsBounded(t *testing.T) {
	var a apart
	now := time.Now()
	addr := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i)) }
	for i := range apartMax + 1 {
		a.add(addr(i), now.Add(time.Duration(i)))
	}
	if len(a.addrs) != apartMax || a.has(addr(0)) || !a.has(addr(1)) {
		t.Errorf("%d addresses: %v", len(a.addrs), a.addrs)
	}
	a.add(addr(1), now.Add(time.Hour))
	a.expire(now.Add(apartFor + apartMax))
	if len(a.addrs) != 1 || !a.has(addr(1)) {
		t.Errorf("after a minute: %v", a.addrs)
	}
}

// TestTooBig: what does not fit is reported, and that the rest of a run goes. Kernels before 6.14 say
// EINVAL to a run of datagrams that do not fit; it is no reason not to send runs.
func TestTooBig(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMSGSIZE, unix.EINVAL} {
		from, to := open(t), open(t)
		calls := 0
		from.kernel.sendmmsg = func(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
			calls++
			switch first := &headers[0].Hdr; {
			case isRun(&headers[0]):
				return 0, errno
			case first.Iov.Len > 1000:
				return 0, unix.EMSGSIZE
			}
			return sendmmsg(fd, headers[:1])
		}
		batch := run(to, 4, 1100)
		batch[3].Bytes = batch[3].Bytes[:900]
		if err := from.WriteBatch(batch); err != nil {
			t.Fatal(err)
		}
		expect(t, to, batch[3:])
		want := TooBig{to.LocalAddr(), 1100}
		if got := from.TooBig(); !slices.Equal(got, []TooBig{want, want, want}) {
			t.Errorf("%v: %v", errno, got)
		}
		if s := from.Stats(); s.Lost != 3 || s.Sent != 1 || from.apart.any() {
			t.Errorf("%v: %+v, apart %v", errno, s, from.apart.addrs)
		}
		if err := from.WriteBatch(nil); err != nil || len(from.TooBig()) != 0 {
			t.Errorf("reported twice: %v", from.TooBig())
		}
	}
}

// TestNetworkErrorsAreLoss: what a network may do costs the datagrams that it met, and no others.
func TestNetworkErrorsAreLoss(t *testing.T) {
	for _, errno := range []unix.Errno{
		unix.EPERM, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ECONNREFUSED, unix.ENETDOWN, unix.EACCES, unix.EMSGSIZE, unix.EINVAL, unix.EIO,
	} {
		from, to := open(t), open(t)
		batch := run(to, 9, 100)
		for i := range batch {
			batch[i].Joined = false
		}
		calls := 0
		f := &fault{errno: errno, of: func(*unix.Mmsghdr) bool { calls++; return calls == 5 }}
		from.kernel.sendmmsg = func(fd int, headers []unix.Mmsghdr) (int, unix.Errno) { return f.sendmmsg(fd, headers[:1]) }
		if err := from.WriteBatch(batch); err != nil {
			t.Fatal(err)
		}
		expect(t, to, slices.Concat(batch[:4], batch[5:]))
		if s := from.Stats(); s.Lost != 1 || s.Sent != 8 {
			t.Errorf("%v: %+v", errno, s)
		}
	}
	// A run is one packet to the kernel.
	from, to := open(t), open(t)
	f := &fault{errno: unix.EPERM, of: isRun}
	from.kernel.sendmmsg = f.sendmmsg
	batch := append(run(to, 9, 100), run(to, 1, 200)...)
	if err := from.WriteBatch(batch); err != nil {
		t.Fatal(err)
	}
	expect(t, to, batch[9:])
	if s := from.Stats(); s.Lost != 9 || s.Sent != 1 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// TestPartialSends: the kernel may deal with any number of entries at a time, and be interrupted.
func TestPartialSends(t *testing.T) {
	for limit := 1; limit <= 5; limit++ {
		from, to := open(t), open(t)
		calls := 0
		from.kernel.sendmmsg = func(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
			if calls++; calls%3 == 0 {
				return 0, unix.EINTR
			}
			return sendmmsg(fd, headers[:min(limit, len(headers))])
		}
		var batch []wire.Datagram
		for i := range 30 {
			batch = append(batch, run(to, 1+i%5, 100+i)...)
		}
		if err := from.WriteBatch(batch); err != nil {
			t.Fatal(err)
		}
		expect(t, to, batch)
		if s := from.Stats(); s.Sent != uint64(len(batch)) || s.Lost != 0 || calls < 30/limit {
			t.Errorf("limit %d: %+v, %d calls", limit, s, calls)
		}
	}
}

// TestNoRoom: what the kernel has no room for goes out later, before what comes later.
func TestNoRoom(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM} {
		from, to := open(t), open(t)
		full := true
		f := &fault{errno: errno, of: func(*unix.Mmsghdr) bool { return full }}
		from.kernel.sendmmsg = f.sendmmsg
		first, second, third := run(to, 30, 1000), run(to, 30, 900), run(to, 30, 800)
		for _, batch := range [][]wire.Datagram{first, second} {
			if err := from.WriteBatch(batch); err != nil {
				t.Fatal(err)
			}
			clear(batch[0].Bytes) // the caller's memory is the caller's again
		}
		if from.Stats().Sent != 0 || from.Stats().Lost != 0 {
			t.Errorf("%v: %+v", errno, from.Stats())
		}
		from.Wait(time.Hour) // returns when it may be worth trying, not when the hour is over
		full = false
		if err := from.WriteBatch(third); err != nil {
			t.Fatal(err)
		}
		expect(t, to, slices.Concat(first, second, third))
		if s := from.Stats(); s.Sent != 90 || s.Lost != 0 || s.Blocked != uint64(f.met) || f.met == 0 {
			t.Errorf("%v: %+v", errno, s)
		}
		// The backlog is bounded; what exceeds it is lost.
		full = true
		for range 100 {
			if err := from.WriteBatch(first); err != nil {
				t.Fatal(err)
			}
		}
		kept := from.backlog.datagrams
		if s := from.Stats(); len(kept) == 0 || 1000*len(kept) > backlogBytesMax || s.Lost != uint64(3000-len(kept)) {
			t.Errorf("%v: %d are kept: %+v", errno, len(kept), s)
		}
	}
}

// TestBrokenSocket: some errors are not the network's.
func TestBrokenSocket(t *testing.T) {
	c := open(t)
	c.kernel.sendmmsg = (&fault{errno: unix.ENOTSOCK, of: always}).sendmmsg
	if err := c.WriteBatch(run(c, 1, 1)); err == nil {
		t.Error("no error")
	}
}

// A message is what recvmmsg returns.
type message struct {
	length  int
	flags   int
	size    int // of a segment; 0 if the kernel says nothing
	dropped uint32
}

// deliver makes the next ReadBatch find these messages, of bytes that count from 0.
func deliver(c *Conn, messages ...message) {
	c.kernel.recvmmsg = func(_ int, headers []unix.Mmsghdr) (int, unix.Errno) {
		for i, m := range messages {
			h := &headers[i]
			h.Len, h.Hdr.Flags = uint32(m.length), int32(m.flags)
			for j, b := 0, c.in.bytes(i); j < len(b); j++ {
				b[j] = byte(j)
			}
			putSockaddr(&c.in.names[i], c.family, netip.MustParseAddrPort("127.0.0.1:5"))
			control := c.in.controls[i][:0]
			if m.size != 0 {
				control = appendControl(control, unix.SOL_UDP, unix.UDP_GRO, uint32(m.size))
			}
			if m.dropped != 0 {
				control = appendControl(control, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, m.dropped)
			}
			h.Hdr.SetControllen(len(control))
		}
		n := len(messages)
		messages = nil
		if n == 0 {
			return 0, unix.EAGAIN
		}
		return n, 0
	}
}

func appendControl(b []byte, level, kind int32, value uint32) []byte {
	h := unix.Cmsghdr{Level: level, Type: kind}
	h.SetLen(unix.CmsgLen(4))
	at := len(b)
	b = append(b, unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofCmsghdr)...)
	b = binary.NativeEndian.AppendUint32(b, value)
	return append(b, make([]byte, unix.CmsgSpace(4)-(len(b)-at))...)
}

// TestCut: whatever number of datagrams the kernel joins, they come apart again.
func TestCut(t *testing.T) {
	for _, test := range []struct {
		message
		want []int // the sizes of the datagrams
	}{
		{message{length: 100}, []int{100}},
		{message{length: 0}, []int{0}},
		{message{length: 0, size: 100}, []int{0}},
		{message{length: 100, size: 100}, []int{100}},
		{message{length: 99, size: 100}, []int{99}},
		{message{length: 101, size: 100}, []int{100, 1}},
		{message{length: 300, size: -1}, []int{300}},
		{message{length: 128*500 + 1, size: 500}, append(slices.Repeat([]int{500}, 128), 1)},
		{message{length: 2000, size: 1}, slices.Repeat([]int{1}, 2000)},
		{message{length: wire.DatagramMax + 1}, nil},
		{message{length: 100, flags: unix.MSG_CTRUNC}, nil},
		{message{length: 100, flags: unix.MSG_TRUNC, size: 10}, nil},
	} {
		t.Run(fmt.Sprintf("%+v", test.message), func(t *testing.T) {
			c := open(t)
			deliver(c, message{length: 7}, test.message, message{length: 8})
			var got []int
			next := 0 // the byte that comes next of the message
			for {
				batch, err := c.ReadBatch()
				if err != nil || len(batch) > BatchMax {
					t.Fatalf("%d datagrams, %v", len(batch), err)
				}
				if len(batch) == 0 {
					break
				}
				for _, d := range batch {
					if n := len(got); n > 0 && n <= len(test.want) && len(d.Bytes) > 0 && d.Bytes[0] != byte(next) {
						t.Fatalf("datagram %d begins with %d, want %d", n, d.Bytes[0], byte(next))
					}
					if len(got) > 0 {
						next += len(d.Bytes)
					}
					got = append(got, len(d.Bytes))
				}
				if c.incoming.at < c.incoming.count {
					c.Wait(time.Hour) // not while there is more
				}
			}
			if want := slices.Concat([]int{7}, test.want, []int{8}); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			s := c.Stats()
			if dropped := test.want == nil; s.Received != uint64(len(got)) || s.Truncated != map[bool]uint64{true: 1}[dropped] {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestOverflowWraps: the kernel's counter has 32 bits, ours has not.
func TestOverflowWraps(t *testing.T) {
	c := open(t)
	for i, test := range []struct {
		dropped uint32
		want    uint64
	}{{10, 10}, {10, 10}, {1<<32 - 5, 1<<32 - 5}, {7, 1<<32 + 7}} {
		deliver(c, message{length: 200, size: 100, dropped: test.dropped})
		if batch, err := c.ReadBatch(); len(batch) != 2 || err != nil {
			t.Fatalf("%d datagrams, %v", len(batch), err)
		}
		if n := c.Stats().Overflowed; n != test.want {
			t.Errorf("%d: %d were dropped, want %d", i, n, test.want)
		}
	}
}
