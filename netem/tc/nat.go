package tc

import (
	"encoding/json"
	"errors"
	"fmt"

	"vrnode/netem/scenario"
)

// natTable is the table by which a site has another port than its own.
const natTable = prefix + "-nat"

// Rebind returns the command that gives a site another port than it has had, as a NAT in front of it
// does that has forgotten its table. It may be given again, for yet another port, until Release.
//
// The other port differs from the site's own in some bits, so that nothing has to be known of a
// client's but which it has used since: only what comes to the other port of one of those gets in. A
// replica's own stays open, and so does everything between the site and the observer, and the port of
// those who measure the links.
func (l *Lab) Rebind(s scenario.Site) Command {
	l.rebound++
	open := fmt.Sprint(ProbePort)
	if int(s) <= l.replicas {
		open = fmt.Sprintf("{ %d, %d }", ReplicaPort, ProbePort)
	}
	// With these it is in no case the port of a replica or a probe.
	bits := 0x4000 + l.rebound%0x1000
	return l.Exec(s, "nft", fmt.Sprintf("table ip %s; delete table ip %[1]s; table ip %[1]s {"+
		" set used { type inet_service; flags dynamic; size 65535; };"+
		" chain out { type filter hook output priority raw;"+
		" ip daddr %[2]v accept;"+
		" udp sport %[3]d accept;"+
		" add @used { udp sport };"+
		" udp sport set udp sport ^ %#[4]x; };"+
		" chain in { type filter hook prerouting priority raw;"+
		" ip saddr %[2]v accept;"+
		" ip protocol != udp accept;"+
		" udp dport %[5]s accept;"+
		" udp dport set udp dport ^ %#[4]x;"+
		" udp dport @used counter accept;"+
		" drop; }; }", natTable, l.Addr(Observer), ProbePort, bits, open))
}

// Release returns the command that gives a site its own port again.
func (l *Lab) Release(s scenario.Site) Command {
	return l.Exec(s, "nft", "delete", "table", "ip", natTable)
}

// Followed returns the command that prints, for ParseFollowed, how many datagrams have come to the
// other port of a site.
func (l *Lab) Followed(s scenario.Site) Command {
	return l.Exec(s, "nft", "-j", "list", "table", "ip", natTable)
}

// ParseFollowed reads the output of the command that Followed returns.
func ParseFollowed(text []byte) (datagrams int, err error) {
	var out struct {
		Nftables []struct {
			Rule struct {
				Expr []struct {
					Counter *struct{ Packets int }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return 0, fmt.Errorf("nft list table: %w", err)
	}
	for _, it := range out.Nftables {
		for _, e := range it.Rule.Expr {
			if e.Counter != nil {
				return e.Counter.Packets, nil
			}
		}
	}
	return 0, errors.New("nft list table: nobody counts what comes to the other port")
}
