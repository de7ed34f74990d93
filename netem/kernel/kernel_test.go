package kernel

import (
	"net"
	"slices"
	"testing"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/tc"
)

const ms = time.Millisecond

// frame is a probe on the wire.
func frame(n name, ipLength int, from, to net.HardwareAddr) []byte {
	f := append(append([]byte{}, to...), from...)
	f = append(f, 8, 0)
	ip := []byte{0x45, 0, byte(ipLength >> 8), byte(ipLength), 7, 7, 0x40, 0, 64, 17, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2}
	sum := ^checksum(ip)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	udp := []byte{tc.ProbePort >> 8, tc.ProbePort & 0xff, tc.ProbePort >> 8, tc.ProbePort & 0xff, byte((ipLength - ipSize) >> 8), byte(ipLength - ipSize), 0, 0}
	return appendProbe(append(append(f, ip...), udp...), n, ipLength)
}

// TestFlips: whichever bit of a probe is flipped on its way, it is known for what it was, and for
// damaged.
func TestFlips(t *testing.T) {
	from, to := net.HardwareAddr{2, 0, 0, 0, 1, 2}, net.HardwareAddr{2, 0, 0, 0, 2, 1}
	want := name{300, 70_000}
	for _, length := range []int{probeMin, 901} {
		whole := frame(want, length, from, to)
		if n, ok := parsePayload(whole[payloadAt:]); !ok || n != want || !intact(whole, n, from, to) {
			t.Fatalf("%d bytes: a whole probe is read as %v, %t", length, n, ok)
		}
		for bit := range 8 * len(whole) {
			f := append([]byte{}, whole...)
			f[bit/8] ^= 1 << (bit % 8)
			if n, ok := parsePayload(f[payloadAt:]); !ok || n != want {
				t.Fatalf("%d bytes, bit %d: read as %v, %t", length, bit, n, ok)
			}
			if intact(f, want, from, to) {
				t.Fatalf("%d bytes, bit %d: a flip is not seen", length, bit)
			}
		}
	}
	for _, cut := range []int{0, 1, payloadAt - 1} {
		if intact(frame(want, probeMin, from, to)[:cut], want, from, to) {
			t.Errorf("%d bytes are intact", cut)
		}
	}
}

// TestLedger: what became of probes, and what follows from that.
func TestLedger(t *testing.T) {
	got := func(p probe) probe { p.timed = true; return p }
	arrives := got(probe{arrived: 5 * ms, copies: 1, delivered: 1})
	filtered := got(probe{arrived: 5 * ms, copies: 1})
	lost := got(probe{})
	twice := got(probe{arrived: 5 * ms, copies: 2, delivered: 2})
	damaged := got(probe{arrived: 5 * ms, copies: 1, corrupted: 1})
	long := got(probe{arrived: 5 * ms, copies: 1, delivered: 1, ipLength: 901})
	longCut := got(probe{arrived: 5 * ms, copies: 1, ipLength: 901})
	rate := link.Rate{Bits: 1_000_000, Queue: 2000}
	for _, c := range []struct {
		what       string
		settings   link.Settings
		probe      probe
		after      []tc.Qdisc
		counts     func(c *link.Counters) uint64
		deviations int
	}{
		{"nothing", link.Settings{}, arrives, nil, func(c *link.Counters) uint64 { return c.Delivered }, 0},
		{"a loss that was not asked for", link.Settings{}, lost, nil, func(c *link.Counters) uint64 { return c.Lost[link.LostRandom] }, 1},
		{"a filter that was not asked for", link.Settings{}, filtered, nil, func(c *link.Counters) uint64 { return c.Lost[link.LostRandom] }, 1},
		{"a cut", link.Settings{Down: true}, filtered, nil, func(c *link.Counters) uint64 { return c.Lost[link.LostDown] }, 0},
		{"a cut that does not", link.Settings{Down: true}, arrives, nil, func(c *link.Counters) uint64 { return c.Delivered }, 1},
		{"a copy", link.Settings{}, twice, nil, func(c *link.Counters) uint64 { return c.Duplicated }, 1},
		{"copies", link.Settings{Duplicate: 1}, twice, nil, func(c *link.Counters) uint64 { return c.Duplicated }, 0},
		{"no copies", link.Settings{Duplicate: 1}, arrives, nil, func(c *link.Counters) uint64 { return c.Delivered }, 1},
		{"damage", link.Settings{Corrupt: 1}, damaged, nil, func(c *link.Counters) uint64 { return c.Corrupted }, 0},
		{"damage that was not asked for", link.Settings{}, damaged, nil, func(c *link.Counters) uint64 { return c.Corrupted }, 1},
		{"an MTU", link.Settings{MTU: 900}, longCut, nil, func(c *link.Counters) uint64 { return c.Lost[link.LostTooLong] }, 0},
		{"an MTU that is none", link.Settings{MTU: 900}, long, nil, func(c *link.Counters) uint64 { return c.Escaped }, 1},
		{"a delay", link.Settings{Delay: link.Delay{Mean: 5 * ms}}, arrives, nil, func(c *link.Counters) uint64 { return c.Delays.Count }, 0},
		{"too short a delay", link.Settings{Delay: link.Delay{Mean: 6 * ms}}, arrives, nil, func(c *link.Counters) uint64 { return c.Delays.Count }, 1},
		{"a rate", link.Settings{Rate: rate}, arrives, []tc.Qdisc{{Kind: "tbf", Packets: 150}}, func(c *link.Counters) uint64 { return c.Delivered }, 0},
		{"a full queue", link.Settings{Rate: rate}, lost, []tc.Qdisc{{Kind: "tbf", Packets: 10, Drops: 200}}, func(c *link.Counters) uint64 { return c.Lost[link.LostQueue] }, 0},
		{"a rate that is none", link.Settings{Rate: rate}, arrives, nil, func(c *link.Counters) uint64 { return c.Escaped }, 1},
		{"a loss before a bottleneck", link.Settings{Rate: rate}, lost, []tc.Qdisc{{Kind: "netem", Drops: 100}, {Kind: "tbf"}}, func(c *link.Counters) uint64 { return c.Lost[link.LostRandom] }, 1},
		{"ahead", link.Settings{Delay: link.Delay{Mean: 10 * ms}, Reorder: 0.5}, arrives, []tc.Qdisc{{Kind: "netem", Packets: 1000, Requeues: 500}}, func(c *link.Counters) uint64 { return 2 * c.Ahead }, 0},
		{"not ahead", link.Settings{Delay: link.Delay{Mean: 10 * ms}, Reorder: 0.5}, arrives, []tc.Qdisc{{Kind: "netem", Packets: 1000}}, func(c *link.Counters) uint64 { return c.Delivered }, 1},
	} {
		const n = 100
		s := span{settings: c.settings, begin: 10 * time.Second, end: 20 * time.Second, after: c.after}
		var l ledger
		for i := range n {
			p := c.probe
			if p.ipLength == 0 {
				p.ipLength = probeMin
			}
			p.sent = s.begin + time.Duration(i)*20*ms
			if p.copies > 0 {
				p.arrived += p.sent
			}
			l.probes = append(l.probes, p)
		}
		counters := l.measure(&s)
		if counters.Offered != n || c.counts(&counters) != n {
			t.Errorf("%s: %+v", c.what, counters.Lost)
		}
		if d := c.settings.Deviations(&counters, Slack); len(d) != c.deviations {
			t.Errorf("%s: deviations %v, want %d", c.what, d, c.deviations)
		}
	}
}

// TestEdges: a probe that was under way when the settings changed tells nothing.
func TestEdges(t *testing.T) {
	l := ledger{probes: []probe{
		{sent: 990 * ms, ipLength: probeMin}, // before the commands had ended
		{sent: 1000 * ms, ipLength: probeMin},
		{sent: 1900 * ms, ipLength: probeMin}, // would have arrived after the next had begun
	}}
	s := span{settings: link.Settings{Down: true, Delay: link.Delay{Mean: 200 * ms}}, begin: 1000 * ms, end: 2000 * ms}
	if c := l.measure(&s); c.Offered != 1 {
		t.Errorf("%d probes tell something, want 1", c.Offered)
	}
}

func TestCanDo(t *testing.T) {
	without := func(missing ...string) scenario.Capabilities {
		return CanDo(func(what string) bool {
			return !slices.Contains(missing, what)
		})
	}
	for _, c := range []struct{ missing, want string }{
		{"", "delay loss duplicate reorder corrupt rate mtu partition one-way pause crash keys rebind"},
		{"netem", "rate mtu partition one-way pause crash keys rebind"},
		{"tbf", "delay loss duplicate reorder corrupt mtu partition one-way pause crash keys rebind"},
		{"nftables", ""},
		{"ip", ""},
	} {
		if got := without(c.missing).String(); got != c.want {
			t.Errorf("without %s it can do %s, want %s", c.missing, got, c.want)
		}
	}
}
