package frag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"vrnode/frag/noise"
	"vrnode/internal/golden"
	"vrnode/wire"
)

var otherKey = []noise.Key{{9, 9, 9}}

// addWith adds a replica with keys of its own.
func (l *lab) addWith(id wire.Peer, keys []noise.Key, ids ...wire.Peer) *end {
	before := l.keys
	l.keys = keys
	n := l.add(id, 1, uint64(id)*7919, ids...)
	l.keys = before
	return n
}

// TestNothingIsInClear: in secure mode no byte of a message and no nonce is on the network.
func TestNothingIsInClear(t *testing.T) {
	secret := []byte("nobody else is to read this")
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		all := l.record()
		l.ends[0].Send(0, 2, 1, secret)
		l.ends[0].Send(0, 2, 3, bytes.Repeat(secret, 1000))
		l.run(time.Second, func() bool { return len(l.ends[1].got) == 2 })
		clear := 0
		for _, f := range *all {
			if bytes.Contains(f.bytes, secret) || bytes.Contains(f.bytes, []byte{0, 0, 0, 0, 0, 0, 0}) && typeOf(f.bytes) == wire.DatagramData {
				clear++
			}
			if sealed := wire.DatagramFlags(f.bytes[1]).IsSealed(); sealed != (keys != nil) {
				t.Errorf("a %v is sealed: %v", typeOf(f.bytes), sealed)
			}
		}
		if (clear > 0) != (keys == nil) {
			t.Errorf("%d datagrams are readable", clear)
		}
	})
}

// TestModesAndKeysMustAgree: nothing is delivered, and both ends can say why.
func TestModesAndKeysMustAgree(t *testing.T) {
	for _, c := range []struct {
		name       string
		ours, them []noise.Key
		want       wire.Denied
		reason     Reason
	}{
		{"plain to secure", nil, oneKey, wire.DeniedPlain, ReasonPlain},
		{"secure to plain", oneKey, nil, wire.DeniedSealed, ReasonSealed},
		{"another key", oneKey, otherKey, wire.DeniedKey, ReasonKey},
		{"two other keys", []noise.Key{{7}, {8}}, otherKey, wire.DeniedKey, ReasonKey},
	} {
		l := newLab(t, 1)
		a, b := l.addWith(1, c.ours, 1, 2), l.addWith(2, c.them, 1, 2)
		a.SendLatest(0, 2, 1, []byte("x"))
		l.pass(3 * time.Second)
		if len(b.got) != 0 {
			t.Errorf("%s: something was delivered", c.name)
		}
		if got := a.Denials(); len(got) != 1 || got[0] != (PeerDenial{2, c.want}) {
			t.Errorf("%s: denied %v", c.name, got)
		}
		if s := b.Stats(); s.Dropped(c.reason) < 5 || s.Denials != s.Dropped(c.reason) {
			t.Errorf("%s: dropped %d for %v, denied %d", c.name, s.Dropped(c.reason), c.reason, s.Denials)
		}
		// When the reason is gone, so is the denial, by itself.
		b.keys = c.ours
		b.start(2, 99, 1, 2)
		l.run(2*time.Second, func() bool { return len(b.got) == 1 })
		if len(a.Denials()) != 0 {
			t.Errorf("%s: denied although there is a session", c.name)
		}
	}
}

// TestDowngrade: who changes the mode of what is on the way reaches nothing but silence.
func TestDowngrade(t *testing.T) {
	l := newLabWith(t, 1, oneKey, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.damage = func(d []byte) {
		if typeOf(d) == wire.DatagramData {
			d[1] &^= byte(wire.FlagSealed)
		}
	}
	a.Send(0, 2, 1, []byte("x"))
	l.pass(time.Second)
	if len(b.got) != 0 || b.Stats().Dropped(ReasonPlain) == 0 {
		t.Errorf("%d messages delivered, %d datagrams dropped", len(b.got), b.Stats().Dropped(ReasonPlain))
	}
}

// TestForgedDatagrams: what a stranger can do with datagrams that it has seen.
func TestForgedDatagrams(t *testing.T) {
	single := wire.AppendData(nil, &wire.Data{ID: 1, Bare: true, Total: 1, Bytes: []byte("x")})
	for _, c := range []struct {
		name string
		want Reason
		make func(l *lab) []byte // for end 0 of the lab
	}{
		{"replayed", ReasonReplayed, func(l *lab) []byte {
			d := l.ends[1].session(1).datagram(single)
			l.ends[0].Step(l.now, l.ends[1].addr, d, &l.ends[0].out)
			return d
		}},
		{"too old", ReasonReplayed, func(l *lab) []byte {
			s := l.ends[1].session(1)
			s.sent.next -= 2 * noise.WindowSize
			d := s.datagram(single)
			s.sent.next += 2 * noise.WindowSize
			return d
		}},
		{"reflected", ReasonForged, func(l *lab) []byte {
			s := l.ends[0].session(2)
			s.sent.next = l.ends[1].session(1).sent.next // so that it is none that was here
			d := s.datagram(single)
			binary.LittleEndian.PutUint32(d[4:], uint32(s.index))
			return d
		}},
		{"of another session", ReasonForged, func(l *lab) []byte {
			s := l.ends[2].session(2) // of 3 and 2
			s.sent.next = l.ends[1].session(1).sent.next
			d := s.datagram(single)
			binary.LittleEndian.PutUint32(d[4:], uint32(l.ends[0].session(2).index))
			return d
		}},
		{"renumbered", ReasonForged, func(l *lab) []byte {
			d := l.ends[1].session(1).datagram(single)
			d[8]++
			return d
		}},
		{"another length", ReasonForged, func(l *lab) []byte {
			d := l.ends[1].session(1).datagram(single)
			d[2]--
			return d
		}},
		{"another phase", ReasonForged, func(l *lab) []byte {
			d := l.ends[1].session(1).datagram(single)
			d[1] ^= 1 << 3
			return d
		}},
		{"damaged", ReasonForged, func(l *lab) []byte {
			d := l.ends[1].session(1).datagram(single)
			d[len(d)-1] ^= 1
			return d
		}},
		{"plain", ReasonPlain, func(l *lab) []byte {
			d := append(make([]byte, wire.DatagramHeaderSize), single...)
			s := l.ends[1].session(1)
			wire.Stamp(d, &wire.DatagramHeader{Length: uint16(len(single)), To: s.remoteIndex, Number: s.sent.next}, s.bindOut)
			return d
		}},
	} {
		l := newLabWith(t, 1, oneKey, 1, 2, 3)
		l.connect(l.ends[0], l.ends[1])
		l.connect(l.ends[2], l.ends[1])
		a := l.ends[0]
		d := c.make(l)
		a.out.Reset()
		before := bytes.Clone(d)
		a.Step(l.now, l.ends[1].addr, d, &a.out)
		if len(a.out.Messages) != 0 || len(a.out.Datagrams) != 0 || a.Stats().Dropped(c.want) != 1 {
			t.Errorf("%s: %d messages, %d datagrams; not dropped for %v", c.name, len(a.out.Messages), len(a.out.Datagrams), c.want)
		}
		if !bytes.Equal(d, before) {
			t.Errorf("%s: Step changed the datagram", c.name)
		}
		// It hurt nobody.
		l.ends[1].Send(l.now, 1, 1, []byte("after"))
		l.run(time.Second, func() bool { return len(a.got) > 0 })
		if a.counters(2).Sessions != 1 {
			t.Errorf("%s: the session was lost", c.name)
		}
	}
}

// TestForgedResetInSecureMode: who can quote a datagram in flight, but has no key, ends nothing.
func TestForgedResetInSecureMode(t *testing.T) {
	l := newLabWith(t, 1, oneKey, 1, 2)
	a, b := l.ends[0], l.ends[1]
	l.connect(a, b)
	a.Send(l.now, 2, 1, []byte("in flight"))
	l.tick(a)
	s := a.session(2)
	quote := wire.AppendReset(nil, &wire.Reset{Sender: 2, To: s.remoteIndex, Number: s.sent.next - 1})
	reset := func(flags wire.DatagramFlags, mac []byte) {
		d := append(append(make([]byte, wire.DatagramHeaderSize), quote...), mac...)
		wire.Stamp(d, &wire.DatagramHeader{
			Type: wire.DatagramReset, Flags: flags, Length: uint16(len(d) - wire.DatagramHeaderSize),
		}, wire.ResetBinding())
		a.Step(l.now, b.addr, d, &a.out)
	}
	reset(0, nil)
	reset(wire.FlagSealed, nil)
	reset(wire.FlagSealed, make([]byte, wire.MACSize))
	reset(wire.FlagSealed, otherKey[0].MAC(nil, quote))
	reset(wire.FlagSealed, oneKey[0].MAC(nil, quote[1:]))
	if stats := a.Stats(); !s.active || stats.Dropped(ReasonPlain) != 1 || stats.Dropped(ReasonHandshake) != 1 || stats.Dropped(ReasonForged) != 3 {
		t.Fatalf("a forged RESET was believed, or dropped for another reason")
	}
	reset(wire.FlagSealed, oneKey[0].MAC(nil, quote))
	if s.active || !a.find(2).opening.active {
		t.Error("a true RESET was not believed")
	}
}

// TestRekeyInSession: both ends change their keys while datagrams are lost and overtaken.
func TestRekeyInSession(t *testing.T) {
	for seed := range uint64(5) {
		l := newLabWith(t, seed, oneKey, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		lossy(l)
		s := a.session(2)
		// As if so many datagrams had been sent that the next key is near.
		gap := noise.RekeyEvery - 20 - s.sent.next%noise.RekeyEvery
		s.sent.begin(s.sent.next + gap)
		phases := map[uint8]bool{}
		l.filter = func(from, _ *end, d []byte) bool {
			if from == a && typeOf(d) == wire.DatagramData {
				phases[wire.DatagramFlags(d[1]).Phase()] = true
			}
			return true
		}
		want := text(seed, 1<<20)
		a.Send(l.now, 2, 3, want)
		l.run(20*time.Second, func() bool { return len(b.got) == 1 })
		if !bytes.Equal(b.got[0].bytes, want) || a.counters(2).Sessions != 1 || len(phases) != 2 {
			t.Errorf("seed %d: %d sessions, phases %v", seed, a.counters(2).Sessions, phases)
		}
	}
}

// TestKeyRotation goes through a rotation as people do it, one replica after the other, with
// traffic all the time.
func TestKeyRotation(t *testing.T) {
	old, both, fresh := oneKey, []noise.Key{otherKey[0], oneKey[0]}, otherKey
	l := newLabWith(t, 1, old, 1, 2, 3)
	client := l.add(wire.ClientPeer(1<<40, 0), 0, 5, 1, 2, 3)
	talk := func() {
		t.Helper()
		for _, from := range l.ends {
			for _, to := range l.ends[:3] {
				if from == to {
					continue
				}
				got := len(to.got)
				for tries := 0; len(to.got) == got; tries++ {
					if tries == 3 {
						t.Fatalf("%v can not reach %v", from.id, to.id)
					}
					from.Send(l.now, to.id, 1, []byte("x")) // it may be dropped with a session that ends
					l.pass(300 * time.Millisecond)
				}
			}
		}
	}
	talk()
	sessions := l.ends[0].counters(2).Sessions
	for _, keys := range [][]noise.Key{both, fresh} {
		for _, n := range l.ends {
			n.keys = keys
			n.SetKeys(l.now, keys)
			talk()
		}
		if n := l.ends[0].counters(2).Sessions; n != sessions && &keys[0] == &both[0] {
			t.Errorf("a key that was added cost a session: %d, not %d", n, sessions)
		}
	}
	for _, n := range l.ends {
		for _, peer := range l.ends[:3] {
			if s, _ := n.PeerStats(peer.id); n != peer && s.Key != fresh[0].ID() {
				t.Errorf("%v talks to %v by %v", n.id, peer.id, s.Key)
			}
		}
	}
	// Who still has the old key only is out.
	client.keys = old
	client.start(0, 77, 1, 2, 3)
	got := len(l.ends[0].got)
	client.Send(l.now, 1, 1, []byte("x"))
	l.pass(time.Second)
	if len(l.ends[0].got) != got || len(client.Denials()) != 1 {
		t.Errorf("a client with the old key: %d messages delivered, denials %v", len(l.ends[0].got)-got, client.Denials())
	}
}

// TestRestartDuringRotation: a replica that comes back with both keys finds one that has one of
// them, whichever.
func TestRestartDuringRotation(t *testing.T) {
	for _, keys := range [][]noise.Key{oneKey, otherKey} {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		b.keys = []noise.Key{otherKey[0], oneKey[0]}
		b.start(2, 99, 1, 2)
		b.Send(l.now, 1, 1, []byte("x"))
		if took := l.run(time.Second, func() bool { return len(a.got) == 1 }); took > 5*l.Delay.Mean {
			t.Errorf("it took %v", took)
		}
	}
}

// TestOneOfTwoKeys: who has one of two keys is not said to have another one because it was deaf when
// that was tried, or its answer was on the way.
func TestOneOfTwoKeys(t *testing.T) {
	for _, keys := range [][]noise.Key{{oneKey[0], otherKey[0]}, {otherKey[0], oneKey[0]}} {
		for deaf := range 6 {
			for _, delay := range []time.Duration{time.Millisecond, 100 * time.Millisecond} { // longer than the first retries
				l := newLab(t, 1)
				l.Delay.Mean = delay
				a, b := l.addWith(1, keys, 1, 2), l.addWith(2, oneKey, 1, 2)
				asked := 0
				l.filter = func(from, _ *end, _ []byte) bool { asked++; return from != a || asked > deaf }
				a.Send(0, 2, 1, []byte("x"))
				l.run(5*time.Second, func() bool {
					if len(a.Denials()) > 0 {
						t.Fatalf("deaf to %d, at %v: %v", deaf, l.now, a.Denials())
					}
					return len(b.got) == 1
				})
				if s, _ := a.PeerStats(2); s.Key != oneKey[0].ID() {
					t.Errorf("the session is by %v", s.Key)
				}
			}
		}
	}
}

// ---- floods

// hellos makes HELLOs as strangers can: without a key, or those that they have seen.
func strangersHello(i uint64) []byte {
	d := wire.AppendGreeting(make([]byte, wire.DatagramHeaderSize, wire.HelloSize), &wire.Greeting{Key: uint64(oneKey[0].ID())})
	d = append(d, text(i, 92)...)
	n := len(d) - wire.DatagramHeaderSize
	d = d[:wire.HelloSize]
	wire.Stamp(d, &wire.DatagramHeader{Type: wire.DatagramHello, Flags: wire.FlagSealed, Length: uint16(n)}, wire.HelloBinding())
	return d
}

// spoofed is an address that a stranger makes up.
func spoofed(i uint64) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, byte(i >> 16), byte(i >> 8), byte(i)}), 7000)
}

// TestHelloFlood: HELLOs without a key cost no memory and little else, are answered with fewer
// bytes than they have, and keep nobody out who has the key.
func TestHelloFlood(t *testing.T) {
	l := newLabWith(t, 1, oneKey, 1, 2)
	a, b := l.ends[0], l.ends[1]
	var out Effects
	in, answered := 0, 0
	flood := func(i uint64) {
		d := strangersHello(i)
		in += len(d)
		a.Step(l.now, spoofed(i), d, &out)
		for _, d := range out.Datagrams {
			answered += len(d.Bytes)
		}
		out.Reset()
	}
	for i := range uint64(2000) {
		flood(i)
	}
	b.Send(l.now, 1, 1, []byte("x"))
	i := uint64(5000)
	took := l.run(time.Second, func() bool { i++; flood(i); return len(a.got) == 1 })
	if took > 3*helloDelayMin {
		t.Errorf("a peer with the key took %v to get through", took)
	}
	if s := a.Stats(); s.Dropped(ReasonLoad) == 0 || s.Dropped(ReasonForged) == 0 || s.Clients != 0 {
		t.Errorf("%d HELLOs over the limit, %d forged, %d clients", s.Dropped(ReasonLoad), s.Dropped(ReasonForged), s.Clients)
	}
	if answered*3 > in {
		t.Errorf("%d bytes are answered with %d", in, answered)
	}
	if n := len(a.indexes.table); n > 4 {
		t.Errorf("%d indexes were given out", n)
	}
}

// TestReplayedHelloFlood: HELLOs that a stranger has seen and sends again, from addresses that are
// not its own, make no more offers than the rate allows.
func TestReplayedHelloFlood(t *testing.T) {
	l := newLabWith(t, 1, oneKey, 1)
	a := l.ends[0]
	const many = 1000
	var seen [][]byte
	l.filter = func(_, _ *end, d []byte) bool { seen = append(seen, bytes.Clone(d)); return false }
	for i := range uint64(many) {
		c := l.add(wire.ClientPeer((i+1)<<16, 0), 0, i, 1)
		c.Send(l.now, 1, 2, []byte("x"))
		l.tick(c)
		l.ends = l.ends[:1]
	}
	if len(seen) != many {
		t.Fatalf("%d HELLOs", len(seen))
	}
	var out Effects
	answers := map[wire.DatagramType]int{}
	for i, d := range seen {
		a.Step(time.Hour, spoofed(uint64(i)), d, &out)
	}
	for _, d := range out.Datagrams {
		answers[typeOf(d.Bytes)]++
	}
	if answers[wire.DatagramHelloAck] > unprovenBurst || answers[wire.DatagramDenial] < many-unprovenBurst {
		t.Errorf("%v", answers)
	}
	if n := len(a.indexes.table); n > unprovenBurst {
		t.Errorf("%d indexes were given out", n)
	}
	if s := a.Stats(); s.Clients != 0 {
		t.Errorf("%d clients", s.Clients)
	}
}

func TestCookies(t *testing.T) {
	e, other := New(Config{Self: 1, Seed: 1, Entropy: [32]byte{1}}), New(Config{Self: 1, Seed: 1, Entropy: [32]byte{2}})
	here, there := addressOf(2), netip.AddrPortFrom(addressOf(2).Addr(), 7001)
	var out Effects
	d := make([]byte, wire.HelloSize)
	now := 10 * cookieEvery
	for range unprovenBurst + 1 { // until the rate is used up
		e.admits(now, here, d, wire.Cookie{}, &out)
	}
	if e.admits(now, here, d, wire.Cookie{}, &out) {
		t.Error("more offers to unproven addresses than are allowed")
	}
	cookie := e.cookie(here, 10)
	for _, c := range []struct {
		name   string
		e      *Endpoint
		at     time.Duration
		from   netip.AddrPort
		cookie wire.Cookie
		want   bool
	}{
		{"none", e, now, here, wire.Cookie{}, false},
		{"right", e, now, here, cookie, true},
		{"another port", e, now, there, cookie, false},
		{"of another process", e, now, here, other.cookie(here, 10), false},
		{"the next epoch", e, now + cookieEvery, here, cookie, true},
		{"too late", e, now + 2*cookieEvery, here, cookie, false},
	} {
		if got := c.e.isCookie(c.cookie, c.from, uint64(c.at/cookieEvery)) || c.e.isCookie(c.cookie, c.from, uint64(c.at/cookieEvery)-1); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	admitted := 0
	for range 10 * provenBurst {
		if e.admits(now, here, d, cookie, &out) {
			admitted++
		}
	}
	if admitted != provenBurst {
		t.Errorf("%d at once with a cookie, not %d", admitted, provenBurst)
	}
}

// TestOtherVersions: ends of different versions tell each other so.
func TestOtherVersions(t *testing.T) {
	inBothModes(t, func(t *testing.T, keys []noise.Key) {
		l := newLabWith(t, 1, keys, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.damage = func(d []byte) { // all that arrives is of version 2
			d[0] = d[0]&0xf | 2<<4
			if typeOf(d) == wire.DatagramDenial {
				binary.LittleEndian.PutUint64(d[16:], uint64(wire.DenialBinding()))
				binary.LittleEndian.PutUint64(d[16:], xxhash.Sum64(d))
			}
		}
		a.Send(0, 2, 1, []byte("x"))
		l.pass(time.Second)
		if got := a.Denials(); len(got) != 1 || got[0].Why != wire.DeniedVersion {
			t.Errorf("denied %v", got)
		}
		if s := b.Stats(); s.Dropped(ReasonVersion) == 0 || s.Denials != s.Dropped(ReasonVersion) || len(b.got) != 0 {
			t.Errorf("%d dropped, %d denied", s.Dropped(ReasonVersion), s.Denials)
		}
	})
}

// TestForgedDenials: they must quote the HELLO, and change nothing but what people read.
func TestForgedDenials(t *testing.T) {
	l := newLabWith(t, 1, oneKey, 1, 2)
	a, b := l.ends[0], l.ends[1]
	a.Send(0, 2, 1, []byte("x"))
	l.tick(a)
	deny := func(quote uint64, why wire.Denied) {
		var out Effects
		b.sendDenial(a.addr, &wire.Denial{Quote: quote, Why: why}, &out)
		a.Step(l.now, b.addr, out.Datagrams[0].Bytes, &a.out)
	}
	quote := a.find(2).opening.quote
	deny(0, wire.DeniedKey)
	deny(quote+1, wire.DeniedKey)
	if len(a.Denials()) != 0 || a.Stats().Dropped(ReasonStaleHandshake) != 2 {
		t.Errorf("denied %v", a.Denials())
	}
	for range 10 {
		deny(quote, wire.DeniedKey)
	}
	l.run(time.Second, func() bool { return len(b.got) == 1 })
	if a.find(2).opening.attempt != 1 || len(a.Denials()) != 0 {
		t.Errorf("%d HELLOs, denied %v", a.find(2).opening.attempt, a.Denials())
	}
}

func TestDenialsAreLimited(t *testing.T) {
	e := New(Config{Self: 1, Seed: 1})
	var out Effects
	for i := range uint64(1000) {
		e.Step(time.Hour, spoofed(i), strangersHello(i), &out)
	}
	if len(out.Datagrams) != denialBurst {
		t.Errorf("%d DENIALs at once", len(out.Datagrams))
	}
}

// TestGoldenSession pins the bytes of a short secure session, from the seeds to the RESET.
func TestGoldenSession(t *testing.T) {
	l := newLabWith(t, 1, oneKey, 1, 2)
	a, b := l.ends[0], l.ends[1]
	all := l.record()
	a.Send(0, 2, 1, []byte("message"))
	l.run(time.Second, func() bool { return len(b.got) == 1 })
	l.pass(100 * time.Millisecond)
	b.start(2, 99, 1, 2)
	a.Send(l.now, 2, 1, []byte("lost"))
	l.run(time.Second, func() bool { return a.counters(2).Sessions == 2 })
	var out strings.Builder
	fmt.Fprintf(&out, "A session in secure mode and, after a restart of replica 2, the RESET: every datagram, in hexadecimal.\n"+
		"Padding is not shown. The key is %s.\n", oneKey[0].Text())
	for _, f := range *all {
		shown := f.bytes
		if typeOf(shown) != wire.DatagramData {
			shown = shown[:wire.DatagramHeaderSize+int(shown[2])]
		}
		fmt.Fprintf(&out, "\n%v to %v: %v, %d bytes\n", f.from.id, f.to.id, typeOf(f.bytes), len(f.bytes))
		for len(shown) > 0 {
			n := min(32, len(shown))
			out.WriteString(hex.EncodeToString(shown[:n]) + "\n")
			shown = shown[n:]
		}
		if typeOf(f.bytes) == wire.DatagramReset {
			break
		}
	}
	golden.File(t, "testdata/secure.txt", []byte(out.String()))
}

// FuzzSecureStep gives a secure endpoint that is in the midst of things arbitrary bytes. It must
// deliver nothing and lose nothing.
func FuzzSecureStep(f *testing.F) {
	f.Add(strangersHello(1), uint8(0))
	f.Add([]byte{0x10, 0x80, 0, 0, 1, 0, 1, 0}, uint8(1))
	f.Add([]byte{0x14, 0x80}, uint8(2))
	f.Fuzz(func(t *testing.T, d []byte, how uint8) {
		l := newLabWith(t, 1, oneKey, 1, 2)
		a, b := l.ends[0], l.ends[1]
		l.connect(a, b)
		a.Send(l.now, 2, 3, make([]byte, 5000))
		l.tick(a)
		d = bytes.Clone(d)
		if len(d) >= wire.DatagramHeaderSize {
			h := wire.DatagramHeader{Flags: wire.FlagSealed, Length: uint16(len(d) - wire.DatagramHeaderSize)}
			switch how % 4 {
			case 1: // DATA of the session
				h.Length = uint16(max(len(d)-wire.Overhead, 0))
				h.To, h.Number = a.session(2).index, b.session(1).sent.next
				wire.PutHeader(d, &h)
			case 2:
				h.Type = wire.DatagramReset
				wire.Stamp(d, &h, wire.ResetBinding())
			case 3:
				h.Type = wire.DatagramHello
				wire.Stamp(d, &h, wire.HelloBinding())
			}
		}
		a.Step(l.now, b.addr, d, &a.out)
		if len(a.out.Messages) != 0 {
			t.Fatal("a forged datagram delivered something")
		}
		l.tick(a)
		l.run(time.Second, func() bool { return len(b.got) == 1 })
		if a.counters(2).Sessions != 1 {
			t.Fatal("a forged datagram cost the session")
		}
	})
}
