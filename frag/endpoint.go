package frag

import (
	"net/netip"
	"time"

	"vrnode/frag/noise"
	"vrnode/wire"
)

// An Endpoint is one process's end of all its sessions. It is not safe for concurrent use.
type Endpoint struct {
	self        wire.Peer
	incarnation wire.Incarnation
	rng         uint64
	fixedRate   int64

	replicas []*peer
	clients  map[wire.Peer]*peer
	recent   peer // the ends of the list of clients
	// deadlines are of all peers; now is the latest time that the endpoint was told.
	deadlines deadlines
	now       time.Duration

	indexes                     indexes
	replicaOffers, clientOffers []offer
	replicaTurns                []int
	clientTurn                  int

	// keys are none in plain mode.
	keys    []namedKey
	entropy noise.Entropy
	// cookies is the secret of all cookies.
	cookies [32]byte
	// What may be done for strangers; see limits.go.
	resets, denials, unproven, proven bucket

	// queued, receiving and receivingClients are what is used of the budgets, in bytes.
	queued, receiving, receivingClients int

	pool        pool
	compressor  compressor
	outMessages []*outMessage // free ones
	inMessages  []*inMessage
	freeOpen    []*openMessages
	freePeers   []*peer
	frame       wire.Frame // scratch
	opened      []byte     // likewise: what was sealed in a datagram
	ranges      [wire.AckRangesMax]wire.Range
	stats       Stats
}

// New returns an endpoint without sessions.
func New(cfg Config) *Endpoint {
	e := &Endpoint{
		self: cfg.Self, incarnation: cfg.Incarnation, rng: cfg.Seed, fixedRate: cfg.FixedRate,
		clients:      make(map[wire.Peer]*peer),
		clientOffers: make([]offer, clientOffersMax),
		keys:         named(cfg.Keys), entropy: noise.NewEntropy(cfg.Entropy),
		resets:   bucket{each: time.Second / resetRate, burst: resetBurst},
		denials:  bucket{each: time.Second / denialRate, burst: denialBurst},
		unproven: bucket{each: time.Second / unprovenRate, burst: unprovenBurst},
		proven:   bucket{each: time.Second / provenRate, burst: provenBurst},
		opened:   make([]byte, 0, wire.DatagramMax),
	}
	e.cookies = e.entropy.Next()
	e.recent.newer, e.recent.older = &e.recent, &e.recent
	for _, r := range cfg.Replicas {
		if r.ID == cfg.Self || e.find(r.ID) != nil {
			continue
		}
		p := e.newPeer()
		p.id, p.addr, p.home = r.ID, r.Addr, r.Addr
		p.number, p.deadline = len(e.replicas), Never
		e.replicas = append(e.replicas, p)
		e.deadlines.add(p)
	}
	e.replicaOffers = make([]offer, len(e.replicas)*replicaOffersMax)
	e.replicaTurns = make([]int, len(e.replicas))
	return e
}

// Step handles the datagram d that came from that address. d is only valid during the call and is
// left as it was. Complete messages are appended to out.
func (e *Endpoint) Step(now time.Duration, from netip.AddrPort, d []byte, out *Effects) {
	now = e.advance(now)
	e.stats.DatagramsIn++
	e.stats.BytesIn += uint64(len(d))
	var h wire.DatagramHeader
	payload, err := wire.DecodeDatagram(d, &h)
	if err != nil {
		e.onUndecoded(now, from, d, err, out)
		return
	}
	switch {
	case h.Type == wire.DatagramDenial:
		e.onDenial(now, d)
	case h.Flags.IsSealed() != e.IsSecure():
		e.onOtherMode(now, from, d, &h, out)
	case h.Type == wire.DatagramData:
		e.onDatagram(now, from, d, &h, payload, out)
	case h.Type == wire.DatagramHello:
		e.onHello(now, from, d, &h, payload, out)
	case h.Type == wire.DatagramHelloAck:
		e.onHelloAck(now, d, &h, payload)
	case h.Type == wire.DatagramReset:
		e.onReset(now, d, payload)
	}
}

// onUndecoded drops what is no datagram of this version, and tells an end of another one so.
func (e *Endpoint) onUndecoded(now time.Duration, from netip.AddrPort, d []byte, err error, out *Effects) {
	t, other := wire.OtherVersion(d)
	switch {
	case other && t == wire.DatagramDenial:
		e.onDenial(now, d)
	case other && t == wire.DatagramHello:
		e.deny(now, from, d, wire.DeniedVersion, ReasonVersion, out)
	default:
		e.drop(reasonOf(err))
	}
}

func reasonOf(err error) Reason {
	switch err {
	case wire.ErrDatagramVersion:
		return ReasonVersion
	case wire.ErrDatagramType:
		return ReasonType
	case wire.ErrDatagramFlags:
		return ReasonFlags
	}
	return ReasonLength
}

// Send queues a message for a peer. It is copied and delivered at most once per session, in no
// order; sending stops when the session ends. False: the message is empty or longer than
// MessageMax, there is no such replica, the client has no session, or too much is queued.
func (e *Endpoint) Send(now time.Duration, to wire.Peer, lane Lane, message []byte) bool {
	return e.SendUntil(now, Never, to, lane, message)
}

// SendUntil is Send for a message that is of no use if nothing of it has left by then: it is dropped
// when its turn comes, or when it is the first of its lane and there is no room for another one. That is
// not for what is repeated until an answer comes: on a narrow path all of it would wait, be dropped, and
// be repeated.
func (e *Endpoint) SendUntil(now, until time.Duration, to wire.Peer, lane Lane, message []byte) bool {
	return e.send(now, until, to, lane, message, nil)
}

// SendParcel is Send for a message that was sealed in a parcel, without a copy of it, and without a trailer: who
// receives a piece checks its bytes himself. What is copied nevertheless has one. The parcel has another buffer
// then, in which nothing is of worth.
func (e *Endpoint) SendParcel(now time.Duration, to wire.Peer, lane Lane, parcel *wire.Parcel) bool {
	return e.send(now, Never, to, lane, parcel.Message(), parcel)
}

// send queues a message, which is in a parcel or nowhere in particular.
func (e *Endpoint) send(now, until time.Duration, to wire.Peer, lane Lane, message []byte, parcel *wire.Parcel) bool {
	now = e.advance(now)
	p := e.find(to)
	if p == nil || lane >= LanesMax || len(message) == 0 || len(message) > MessageMax {
		return false
	}
	body, compressed := e.body(p, lane, message)
	size := classSize(classOf(bufferSize(totalOf(body))))
	// What was compressed, or is in a buffer of another size than ours or much longer than itself, which all
	// counts, is copied nevertheless.
	adopts := parcel != nil && !compressed && len(message) > wire.SingleMax &&
		isClass(parcel.Cap()) && size <= parcel.Cap() && parcel.Cap() <= 4*size
	if adopts {
		size = parcel.Cap()
	}
	if !e.makeRoom(p, &p.out[lane], size) {
		return false
	}
	var m *outMessage
	if adopts {
		m = e.messageIn(parcel.Swap(e.pool.take(size)[:0]), true)
	} else {
		m = e.newMessage(body)
	}
	m.until = until
	if m.compressed = compressed; compressed {
		p.counters.Compressed++
		p.counters.Spared += uint64(len(message) - len(body))
	}
	e.queued += cap(m.buffer)
	p.out[lane].push(m)
	e.onQueued(now, p)
	return true
}

// SendLatest puts a message in slot key of a peer, in the place of the one before. It is copied,
// and sent until it is acknowledged, replaced or the session ends. The receiver drops what is
// older than what it has. False: the message is longer than SlotMax, there is no such slot or
// replica, or the client has no session.
func (e *Endpoint) SendLatest(now time.Duration, to wire.Peer, key uint8, message []byte) bool {
	now = e.advance(now)
	p := e.find(to)
	if p == nil || key >= SlotsMax || len(message) > SlotMax {
		return false
	}
	p.slots.set(&e.pool, key, message)
	e.onQueued(now, p)
	return true
}

// onQueued sees to it that what was queued gets on its way.
func (e *Endpoint) onQueued(now time.Duration, p *peer) {
	e.stats.MessagesOut++
	s := &p.session
	if s.active && s.sent.count == 0 && s.silentFrom < now && s.backoff == 0 {
		s.silentFrom = now
	}
	e.wake(now, p)
}

// Tick fires the timers that are due and packs what may be sent into out.Datagrams. Calling it
// early is free; calling it late only delays.
func (e *Endpoint) Tick(now time.Duration, out *Effects) {
	now = e.advance(now)
	for p := e.deadlines.first(); p != nil && p.deadline <= now; p = e.deadlines.first() {
		if e.tick(now, p, out) {
			e.deadlines.set(p, max(p.nextTimer(), now+1))
		}
	}
}

// tick does what is due for one peer. It tells whether the peer is still there.
func (e *Endpoint) tick(now time.Duration, p *peer, out *Effects) bool {
	p.ready = false
	s := &p.session
	if s.active && s.silenceTimer(p) <= now {
		e.abandon(p)
		if p.isClient() {
			return false
		}
	}
	if !s.active && !p.opening.active && p.hasQueued() {
		e.open(now, p)
		p.ready = false
	}
	if p.opening.active {
		e.tickOpening(now, p, out)
	}
	if s.active {
		s.expire(now, e, p)
		e.packPath(now, p, out)
		e.packAll(now, p, out)
		p.ready = false
	}
	return true
}

// Deadline returns when Tick has something to do next: a time that has come if datagrams wait to
// be packed, Never if there is nothing.
func (e *Endpoint) Deadline() time.Duration {
	if p := e.deadlines.first(); p != nil {
		return p.deadline
	}
	return Never
}

// emit hands a datagram, the bytes reserved last, to the effects.
func (e *Endpoint) emit(to netip.AddrPort, b []byte, out *Effects) {
	out.arena.commit(len(b))
	out.Datagrams = append(out.Datagrams, wire.Datagram{Addr: to, Bytes: b})
	e.stats.DatagramsOut++
	e.stats.BytesOut += uint64(len(b))
}

// advance keeps time from going back.
func (e *Endpoint) advance(now time.Duration) time.Duration {
	e.now = max(e.now, now)
	return e.now
}

// random returns the next number of a sequence that the seed determines (splitmix64).
func (e *Endpoint) random() uint64 {
	e.rng += 0x9E3779B97F4A7C15
	z := e.rng
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// nonce returns a random number that is not 0.
func (e *Endpoint) nonce() uint64 { return max(e.random(), 1) }
