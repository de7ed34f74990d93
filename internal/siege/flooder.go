package siege

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"vrnode/internal/flood"
	"vrnode/wire"
)

const (
	// strangers are the sockets from which a Flooder sends whatever a flood.Attacker makes. They answer
	// nothing, as addresses that are made up.
	strangers = 24
	// outsiders are those of clients that nobody has invited.
	outsiders = 72
	// burst is how many datagrams a socket sends before the next one does.
	burst = 8
)

// A Flooder sends to replicas as fast as one goroutine can, from many sockets.
type Flooder struct {
	sources []*source
	report  Report
	mu      sync.Mutex // of attackers
	readers sync.WaitGroup
}

// A Report is what a Flooder has sent and got.
type Report struct {
	Sent      uint64 `json:"sent"` // datagrams
	SentBytes uint64 `json:"sent_bytes"`
	// BackBytes came back, from nobody asked for.
	BackBytes uint64 `json:"back_bytes"`
	// Amplified is the most that came back to an unproven address per byte that was sent from there.
	Amplified float64 `json:"amplified"`
	// Sessions are those that outsiders got.
	Sessions int `json:"sessions"`
}

// A source is a socket, and the replica that it sends to.
type source struct {
	conn     *net.UDPConn
	to       netip.AddrPort
	attacker *flood.Attacker // of all strangers to this replica

	mu       sync.Mutex      // of outsider
	outsider *flood.Outsider // nil: a stranger

	sent uint64
	back atomic.Uint64
}

// NewFlooder opens the sockets of a Flooder of replicas.
func NewFlooder(replicas map[uint64]netip.AddrPort, seed uint64) (*Flooder, error) {
	f := new(Flooder)
	attackers := make(map[uint64]*flood.Attacker)
	ids := make([]uint64, 0, len(replicas))
	for id := range replicas {
		ids = append(ids, id)
		attackers[id] = flood.NewAttacker(wire.Peer(id), seed)
	}
	for i := range uint64(strangers + outsiders) {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			f.close()
			return nil, err
		}
		id := ids[i%uint64(len(ids))]
		s := &source{conn: conn, to: replicas[id], attacker: attackers[id]}
		if i >= strangers {
			s.outsider = flood.NewOutsider(wire.Peer(id), seed+i)
		}
		f.sources = append(f.sources, s)
	}
	return f, nil
}

func (f *Flooder) close() {
	for _, s := range f.sources {
		s.conn.Close()
	}
	f.readers.Wait()
}

// See shows the flooder a datagram that somebody else has sent to a replica.
func (f *Flooder) See(to netip.AddrPort, d []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sources {
		if s.to == to {
			s.attacker.See(d)
			return
		}
	}
}

// Run floods until ctx ends, and closes the sockets.
func (f *Flooder) Run(ctx context.Context) *Report {
	for _, s := range f.sources {
		f.readers.Go(s.read)
	}
	for ctx.Err() == nil {
		for _, s := range f.sources {
			f.send(s)
		}
	}
	f.close()
	r := &f.report
	for _, s := range f.sources {
		back := s.back.Load()
		r.BackBytes += back
		if s.outsider != nil && s.outsider.IsOpen() {
			r.Sessions++ // it gets what is sent to its address, and has shown it
			continue
		}
		r.Amplified = max(r.Amplified, float64(back)/float64(max(s.sent, 1)))
	}
	return r
}

// send sends a burst. What the kernel does not take is lost.
func (f *Flooder) send(s *source) {
	for range burst {
		if n, err := s.conn.WriteToUDPAddrPort(f.next(s), s.to); err == nil {
			s.sent += uint64(n)
			f.report.Sent++
			f.report.SentBytes += uint64(n)
		}
	}
}

func (f *Flooder) next(s *source) []byte {
	if s.outsider != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.outsider.Next()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.attacker.Next()
}

// read counts what comes back, and has an outsider look at it, until the socket is closed.
func (s *source) read() {
	b := make([]byte, 64<<10)
	for {
		n, _, err := s.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		s.back.Add(uint64(n))
		if s.outsider != nil {
			s.mu.Lock()
			s.outsider.Take(b[:n])
			s.mu.Unlock()
		}
	}
}
