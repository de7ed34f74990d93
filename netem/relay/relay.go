package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"vrnode/internal/ports"
	"vrnode/netem/link"
	"vrnode/netem/scenario"
)

// A Relay is a network with replicas and clients on it. Its methods may be called by many
// goroutines at a time.
type Relay struct {
	replicas int
	sites    []*site // by number; 0 is the observer, who has no links
	lanes    map[scenario.Direction]*lane
	began    time.Time
	wheel    wheel

	rules  ruleBook
	closed atomic.Bool
	ends   sync.WaitGroup
}

// A site is a process, or the client of one.
type site struct {
	// addr is where a replica listens. A client's is learned from what it sends.
	addr atomic.Pointer[netip.AddrPort]
	// peers are its addresses for the replicas.
	peers map[uint64]string
}

// socketBuffer is asked for on both sides of every port. A relay that is too slow would lose what
// nobody asked it to lose.
const socketBuffer = 4 << 20

// New opens a network, on which links are perfect.
func New(replicas, clients int, seed uint64) (*Relay, error) {
	r := &Relay{replicas: replicas, lanes: make(map[scenario.Direction]*lane), began: time.Now()}
	r.wheel.init()
	for range 1 + replicas + clients {
		r.sites = append(r.sites, &site{peers: make(map[uint64]string)})
	}
	err := r.open(seed)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	for d, l := range r.lanes {
		r.ends.Go(func() { r.forward(d, l, l.port) })
	}
	r.ends.Go(r.deliver)
	return r, nil
}

// open finds addresses for the replicas, and opens the ports.
func (r *Relay) open(seed uint64) error {
	addresses, err := ports.Replicas(r.replicas)
	if err != nil {
		return err
	}
	for n, address := range addresses {
		addr := netip.MustParseAddrPort(address)
		r.sites[n].addr.Store(&addr)
		r.sites[n].peers[n] = address
		r.sites[0].peers[n] = address
	}
	for a := 1; a < len(r.sites); a++ {
		for b := 1; b < len(r.sites); b++ {
			if a == b || a > r.replicas && b > r.replicas {
				continue
			}
			conn, err := listen()
			if err != nil {
				return err
			}
			d := scenario.Direction{From: scenario.Site(a), To: scenario.Site(b)}
			r.lanes[d] = newLane(conn, seed+uint64(a)<<16+uint64(b))
			if b <= r.replicas {
				r.sites[a].peers[uint64(b)] = conn.LocalAddr().String()
			}
		}
	}
	for d, l := range r.lanes {
		l.back = r.lanes[scenario.Direction{From: d.To, To: d.From}]
		l.forwards = int(d.To) <= r.replicas
	}
	return nil
}

func listen() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	// The kernel gives as much as it may.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	return conn, nil
}

// Name is what people call it.
func (r *Relay) Name() string { return "relay" }

// CanDo returns what a relay is able to do, which is everything.
func CanDo() scenario.Capabilities { return scenario.CanAll }

// CanDo returns what a relay is able to do.
func (r *Relay) CanDo() scenario.Capabilities { return CanDo() }

// Slack is how much later than asked for most deliveries may be: timers are coarse, and the machine
// is shared with the processes.
func (r *Relay) Slack() time.Duration { return 10 * time.Millisecond }

// Peers are the addresses under which a site reaches the replicas.
func (r *Relay) Peers(s scenario.Site) map[uint64]string { return r.sites[s].peers }

// Command makes a command that runs at a site; here all of them are on this machine.
func (r *Relay) Command(_ scenario.Site, path string, args ...string) *exec.Cmd {
	return exec.Command(path, args...)
}

// Within calls a function that opens sockets of a site.
func (r *Relay) Within(_ scenario.Site, do func() error) error { return do() }

// Set gives directions new settings.
func (r *Relay) Set(changed ...scenario.Changed) error {
	for _, c := range changed {
		l := r.lanes[c.Direction]
		if l == nil {
			return fmt.Errorf("there is no link from %d to %d", c.From, c.To)
		}
		l.set(time.Since(r.began), c.Settings)
	}
	return nil
}

// Measure returns what a direction has done before the first Set, and since each, and how much later
// than they should datagrams were sent on.
func (r *Relay) Measure(d scenario.Direction) (done []link.Counters, late []link.Histogram) {
	if l := r.lanes[d]; l != nil {
		return l.measure()
	}
	return nil, nil
}

// Close closes all sockets. What is under way is gone.
func (r *Relay) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	for _, l := range r.lanes {
		l.port.Close()
		l.nat.close()
	}
	r.wheel.close()
	r.ends.Wait()
	return nil
}
