package frag

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"vrnode/frag/noise"
	"vrnode/internal/flood"
	"vrnode/internal/race"
	"vrnode/wire"
)

// A siege is a lab in which outsiders flood the first end, and an account of what that end gets from
// every address and sends there.
type siege struct {
	*lab
	victim    *end
	in, out   map[netip.AddrPort]int
	outsiders map[netip.AddrPort]*flood.Outsider
	answers   map[netip.AddrPort][][]byte // not seen yet by the outsider there
	bytes     int                         // from outsiders
}

func newSiege(t *testing.T, keys []noise.Key, ids ...wire.Peer) *siege {
	s := &siege{
		lab: newLabWith(t, 1, keys, ids...),
		in:  map[netip.AddrPort]int{}, out: map[netip.AddrPort]int{},
		outsiders: map[netip.AddrPort]*flood.Outsider{}, answers: map[netip.AddrPort][][]byte{},
	}
	s.victim = s.ends[0]
	s.watch = func(from *end) {
		if from == s.victim {
			s.account()
		}
	}
	return s
}

// account looks at what the victim is about to send. Who has not shown that it gets what is sent to
// its address gets at most three times what it has sent.
func (s *siege) account() {
	for _, d := range s.victim.out.Datagrams {
		s.out[d.Addr] += len(d.Bytes)
		o := s.outsiders[d.Addr]
		if o != nil {
			s.answers[d.Addr] = append(s.answers[d.Addr], slices.Clone(d.Bytes))
		}
		proven := o != nil && o.IsOpen() || slices.ContainsFunc(s.ends, func(n *end) bool { return n.addr == d.Addr })
		if !proven && s.out[d.Addr] > amplificationMax*s.in[d.Addr] {
			s.t.Fatalf("%d bytes to %v, which has sent %d", s.out[d.Addr], d.Addr, s.in[d.Addr])
		}
	}
}

// attack gives the victim a datagram from an address.
func (s *siege) attack(from netip.AddrPort, d []byte) {
	s.in[from] += len(d)
	s.bytes += len(d)
	s.victim.Step(s.now, from, d, &s.victim.out)
	s.collect(s.victim)
}

// outsider lets a client that nobody has invited see its answers, and send.
func (s *siege) outsider(at netip.AddrPort, total uint32) {
	o := s.outsiders[at]
	if o == nil {
		o = flood.NewOutsider(s.victim.id, 1+uint64(len(s.outsiders)))
		o.Total = total
		s.outsiders[at] = o
	}
	for _, d := range s.answers[at] {
		o.Take(d)
	}
	s.answers[at] = s.answers[at][:0]
	s.attack(at, o.Next())
}

// held is what a process holds in its heap.
func held() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestCase06Floods: outsiders send all they can think of, a hundred datagrams for each of the group. The
// group goes on as if nothing were, memory is bounded and nobody else is flooded.
func TestCase06Floods(t *testing.T) {
	race.SkipLong(t)
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		s := newSiege(t, keys, 1, 2, 3, wire.ClientPeer(1<<40, 0))
		attacker := flood.NewAttacker(1, 7)
		s.filter = func(_, to *end, d []byte) bool {
			if to == s.victim {
				attacker.See(d)
			}
			return true
		}
		var took []time.Duration
		answered := 0
		s.victim.onMessage = func(m Delivery) { s.victim.Send(s.now, m.From, 1, m.Bytes) }
		for _, n := range s.ends[1:] {
			n.onMessage = func(Delivery) { answered++ }
			n.Send(0, 1, 0, []byte("here I am"))
		}
		s.run(time.Second, func() bool { return answered == 3 })
		before, start := held(), s.victim.Stats()
		for round := range uint64(rounds) {
			for _, n := range s.ends[1:] {
				n.Send(s.now, 1, 0, text(round, 64))
			}
			began, want := s.now, answered+3
			for i := range uint64(200) {
				// Addresses that are made up, and those of the group.
				from := spoofed((round*200 + i) % 5000)
				if i%20 == 0 {
					from = s.ends[1+i/20%3].addr
				}
				s.attack(from, attacker.Next())
			}
			for i := range uint64(100) {
				s.outsider(spoofed(1<<20+i), wire.MessageMax)
			}
			s.run(time.Second, func() bool { return answered == want })
			took = append(took, s.now-began)
			s.pass(time.Millisecond)
		}
		slices.Sort(took)
		if p99 := took[len(took)*99/100]; p99 > 5*time.Millisecond {
			t.Errorf("one message in a hundred takes %v there and back", p99)
		}
		for _, n := range s.ends[1:] {
			if p, ok := s.victim.PeerStats(n.id); !ok || p.Sessions != 1 || p.Addr != n.addr {
				t.Errorf("%d sessions with %v, at %v", p.Sessions, n.id, p.Addr)
			}
		}
		st := s.victim.Stats()
		grown, back := held()-before, int(st.BytesOut-start.BytesOut)
		t.Logf("%d MiB of attacks, %d MiB sent; %d MiB of incomplete messages, %d clients, the heap grew by %d MiB; round trips p99 %v",
			s.bytes>>20, back>>20, st.Receiving>>20, st.Clients, grown>>20, took[len(took)*99/100])
		if st.Receiving > clientBudget || st.Clients > ClientsMax || st.Evicted != 0 || st.Queued > 1<<20 || grown > clientBudget+keptMax {
			t.Errorf("%d bytes held, %d clients, %d evicted, %d bytes queued, the heap grew by %d",
				st.Receiving, st.Clients, st.Evicted, st.Queued, grown)
		}
		open := 0
		for _, o := range s.outsiders {
			if o.IsOpen() {
				open++
			}
		}
		if open == 0 != (keys != nil) || keys == nil && st.Dropped(ReasonBudget) == 0 {
			t.Errorf("%d outsiders have a session, %d of their datagrams are over budget", open, st.Dropped(ReasonBudget))
		}
		for _, r := range []Reason{ReasonVersion, ReasonFlags, ReasonChecksum, ReasonLength, ReasonUnknownSession} {
			if st.Dropped(r) == 0 {
				t.Errorf("nothing was dropped for %v: this is no flood", r)
			}
		}
	})
}

// TestCase06Crowd: as many outsiders as an endpoint takes, with a small incomplete message in each lane,
// cost no more memory than its budget says, and do not push out who is heard.
func TestCase06Crowd(t *testing.T) {
	s := newSiege(t, nil, 1, 2, wire.ClientPeer(1<<40, 0))
	client := s.ends[2]
	answered := 0
	s.victim.onMessage = func(m Delivery) { s.victim.Send(s.now, m.From, 1, m.Bytes) }
	for _, n := range s.ends[1:] {
		n.onMessage = func(Delivery) { answered++ }
		n.Send(0, 1, 0, []byte("here I am"))
	}
	s.run(time.Second, func() bool { return answered == 2 })
	before := held()
	const crowd = ClientsMax + 100
	turn := uint64(0)
	for i := range uint64(crowd) {
		at := spoofed(i)
		for tries := 0; s.outsiders[at] == nil || !s.outsiders[at].IsOpen(); tries++ {
			if tries == 100 {
				t.Fatalf("outsider %d gets no session", i)
			}
			s.outsider(at, 200)
			s.pass(500 * time.Microsecond)
		}
		for range LanesMax {
			s.outsider(at, 200)
		}
		for range 4 { // all are heard within some seconds, or they would be forgotten
			s.outsider(spoofed(turn%(i+1)), 200)
			turn++
		}
		if i%100 == 0 {
			client.Send(s.now, 1, 0, []byte("still here"))
		}
	}
	want := answered + 1
	client.Send(s.now, 1, 0, []byte("still here"))
	s.run(time.Second, func() bool { return answered >= want })
	st := s.victim.Stats()
	grown := held() - before
	t.Logf("%d clients, %d evicted, %d KiB of incomplete messages, the heap grew by %d MiB", st.Clients, st.Evicted, st.Receiving>>10, grown>>20)
	if p, ok := s.victim.PeerStats(client.id); !ok || p.Sessions != 1 {
		t.Errorf("the client was pushed out")
	}
	const each = 16 << 10 // of a session, without its messages
	if st.Receiving > clientBudget || st.Clients > ClientsMax || st.Clients < ClientsMax/2 || grown > clientBudget+ClientsMax*each {
		t.Errorf("%d bytes held, %d clients, the heap grew by %d", st.Receiving, st.Clients, grown)
	}
}
