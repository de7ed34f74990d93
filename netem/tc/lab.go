package tc

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
)

// A Lab is a network for the sites of a scenario. Each site is a namespace, and each pair of sites
// that talk is joined by a link of its own, so that the qdisc at either end impairs one direction
// and its counters are those of one direction. (With a bridge, a qdisc for each neighbour would
// have to hang in one tree; many kernels refuse to duplicate where a tree holds several netems.)
//
// Site 0 is an observer with a link to every replica. No scenario names it, so that nothing impairs
// its links: from there one sees how replicas are, whatever they suffer.
//
// A Lab remembers what it has asked for. It is not safe for concurrent use.
type Lab struct {
	replicas, clients int
	directions        map[scenario.Direction]*direction
	rebound           int // times that a site was given another port
}

type direction struct {
	settings link.Settings
	attached attached
}

const (
	// ReplicaPort is the port of every replica.
	ReplicaPort = 7000
	// ProbePort is the port, at every site, of those who measure what the links do.
	ProbePort = 7001
)

// prefix begins the name of everything that a Lab makes.
const prefix = "vrlab"

// NewLab returns the commands' author for so many sites.
func NewLab(replicas, clients int) *Lab {
	return &Lab{replicas: replicas, clients: clients, directions: make(map[scenario.Direction]*direction)}
}

// Observer is the site from which all replicas can be seen.
const Observer scenario.Site = 0

// Name returns the short name of a site: r1 is replica 1, c1 the first client.
func (l *Lab) Name(s scenario.Site) string {
	switch {
	case s == Observer:
		return "observer"
	case int(s) <= l.replicas:
		return "r" + strconv.Itoa(int(s))
	}
	return "c" + strconv.Itoa(int(s)-l.replicas)
}

// Namespace returns the name of a site's network namespace.
func (l *Lab) Namespace(s scenario.Site) string { return prefix + "-" + l.Name(s) }

// Addr returns the address of a site. It is the same on all its links.
func (l *Lab) Addr(s scenario.Site) netip.Addr {
	if s == Observer {
		return netip.AddrFrom4([4]byte{10, 77, 1, 1})
	}
	return netip.AddrFrom4([4]byte{10, 77, 0, byte(s)})
}

// Device returns the name of a link's end in the namespace of the sender of a direction.
func (l *Lab) Device(d scenario.Direction) string { return "to-" + l.Name(d.To) }

// Exec returns the command that runs a program in the namespace of a site.
func (l *Lab) Exec(s scenario.Site, argv ...string) Command {
	return words("ip netns exec "+l.Namespace(s), argv...)
}

// Show returns the command that prints the qdiscs of all directions from a site and their counters,
// for ParseQdiscs.
func (l *Lab) Show(from scenario.Site) Command {
	return words(fmt.Sprintf("tc -n %s -s -j qdisc show", l.Namespace(from)))
}

// Up returns the commands that make the network, with perfect links. They leave nothing outside
// the namespaces that they make, and Down takes those away.
func (l *Lab) Up() []Command {
	var out []Command
	run := func(format string, args ...any) { out = append(out, words(fmt.Sprintf(format, args...))) }
	sites := scenario.Site(l.replicas + l.clients)
	for s := Observer; s <= sites; s++ {
		run("ip netns add %s", l.Namespace(s))
		run("ip -n %s link set dev lo up", l.Namespace(s))
		run("ip -n %s address add %v/32 dev lo", l.Namespace(s), l.Addr(s))
		out = append(out, l.Exec(s, "nft", filter))
	}
	for a := Observer; a <= scenario.Site(l.replicas); a++ {
		for b := a + 1; b <= sites; b++ {
			if a != Observer || int(b) <= l.replicas {
				out = append(out, l.join(a, b)...)
			}
		}
	}
	return out
}

// filter is the table by which a site goes deaf: to the senders in the set cut, and to the long
// packets of the senders in the set long. It is at the receiver because there a sender does not
// notice.
const filter = "table ip " + prefix + " {" +
	" set cut { type ipv4_addr; };" +
	" set long { typeof ip saddr . ip length; flags interval; };" +
	" chain in { type filter hook prerouting priority raw;" +
	" ip saddr @cut counter drop;" +
	" ip saddr . ip length @long counter drop; }; }"

// join returns the commands that link two sites. Neighbours are told to each other, and IPv6 is
// silent, so that nothing but the sites' own datagrams meets the impairments and is counted; and
// no packet is longer than a frame, so that each datagram is lost or delayed by itself.
func (l *Lab) join(a, b scenario.Site) []Command {
	ab, ba := scenario.Direction{From: a, To: b}, scenario.Direction{From: b, To: a}
	out := []Command{words(fmt.Sprintf("ip link add %s netns %s address %v type veth peer name %s netns %s address %v",
		l.Device(ab), l.Namespace(a), l.MAC(ab), l.Device(ba), l.Namespace(b), l.MAC(ba)))}
	for _, d := range []scenario.Direction{ab, ba} {
		ns, dev := l.Namespace(d.From), l.Device(d)
		out = append(out,
			words(fmt.Sprintf("ip -n %s link set dev %s addrgenmode none mtu 1500 gso_max_segs 1 up", ns, dev)),
			words(fmt.Sprintf("ip -n %s neighbour add %v lladdr %v dev %s nud permanent", ns, l.Addr(d.To), l.MAC(scenario.Direction{From: d.To, To: d.From}), dev)),
			words(fmt.Sprintf("ip -n %s route add %v/32 dev %s src %v", ns, l.Addr(d.To), dev, l.Addr(d.From))))
	}
	return out
}

// MAC returns the hardware address of the sender's end of a direction.
func (l *Lab) MAC(d scenario.Direction) net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, 0, byte(d.From), byte(d.To)}
}

// Set returns the commands that make directions do what they are asked to. They may be run at any
// time after those of Up, in the order in which they were asked for.
func (l *Lab) Set(changed ...scenario.Changed) []Command {
	var remove, add elements
	var qdiscs []Command
	for _, c := range changed {
		d, s := c.Direction, c.Settings
		state := l.directions[d]
		if state == nil {
			state = &direction{}
			l.directions[d] = state
		}
		was := state.settings
		state.settings = s
		switch sender := l.Addr(d.From).String(); {
		case s.Down && !was.Down:
			add.put(d.To, "cut", sender)
		case was.Down && !s.Down:
			remove.put(d.To, "cut", sender)
		}
		if was.MTU != s.MTU {
			if was.MTU > 0 && was.MTU < mtuMax {
				remove.put(d.To, "long", l.longer(d, was.MTU))
			}
			if s.MTU > 0 && s.MTU < mtuMax {
				add.put(d.To, "long", l.longer(d, s.MTU))
			}
		}
		if !sameQdisc(was, s) {
			p := place{words("tc -n " + l.Namespace(d.From)), l.Device(d), []string{"root"}, "1", "10"}
			qdiscs = append(qdiscs, p.change(&state.attached, s)...)
		}
	}
	return slices.Concat(l.nft("delete", remove), l.nft("add", add), qdiscs)
}

// elements are those of the sets of all receivers that one Set adds, or removes. A slow machine
// takes long to start a program, so those of one set at one receiver share a command.
type elements []element

type element struct {
	at   scenario.Site
	set  string
	what []string
}

func (e *elements) put(at scenario.Site, set, what string) {
	for i := range *e {
		if it := &(*e)[i]; it.at == at && it.set == set {
			it.what = append(it.what, what)
			return
		}
	}
	*e = append(*e, element{at, set, []string{what}})
}

func (l *Lab) nft(verb string, e elements) []Command {
	var out []Command
	for _, it := range e {
		out = append(out, l.Exec(it.at, words("nft "+verb+" element ip "+prefix+" "+it.set, "{ "+strings.Join(it.what, ", ")+" }")...))
	}
	return out
}

// mtuMax is the length of the longest IPv4 packet.
const mtuMax = 65535

// longer returns the element of the set long that stands for packets over an MTU.
func (l *Lab) longer(d scenario.Direction, mtu int) string {
	return fmt.Sprintf("%v . %d-%d", l.Addr(d.From), mtu+1, mtuMax)
}

// sameQdisc tells whether settings differ in what nft does alone.
func sameQdisc(a, b link.Settings) bool {
	a.Down, a.MTU, b.Down, b.MTU = false, 0, false, 0
	return a == b
}

// Down returns the commands that take the network away. With a namespace goes all that is in it,
// except processes: those must have ended. Each command may fail if Up did not get that far.
func (l *Lab) Down() []Command {
	var out []Command
	for s := Observer; s <= scenario.Site(l.replicas+l.clients); s++ {
		out = append(out, words("ip netns delete "+l.Namespace(s)))
	}
	return out
}

// Modules are the kernel modules behind the commands of this package.
func Modules() []string {
	return []string{"veth", "sch_netem", "sch_tbf", "sch_htb", "cls_u32", "nf_tables"}
}
