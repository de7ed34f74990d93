package kernel

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"vrnode/frag"
	"vrnode/frag/udp"
	"vrnode/internal/fragtest"
	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/wire"
)

// These are the cases of the transport's black-box suite that want a kernel; the map of all is in
// frag/blackbox_test.go. Nothing in them is measured in time.

// A pair is two ends of the transport, at the two replicas of a network.
type pair struct {
	*probation
	ends [2]*fragtest.End

	mu sync.Mutex
	// got counts by the number of the message; bulk is how many bytes of lane 3 have come.
	got  map[uint64]int
	bulk int
	// before is what bulk was when a small message came.
	before map[uint64]int
}

// small is the length of messages that are not bulk.
const small = 64

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{probation: newProbation(t), got: map[uint64]int{}, before: map[uint64]int{}}
	peers := p.network.Peers(0)
	var replicas []frag.Address
	for id := range uint64(2) {
		replicas = append(replicas, frag.Address{ID: wire.Peer(id + 1), Addr: netip.MustParseAddrPort(peers[id+1])})
	}
	for i, r := range replicas {
		var conn *udp.Conn
		if err := p.network.Within(scenario.Site(i+1), func() (err error) { conn, err = udp.Listen(r.Addr); return err }); err != nil {
			t.Fatal(err)
		}
		cfg := frag.Config{Self: r.ID, Incarnation: 1, Seed: uint64(i + 1), Replicas: replicas}
		p.ends[i] = fragtest.Start(conn, cfg, fragtest.Hooks{Got: p.take})
	}
	t.Cleanup(func() {
		for _, n := range p.ends {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	p.send(0, 0, small)
	fragtest.Until(t, "session", func() bool { return p.arrived(0) })
	return p
}

func (p *pair) take(_ wire.Peer, m []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := binary.LittleEndian.Uint64(m)
	p.got[number]++
	if len(m) == small {
		p.before[number] = p.bulk
	} else {
		p.bulk += len(m)
	}
}

func (p *pair) arrived(number uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[number] > 0
}

// send queues a message from the first end to the second, and tells whether there was room. No message
// can be compressed.
func (p *pair) send(lane frag.Lane, number uint64, size int) bool {
	m := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(m)
	binary.LittleEndian.PutUint64(m, number)
	return p.ends[0].Send(2, lane, m)
}

// finish waits until messages first to last have arrived, and sends again what went with a session. It
// looks that none arrived twice in one.
func (p *pair) finish(first, last uint64, size int) {
	p.Helper()
	for number := first; number <= last; number++ {
		fragtest.Until(p, fmt.Sprint("message ", number), func() bool {
			if p.ends[0].Peer(2).Queued == 0 && !p.arrived(number) {
				p.send(3, number, size)
			}
			return p.arrived(number)
		})
	}
	most := int(p.ends[0].Peer(2).Sessions)
	p.mu.Lock()
	defer p.mu.Unlock()
	for number, times := range p.got {
		if times > most {
			p.Errorf("message %d was delivered %d times in %d sessions", number, times, most)
		}
	}
}

// TestCase04MTUInAKernel: the MTU of an interface is changed, and packets over a length vanish, while
// mebibytes are under way.
func TestCase04MTUInAKernel(t *testing.T) {
	needsRoot(t)
	interfaces := func(mtu int) func(p *pair) {
		return func(p *pair) {
			sh(t, fmt.Sprintf("ip -n vrlab-r1 link set to-r2 mtu %d && ip -n vrlab-r2 link set to-r1 mtu %d", mtu, mtu))
		}
	}
	hole := func(mtu int) func(p *pair) { return func(p *pair) { p.set(link.Settings{MTU: mtu}) } }
	for _, c := range []struct {
		name  string
		steps []func(p *pair)
	}{
		{"interfaces of 9000, 1400, 1500", []func(*pair){interfaces(9000), interfaces(1400), interfaces(1500)}},
		{"a black hole from 1300 on", []func(*pair){interfaces(9000), hole(1300), hole(1300)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			const each, size = 4, 1 << 20
			number := uint64(0)
			for _, step := range c.steps {
				// The step comes when the first of four messages is there and the others are under way.
				for range each {
					number++
					fragtest.Until(t, "room", func() bool { return p.send(3, number, size) })
				}
				fragtest.Until(t, "first message", func() bool { return p.arrived(number-each+1) || p.ends[0].Peer(2).Sessions > 1 })
				step(p)
				p.finish(number-each+1, number, size)
			}
		})
	}
}

// TestCase05PriorityInAKernel: through a slow bottleneck, small messages overtake the bulk that waits
// in the sender.
func TestCase05PriorityInAKernel(t *testing.T) {
	needsRoot(t)
	p := newPair(t)
	p.set(link.Settings{Rate: link.Rate{Bits: 100_000_000, Queue: 500_000}})
	const size = 256 << 10
	number := uint64(0)
	var overtaken []int
	for range 30 {
		for p.send(3, number+1, size) { // until the queue is full: 16 MiB
			number++
		}
		p.mu.Lock()
		bulk := p.bulk
		p.mu.Unlock()
		number++
		p.send(0, number, small)
		fragtest.Until(t, "small message", func() bool { return p.arrived(number) || p.ends[0].Peer(2).Sessions > 1 })
		p.mu.Lock()
		overtaken = append(overtaken, p.before[number]-bulk)
		p.mu.Unlock()
	}
	slices.Sort(overtaken)
	t.Logf("bytes of bulk before a small message: %d", overtaken)
	// The bottleneck holds half a mebibyte and the socket of the receiver four more.
	if half := overtaken[len(overtaken)/2]; half > 6<<20 {
		t.Errorf("half of the small messages came behind %d bytes of bulk", half)
	}
	if p.bulk == 0 {
		t.Error("bulk starves")
	}
}

// TestCase09ErrorsOfAKernel: the kernel of the sender refuses what it sends, for every reason that can
// be had for the asking. When it does not any more, what was refused arrives.
func TestCase09ErrorsOfAKernel(t *testing.T) {
	needsRoot(t)
	p := newPair(t)
	number := uint64(0)
	to := p.ends[1].Addr.Addr()
	for _, c := range []struct{ name, do, undo string }{
		{"EPERM", "ip netns exec vrlab-r1 nft 'add table ip fault; add chain ip fault out { type filter hook output priority 0; }; add rule ip fault out udp dport 7000 drop'",
			"ip netns exec vrlab-r1 nft delete table ip fault"},
		{"EHOSTUNREACH", fmt.Sprintf("ip -n vrlab-r1 rule add to %v unreachable pref 1", to), "ip -n vrlab-r1 rule del pref 1"},
		{"EACCES", fmt.Sprintf("ip -n vrlab-r1 rule add to %v prohibit pref 1", to), "ip -n vrlab-r1 rule del pref 1"},
		{"EINVAL", fmt.Sprintf("ip -n vrlab-r1 rule add to %v blackhole pref 1", to), "ip -n vrlab-r1 rule del pref 1"},
		{"EMSGSIZE", "ip -n vrlab-r1 link set to-r2 mtu 1000", "ip -n vrlab-r1 link set to-r2 mtu 1500"},
	} {
		first := number + 1
		for range 10 {
			number++
			p.send(frag.Lane(number%frag.LanesMax), number, 5000)
		}
		p.finish(first, number, 5000)
		sh(t, c.do)
		first, lost := number+1, p.ends[0].Socket().Lost
		for range 10 {
			number++
			p.send(frag.Lane(number%frag.LanesMax), number, 5000)
		}
		fragtest.Until(t, c.name, func() bool { return p.ends[0].Socket().Lost > lost })
		sh(t, c.undo)
		p.finish(first, number, 5000)
	}
}
