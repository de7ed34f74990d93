package tc

import (
	"fmt"
	"strconv"
	"strings"

	"vrnode/netem/link"
)

// handle is the major number of our root qdisc on a real interface, leaf and inner are those of
// what hangs in it. Whatever else is at the root is not ours and stays.
const (
	handle = "7652"
	leaf   = "7653"
	inner  = "7654"
)

// An Interface is one of a real host. What leaves it over IPv4 from or to the UDP ports is
// impaired; everything else, such as ssh, passes by.
type Interface struct {
	Dev         string
	First, Last uint16 // the ports
	settings    link.Settings
	attached    attached
}

// nameMax is the length of the longest name of an interface in Linux.
const nameMax = 15

// Check tells why the interface must not be touched, after the output of Show, or nil.
func (i *Interface) Check(qdiscs []Qdisc) error {
	if !plainName(i.Dev) {
		return fmt.Errorf("%q is no name of an interface", i.Dev)
	}
	if i.First == 0 || i.Last < i.First {
		return fmt.Errorf("%d-%d is no range of ports", i.First, i.Last)
	}
	if q, is := foreign(i.Dev, qdiscs); is {
		return fmt.Errorf("%s has a root qdisc of somebody else, %s %s; it is theirs to remove", i.Dev, q.Kind, q.Handle)
	}
	return nil
}

// plainName tells whether a name of an interface can be part of that of a table. Linux allows more.
func plainName(dev string) bool {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	return dev != "" && len(dev) <= nameMax && dev[0] != '.' && dev[0] != '-' && strings.TrimFunc(dev, plain) == ""
}

// table is the name of our nft table for the interface.
func (i *Interface) table() string { return prefix + "-" + i.Dev }

// Marked returns the devices that have a root qdisc of ours, given what ShowAll prints.
func Marked(qdiscs []Qdisc) []string {
	var out []string
	for _, q := range qdiscs {
		if q.Root && strings.EqualFold(q.Handle, handle+":") {
			out = append(out, q.Dev)
		}
	}
	return out
}

// ShowAll returns the command whose output Marked wants.
func ShowAll() Command { return words("tc -j qdisc show") }

// MarkedTables returns the devices that have an nft table of ours, given what ListTables prints.
func MarkedTables(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if dev, is := strings.CutPrefix(strings.TrimSpace(line), "table ip "+prefix+"-"); is {
			out = append(out, dev)
		}
	}
	return out
}

// ListTables returns the command whose output MarkedTables wants.
func ListTables() Command { return words("nft list tables") }

// Show returns the command whose output Check wants.
func (i *Interface) Show() Command { return words("tc -s -j qdisc show dev " + i.Dev) }

// Up returns the commands that put our root qdisc there and send the ports' traffic through a
// class of its own. Write the commands of Down into a journal before the first of them.
func (i *Interface) Up() []Command {
	dev := "dev " + i.Dev
	// The rates are beyond any device: htb is here for its classes, which most kernels have.
	out := []Command{
		words("tc qdisc add " + dev + " root handle " + handle + ": htb default 1"),
		words("tc class add " + dev + " parent " + handle + ": classid " + handle + ":1 htb rate 100gbit quantum 60000"),
		words("tc class add " + dev + " parent " + handle + ": classid " + handle + ":2 htb rate 100gbit quantum 60000"),
	}
	for _, field := range []string{"sport", "dport"} {
		for _, m := range masks(i.First, i.Last) {
			out = append(out, words(fmt.Sprintf("tc filter add %s parent %s: protocol ip prio 1 u32 match ip protocol 17 0xff match ip %s %d 0x%04x flowid %s:2",
				dev, handle, field, m.port, m.mask, handle)))
		}
	}
	return append(out,
		words("nft add table ip "+i.table()),
		words("nft add chain ip "+i.table()+" in", "{ type filter hook prerouting priority raw; }"))
}

// Set returns the commands that give the ports' traffic another impairment. What is Down, or too
// long for an MTU, is lost on the way in, and the rest of the settings are for the way out, since
// that is what Linux can do on one host alone.
func (i *Interface) Set(s link.Settings) []Command {
	was := i.settings
	i.settings = s
	var out []Command
	if was.Down != s.Down || was.MTU != s.MTU {
		ports := fmt.Sprintf("iifname %s udp dport %d-%d", i.Dev, i.First, i.Last)
		out = append(out, words("nft flush chain ip "+i.table()+" in"))
		if s.Down {
			out = append(out, words("nft add rule ip "+i.table()+" in "+ports+" counter drop"))
		}
		if s.MTU > 0 {
			out = append(out, words("nft add rule ip "+i.table()+" in "+ports+" ip length > "+strconv.Itoa(s.MTU)+" counter drop"))
		}
	}
	if !sameQdisc(was, s) {
		p := place{[]string{"tc"}, i.Dev, []string{"parent", handle + ":2"}, leaf, inner}
		out = append(out, p.change(&i.attached, s)...)
	}
	return out
}

// Down returns the commands that undo those of Up and Set. They name our handle and our table, so
// that they remove nothing else, and each may fail if there is nothing to undo.
func (i *Interface) Down() []Command {
	return []Command{
		words("tc qdisc delete dev " + i.Dev + " root handle " + handle + ":"),
		words("nft delete table ip " + i.table()),
	}
}

// A portMask matches the ports that are equal to port where mask has ones.
type portMask struct{ port, mask uint16 }

// masks returns the fewest masks that cover a range of ports.
func masks(first, last uint16) []portMask {
	var out []portMask
	for at, end := uint32(first), uint32(last); at <= end; {
		size := uint32(1)
		for at%(2*size) == 0 && at+2*size-1 <= end && size < 1<<15 {
			size *= 2
		}
		out = append(out, portMask{uint16(at), uint16(-size)})
		at += size
	}
	return out
}
