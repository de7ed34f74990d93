package kernel

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/tc"
)

// A surveyor sends probes along every direction and notes what becomes of them. One goroutine wakes
// up at every tick, sends what is due and reads what has come. How late it wakes up does not matter:
// what arrives has been stamped by the kernel, and what was held up while it was sent has no time.
type surveyor struct {
	posts    map[scenario.Site]*post
	lanes    map[scenario.Direction]*lane
	numbered []*lane // by the number in a probe's name

	stop chan struct{}
	done chan struct{}
	mu   sync.Mutex // guards the ledgers and the pace
	tick int
	seen time.Duration // when arrivals were read last
}

// A lane is one direction and its books.
type lane struct {
	ledger
	number   uint16
	from     *post
	to       unix.SockaddrInet4
	fromMAC  net.HardwareAddr
	toMAC    net.HardwareAddr
	next     int // the tick at which a probe is due
	interval int // ticks
}

const (
	// tickTime is how often the surveyor wakes up, and the time between two probes of a direction
	// at least.
	tickTime = 20 * time.Millisecond
	// probesPerTick bounds the probes of all directions together, 500 a second: those of a group
	// of three with four clients are sent 16 times a second. More would take an emulated machine
	// from the group that it is about.
	probesPerTick = 10
	// rateShare is the share of a bottleneck that probes take at most.
	rateShare = 0.02
	// heldUp is how long sending may take if the time of it is to be believed.
	heldUp = time.Millisecond
)

// newSurveyor opens sockets at every site and begins.
func newSurveyor(lab *tc.Lab, replicas, clients int) (*surveyor, error) {
	v := &surveyor{
		posts: make(map[scenario.Site]*post), lanes: make(map[scenario.Direction]*lane),
		stop: make(chan struct{}), done: make(chan struct{}), seen: now(),
	}
	sites := scenario.Site(replicas + clients)
	for s := scenario.Site(1); s <= sites; s++ {
		err := within(lab.Namespace(s), func() (err error) {
			v.posts[s], err = openPost()
			return err
		})
		if err != nil {
			v.closePosts()
			return nil, err
		}
	}
	for a := scenario.Site(1); a <= sites; a++ {
		for b := scenario.Site(1); b <= sites; b++ {
			if a != b && min(a, b) <= scenario.Site(replicas) {
				d := scenario.Direction{From: a, To: b}
				l := &lane{
					number: uint16(len(v.numbered)), from: v.posts[a],
					to:      unix.SockaddrInet4{Port: tc.ProbePort, Addr: lab.Addr(b).As4()},
					fromMAC: lab.MAC(d), toMAC: lab.MAC(scenario.Direction{From: b, To: a}),
				}
				l.spans = []span{{begin: now()}}
				v.lanes[d] = l
				v.numbered = append(v.numbered, l)
			}
		}
	}
	for i, l := range v.numbered {
		l.next = i / probesPerTick
		v.pace(l)
	}
	go v.work()
	return v, nil
}

// pace finds out how often a lane's probes are sent: as often as all together may, and the
// bottleneck bears.
func (v *surveyor) pace(l *lane) {
	l.interval = (len(v.numbered) + probesPerTick - 1) / probesPerTick
	s := &l.spans[len(l.spans)-1].settings
	if s.Rate.Bits > 0 {
		bits := 8 * (probeMin + etherSize)
		if long := lengthOver(s); long > 0 {
			bits = 8 * (long + etherSize)
		}
		apart := time.Duration(float64(bits) / (rateShare * float64(s.Rate.Bits)) * float64(time.Second))
		l.interval = max(l.interval, int(apart/tickTime)+1)
	}
}

// lengthOver is the length of an IP packet that is too long for an MTU, 0 if the devices do not
// carry such a packet anyway.
func lengthOver(s *link.Settings) int {
	if s.MTU == 0 || s.MTU >= frameMax {
		return 0
	}
	return s.MTU + 1
}

func (v *surveyor) work() {
	defer close(v.done)
	ticks := time.NewTicker(tickTime)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			v.mu.Lock()
			v.turn()
			v.mu.Unlock()
		case <-v.stop:
			return
		}
	}
}

// turn is one tick.
func (v *surveyor) turn() {
	for _, l := range v.numbered {
		if l.next <= v.tick {
			l.next = v.tick + l.interval
			l.send()
		}
	}
	v.tick++
	v.read()
}

// read takes what has come.
func (v *surveyor) read() {
	began := now()
	for _, p := range v.posts {
		p.arrivals(v.arrived)
		p.deliveries(v.delivered)
	}
	v.seen = began
}

// send sends the next probe. Where there is an MTU, every other one is too long for it.
func (l *lane) send() {
	if len(l.probes) == probesMax {
		return
	}
	s := &l.spans[len(l.spans)-1].settings
	length := probeMin
	if long := lengthOver(s); long > 0 && len(l.probes)%2 == 1 {
		length = long
	}
	var buffer [frameMax]byte
	datagram := appendProbe(buffer[:0], name{l.number, uint32(len(l.probes))}, length)
	sent := now()
	if unix.Sendto(l.from.udp, datagram, 0, &l.to) != nil {
		return
	}
	l.probes = append(l.probes, probe{sent: sent, ipLength: uint16(length), timed: now()-sent < heldUp})
}

// find returns the probe of a name, if there is one.
func (v *surveyor) find(n name) (*lane, *probe) {
	if int(n.lane) >= len(v.numbered) {
		return nil, nil
	}
	l := v.numbered[n.lane]
	if int(n.number) >= len(l.probes) {
		return nil, nil
	}
	return l, &l.probes[n.number]
}

// arrived notes a frame that has come to a device.
func (v *surveyor) arrived(frame []byte, at time.Duration) {
	if len(frame) < payloadAt {
		return
	}
	n, ok := parsePayload(frame[payloadAt:])
	l, p := v.find(n)
	if !ok || p == nil {
		return
	}
	p.copies++
	if p.copies == 1 || at < p.arrived {
		p.arrived = at
	}
	if !intact(frame, n, l.fromMAC, l.toMAC) {
		p.corrupted++
	}
}

// delivered notes a datagram that has come to the socket.
func (v *surveyor) delivered(datagram []byte) {
	n, ok := parsePayload(datagram)
	if _, p := v.find(n); ok && p != nil {
		p.delivered++
	}
}

// settings are those that a direction was asked for last.
func (v *surveyor) settings(d scenario.Direction) link.Settings {
	v.mu.Lock()
	defer v.mu.Unlock()
	spans := v.lanes[d].spans
	return spans[len(spans)-1].settings
}

// set ends a span, at whose end the qdiscs were as given, and begins the next.
func (v *surveyor) set(d scenario.Direction, after []tc.Qdisc, next span) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.lanes[d]
	last := &l.spans[len(l.spans)-1]
	last.end, last.after = next.asked, after
	l.spans = append(l.spans, next)
	v.pace(l)
	l.next = min(l.next, v.tick+l.interval)
}

// measure returns what was done in each span. The last ends, for this time, at a time of a moment ago,
// after which the qdiscs were as given.
func (v *surveyor) measure(d scenario.Direction, until time.Duration, after []tc.Qdisc) []link.Counters {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.read()
	l := v.lanes[d]
	last := &l.spans[len(l.spans)-1]
	last.end, last.after = min(until, v.seen), after
	var out []link.Counters
	for i := range l.spans {
		out = append(out, l.measure(&l.spans[i]))
	}
	return out
}

func (v *surveyor) close() {
	close(v.stop)
	<-v.done
	v.closePosts()
}

func (v *surveyor) closePosts() {
	for _, p := range v.posts {
		p.close()
	}
}

// A post is the surveyor's sockets at a site.
type post struct {
	udp int // sends probes, and receives what gets through the filters
	tap int // sees the frames of probes when they come to a device
}

// openPost opens sockets in the namespace that the thread is in.
func openPost() (*post, error) {
	p := &post{-1, -1}
	if err := errors.Join(p.openUDP(), p.openTap()); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// socketBuffer is asked for. What finds no room in it would look like a loss.
const socketBuffer = 4 << 20

func (p *post) openUDP() (err error) {
	if p.udp, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	enlarge(p.udp)
	return errors.Join(
		unix.SetsockoptInt(p.udp, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1),
		unix.Bind(p.udp, &unix.SockaddrInet4{Port: tc.ProbePort}))
}

func (p *post) openTap() (err error) {
	// Protocol 0 is none: the tap sees nothing until it is bound, when its filter is there.
	if p.tap, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	enlarge(p.tap)
	return errors.Join(
		unix.SetsockoptInt(p.tap, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(p.tap, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptSockFprog(p.tap, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter()),
		unix.Bind(p.tap, &unix.SockaddrLinklayer{Protocol: allProtocols}))
}

// allProtocols is ETH_P_ALL in the order of the network.
const allProtocols = uint16(unix.ETH_P_ALL)<<8&0xff00 | unix.ETH_P_ALL>>8

// enlarge gives a socket as much of a buffer as it may have.
func enlarge(fd int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	}
}

// filter accepts frames in which one of the two names of a probe begins as it should.
func filter() *unix.SockFprog {
	const whole = 1 << 16
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: payloadAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nameMagic, Jt: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: payloadAt + nameSize},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nameMagic, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: whole},
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// arrivals reads the frames that the tap has seen.
func (p *post) arrivals(take func(frame []byte, at time.Duration)) {
	var buffer [etherSize + frameMax]byte
	var control [64]byte
	for {
		n, c, _, _, err := unix.Recvmsg(p.tap, buffer[:], control[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		take(buffer[:n], stamp(control[:c]))
	}
}

// deliveries reads the datagrams that the socket has received. Errors are those that the network
// has sent back for a probe.
func (p *post) deliveries(take func(datagram []byte)) {
	var buffer [frameMax]byte
	for {
		n, _, err := unix.Recvfrom(p.udp, buffer[:], 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBADF) {
			return
		}
		if err == nil {
			take(buffer[:n])
		}
	}
}

// stamp returns when the kernel has received what it gave with such a control message.
func stamp(control []byte) time.Duration {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Type != unix.SCM_TIMESTAMPNS {
			continue
		}
		var t unix.Timespec
		if _, err := binary.Decode(m.Data, binary.NativeEndian, &t); err == nil {
			return time.Duration(t.Nano())
		}
	}
	return 0
}

func (p *post) close() {
	for _, fd := range []int{p.udp, p.tap} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
