package loop

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"vrnode/frag/noise"
	"vrnode/frag/udp"
	"vrnode/internal/stack"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// Config is what Open needs to know.
type Config struct {
	// Self is the replica to run, which Peers must list, or 0 for a client of the group.
	Self uint64
	// Peers are the addresses, as host:port, of all replicas by their numbers.
	Peers map[uint64]string
	// Machine is the service of a replica.
	Machine vr.StateMachine
	// LogBytes is the memory for a replica's log, 0 for what is usual.
	LogBytes int
	// Keys are those of secure mode, none for plain mode. See noise.Check.
	Keys []noise.Key
	// SpoolDir is a directory for states that are being moved, "" for that of temporary files. In one
	// of its own a run finds what an earlier one has fetched.
	SpoolDir string
	// Spin is for how long to ask the socket again and again before sleeping; see udp.Conn.
	Spin time.Duration
	// Observe, if not nil, is called with every event but EventCommitted, ObserveTransfer with those of
	// the transfer of states, ObservePause with what checkpoints take; one at a time, by a goroutine that
	// may take its time.
	Observe         func(vr.Event)
	ObserveTransfer func(statexfer.Event)
	ObservePause    func(Pause)
}

// Open starts a loop on a socket of its own: a replica at its address in Peers, a client anywhere.
// Errors name the field that is wrong.
func Open(cfg Config) (*Loop, error) {
	replicas, err := resolve(cfg.Peers)
	if err != nil {
		return nil, err
	}
	if err := checkKeys(cfg.Keys); len(cfg.Keys) > 0 && err != nil {
		return nil, err
	}
	host := stack.Config{Self: wire.Peer(cfg.Self), Seed: random(), Replicas: replicas, LogBytes: cfg.LogBytes, Keys: cfg.Keys}
	_, _ = rand.Read(host.Entropy[:]) // never fails
	// A wall clock and 12 random bits: the one place where a run gets its name.
	host.Incarnation = vr.FreshIncarnation(uint64(time.Now().UnixMicro()), random(), 0)
	listen := anywhere(replicas)
	if cfg.Self == 0 {
		host.Self = wire.ClientPeer(random(), 0)
	} else if i := slices.IndexFunc(replicas, func(a stack.Address) bool { return a.ID == host.Self }); i >= 0 {
		listen = replicas[i].Addr
	} else {
		return nil, fmt.Errorf("ID: replica %d is not in Peers", cfg.Self)
	}
	files := &spools{dir: cfg.SpoolDir, self: host.Self, toDisk: toDisk, nearlyFull: nearlyFull}
	host.Spools = stack.Spools{Source: files.source, Target: files.target, Tail: files.tail, Ahead: readAhead}
	if cfg.SpoolDir != "" {
		if info, err := os.Stat(cfg.SpoolDir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("SpoolDir: %q is not a directory that can be used: %w", cfg.SpoolDir, cmp.Or(err, error(syscall.ENOTDIR)))
		}
	}
	var machine *timed
	if cfg.Machine != nil {
		machine = &timed{StateMachine: cfg.Machine}
		host.Machine = machine
	}
	conn, err := udp.Listen(listen)
	if err != nil {
		return nil, err
	}
	conn.Spin(cfg.Spin)
	return newLoop(conn, stack.New(host), machine, files, cfg.observer()), nil
}

// observer returns what takes all events, nil if nobody wants any.
func (cfg *Config) observer() func(event) {
	protocol, transfer, pause := cfg.Observe, cfg.ObserveTransfer, cfg.ObservePause
	if protocol == nil && transfer == nil && pause == nil {
		return nil
	}
	return func(e event) {
		switch {
		case e.pause != nil:
			if pause != nil {
				pause(*e.pause)
			}
		case e.transfer != nil:
			if transfer != nil {
				transfer(*e.transfer)
			}
		case protocol != nil:
			protocol(e.protocol)
		}
	}
}

func checkKeys(keys []noise.Key) error {
	if err := noise.Check(keys); err != nil {
		return fmt.Errorf("Keys: %w", err)
	}
	return nil
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.NativeEndian.Uint64(b[:])
}

// resolve looks the replicas up. They come in the order of their numbers, which is the same for
// everybody.
func resolve(peers map[uint64]string) ([]stack.Address, error) {
	if len(peers) == 0 || len(peers) > wire.MembersMax {
		return nil, fmt.Errorf("Peers: %d replicas, must be 1 to %d", len(peers), wire.MembersMax)
	}
	var replicas []stack.Address
	for id, hostPort := range peers {
		if !wire.Peer(id).IsReplica() {
			return nil, fmt.Errorf("Peers: replica %d, a number must be 1 to %d", id, wire.ReplicaMax)
		}
		addr, err := net.ResolveUDPAddr("udp", hostPort)
		if err != nil {
			return nil, fmt.Errorf("Peers: replica %d at %q: %w", id, hostPort, err)
		}
		a := netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
		if !a.Addr().IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
			return nil, fmt.Errorf("Peers: replica %d at %q: the others need a host and a port", id, hostPort)
		}
		for _, other := range replicas {
			low, high := min(id, uint64(other.ID)), max(id, uint64(other.ID))
			switch {
			case other.Addr == a:
				return nil, fmt.Errorf("Peers: replicas %d and %d are both at %v", low, high, a)
			case other.Addr.Addr().Is4() != a.Addr().Is4():
				return nil, fmt.Errorf("Peers: replicas %d and %d can not reach each other: one has an IPv4 address, one an IPv6 address", low, high)
			}
		}
		replicas = append(replicas, stack.Address{ID: wire.Peer(id), Addr: a})
	}
	slices.SortFunc(replicas, func(a, b stack.Address) int { return cmp.Compare(a.ID, b.ID) })
	return replicas, nil
}

// anywhere returns the wildcard address from which all replicas can be reached.
func anywhere(replicas []stack.Address) netip.AddrPort {
	if replicas[0].Addr.Addr().Is6() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}
