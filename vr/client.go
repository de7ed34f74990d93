package vr

import (
	"math/rand/v2"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// ClientConfig is what a client is told at birth.
type ClientConfig struct {
	// Self is the client-id, from wire.ClientPeer.
	Self wire.Peer
	// Replicas are those that may form the group, at most wire.MembersMax.
	Replicas []wire.Peer
	// Seed starts the generator of timer jitter.
	Seed uint64
}

// A Client is the paper's client-side proxy: it numbers requests, sends them to the primary in
// batches, and repeats them until each has its result, which is then the result of executing it
// exactly once. Up to SessionWindow requests are outstanding at a time, and they are executed in
// the order of their numbers. It is not safe for concurrent use.
//
// A path may be so narrow that requests are on it for longer than a primary may be silent. So who the
// primary is it asks with a few bytes, a Register, and requests go to nobody else; what it repeats is
// little, and comes after more and more time, as long as nothing says that it was lost.
type Client struct {
	cfg     ClientConfig
	random  *rand.Rand
	cluster wire.ClusterID
	session wire.SessionNumber // 0 while there is none
	view    wire.ViewNumber
	target  int // position in cfg.Replicas of the supposed primary

	// Requests are numbered through the life of the client; on the wire a session's first is 1,
	// so base is the number before it. The window holds the requests (acked, last]; those up to
	// sent went out to target, and have flight bytes.
	base   wire.RequestNumber
	window [SessionWindow]request
	acked  wire.RequestNumber
	sent   wire.RequestNumber
	last   wire.RequestNumber
	flight int
	// repeatAt is when the oldest of them are sent again, and repeatWait after how long without a result:
	// twice what the last one took, since waits, if nothing was repeated meanwhile, and more after each
	// time. repeatBytes of them are sent; those up to repeated were.
	repeatAt, repeatWait time.Duration
	since                time.Duration
	repeatBytes          int
	repeated             wire.RequestNumber

	askAt   time.Duration
	askWait time.Duration
	asked   int  // position of who was asked last
	heard   bool // target has answered since then
	lapsed  bool // target has said that it does not take requests yet; what it was sent is lost
	// silent is a replica that did not answer; until then nobody is believed who says that it is
	// the primary, and the others are asked in turn, quickly, for the view is about to change.
	silent      wire.Peer
	silentUntil time.Duration
	over        wire.SessionNumber // sessions up to this one are over
	refused     Refused
}

type request struct {
	command []byte
	bytes   int // of it
	done    bool
}

// Refused is why the group does not serve a client, as far as the client was told lately.
type Refused struct {
	Busy         bool // the window of the group is full
	WrongCluster bool // the session belonged to a group that is not there any more
	// NoMemory holds the replicas that answered that they are recovering; GroupLost, that one
	// of them said that too many are.
	NoMemory  int
	GroupLost bool
	answered  [wire.MembersMax]bool
}

// NewClient returns a client without a session; it opens one when it has something to do.
func NewClient(cfg ClientConfig) *Client {
	assert.That(cfg.Self.IsClient() && 0 < len(cfg.Replicas) && len(cfg.Replicas) <= wire.MembersMax,
		"a client has a client-id and knows 1 to MembersMax replicas")
	c := &Client{cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.Self))), repeatWait: requestRepeatMin, repeatBytes: prepareBytes}
	c.rest()
	c.target = c.random.IntN(len(cfg.Replicas))
	for i, id := range cfg.Replicas {
		if id == cfg.Self.Home() {
			c.target = i
		}
	}
	return c
}

// Submit takes a command of at most wire.CommandMax bytes, which it copies, and returns the
// number under which its result will come. It says false if SessionWindow requests are
// outstanding, or if the command is too long.
func (c *Client) Submit(now time.Duration, command []byte) (wire.RequestNumber, bool) {
	if c.last-c.acked >= SessionWindow || len(command) > wire.CommandMax {
		return 0, false
	}
	c.last++
	slot := c.slot(c.last)
	slot.command, slot.bytes, slot.done = append(slot.command[:0], command...), len(command), false
	if c.Outstanding() == 1 {
		c.await(now)
	}
	return c.last, true
}

func (c *Client) slot(r wire.RequestNumber) *request { return &c.window[r%SessionWindow] }

// Outstanding returns the number of requests without a result.
func (c *Client) Outstanding() int { return int(c.last - c.acked) }

// Refused returns why there is no service, for an error message; zero if there is no news of that.
func (c *Client) Refused() Refused { return c.refused }

// Cluster returns the group that the client belongs to, zero before it has a session.
func (c *Client) Cluster() wire.ClusterID { return c.cluster }

// Step handles one message from a replica.
func (c *Client) Step(now time.Duration, h *wire.Header, m wire.Message, out *Effects) {
	if why := c.handle(now, h, m, out); why != 0 {
		out.ignored(h, m, why)
	}
}

func (c *Client) handle(now time.Duration, h *wire.Header, m wire.Message, out *Effects) Reason {
	seat := c.seat(h.From)
	if seat < 0 {
		return UnknownSender
	}
	switch m := m.(type) {
	case *wire.Registered:
		return c.onRegistered(now, h, m)
	case *wire.Reply:
		return c.onReply(now, h, m, out)
	case *wire.Refused:
		return c.onRefused(now, h, m)
	case *wire.ProbeReply:
		return c.onProbeReply(seat, m)
	}
	return Misaddressed
}

func (c *Client) seat(id wire.Peer) int {
	for i, other := range c.cfg.Replicas {
		if other == id {
			return i
		}
	}
	return -1
}

// onRegistered takes a session. If there is one, a primary has said that it is the primary.
func (c *Client) onRegistered(now time.Duration, h *wire.Header, m *wire.Registered) Reason {
	switch {
	case m.Client != c.cfg.Self:
		return Misaddressed
	case c.session != 0:
		if h.Cluster != c.cluster || h.View < c.view {
			return NothingNew
		}
		c.follow(h.View, h.From)
		return 0
	case m.Session <= c.over:
		return NothingNew // it comes late
	}
	c.cluster, c.session = h.Cluster, m.Session
	c.base = c.acked
	c.rewind(c.acked)
	c.refused = Refused{}
	c.follow(h.View, h.From)
	c.await(now)
	return 0
}

// onReply takes results. Those of a request may come more than once; the first counts, and all
// are equal.
func (c *Client) onReply(now time.Duration, h *wire.Header, m *wire.Reply, out *Effects) Reason {
	if m.Client != c.cfg.Self || m.Session != c.session || h.Cluster != c.cluster {
		return NotThisRun
	}
	c.follow(h.View, h.From)
	why := NothingNew
	number := c.base + m.First
	for results := m.Results; ; number++ {
		outcome, body, ok := results.Next()
		if !ok {
			break
		}
		if number <= c.acked || number > c.last || c.slot(number).done {
			continue
		}
		switch outcome {
		case wire.OutcomeSessionExpired:
			c.abandon(out)
			return 0
		case wire.OutcomeGap:
			c.rewind(number - 1)
			continue
		}
		why = 0
		c.finish(number)
		out.Results = append(out.Results, Result{number, outcome, body})
	}
	for c.acked < c.last && c.slot(c.acked+1).done {
		c.acked++
		if c.acked <= c.sent {
			c.flight -= c.slot(c.acked).bytes
		}
	}
	c.sent = max(c.sent, c.acked)
	if why == 0 {
		if c.refused.Busy {
			c.rewind(c.acked) // there is room again for what was turned away
		}
		c.refused = Refused{}
		if c.acked > c.repeated { // what was sent first has arrived
			c.repeatWait = min(max(2*(now-c.since), requestRepeatMin), requestRepeatMax)
			c.repeatBytes = prepareBytes
		} else {
			c.repeatBytes = min(2*c.repeatBytes, flightBytes)
		}
		c.await(now)
	}
	return why
}

func (c *Client) finish(number wire.RequestNumber) {
	slot := c.slot(number)
	slot.done = true
	if cap(slot.command) > slotKeep {
		slot.command = nil
	}
}

// abandon ends a session that the group has evicted. What became of the outstanding requests can
// not be known any more; those to come go into a new session.
func (c *Client) abandon(out *Effects) {
	for number := c.acked + 1; number <= c.last; number++ {
		if !c.slot(number).done {
			out.Results = append(out.Results, Result{Request: number, Outcome: wire.OutcomeSessionExpired})
		}
	}
	c.over, c.session = c.session, 0
	c.acked, c.sent, c.flight = c.last, c.last, 0
	c.rest()
}

// onRefused turns to the primary that the refusal names. A busy primary is left alone until it
// replies to something or the time to repeat has come.
func (c *Client) onRefused(now time.Duration, h *wire.Header, m *wire.Refused) Reason {
	if m.Client != c.cfg.Self {
		return Misaddressed
	}
	switch m.Why {
	case wire.RefusalWrongCluster:
		c.refused.WrongCluster = true
	case wire.RefusalBusy:
		c.refused.Busy, c.heard = true, true
	case wire.RefusalNotPrimary:
		return c.onNotPrimary(now, h, m.Primary)
	}
	return 0
}

// onNotPrimary follows a newer view at once. An older one it believes only of the replica that it
// took for the primary, and then only when the time to ask has come: the view that it knew of
// may never have started, but two replicas that point at each other must not make it run.
func (c *Client) onNotPrimary(now time.Duration, h *wire.Header, primary wire.Peer) Reason {
	target := c.cfg.Replicas[c.target]
	if primary == target && h.From == target {
		// It will be the primary when its view has started, which does not take long.
		c.heard, c.lapsed = true, true
		c.askAt = min(c.askAt, now+max(requestHurry, c.askWait/8))
		return NothingNew
	}
	if primary == c.silent && h.View <= c.view && now < c.silentUntil {
		c.askAt = min(c.askAt, now+requestHurry)
		return NothingNew
	}
	if c.seat(primary) < 0 || primary == target || h.View < c.view && h.From != target {
		return NothingNew
	}
	older := h.View < c.view
	c.turn(h.View, c.seat(primary))
	if older {
		c.lapsed = true
		return 0
	}
	if c.session == 0 {
		c.askAt = min(c.askAt, now)
	}
	return 0
}

// onProbeReply hears from a replica that has no memory and therefore can not serve.
func (c *Client) onProbeReply(seat int, m *wire.ProbeReply) Reason {
	if m.Status != wire.StatusRecovering {
		return NothingNew
	}
	if !c.refused.answered[seat] {
		c.refused.answered[seat] = true
		c.refused.NoMemory++
	}
	c.refused.GroupLost = m.GroupLost
	return 0
}

// follow turns to the primary of a view, unless a newer view is known.
func (c *Client) follow(view wire.ViewNumber, primary wire.Peer) {
	if i := c.seat(primary); i >= 0 && view >= c.view {
		if i != c.target || c.lapsed {
			c.turn(view, i)
		}
		c.view, c.heard = view, true
	}
}

// turn takes a replica for the primary, and sends it what is outstanding.
func (c *Client) turn(view wire.ViewNumber, target int) {
	c.view, c.target, c.heard, c.lapsed = view, target, true, false
	c.rewind(c.acked)
}

// rewind has the requests after one sent again.
func (c *Client) rewind(to wire.RequestNumber) {
	for ; c.sent > to; c.sent-- {
		c.flight -= c.slot(c.sent).bytes
	}
}

// ---- sending

// Tick sends what is new and repeats what is late.
func (c *Client) Tick(now time.Duration, out *Effects) {
	if now >= c.askAt {
		c.ask(now, out)
	}
	if now >= c.repeatAt {
		c.repeat(now, out)
	}
	if c.maySend() {
		c.flush(out)
	}
}

// Deadline returns when Tick next has something to do; a time in the past means at once.
func (c *Client) Deadline() time.Duration {
	if c.maySend() {
		return 0
	}
	return min(c.askAt, c.repeatAt)
}

// ask looks for the primary, if the supposed one is silent or takes no requests, and for a session, if
// there is none.
func (c *Client) ask(now time.Duration, out *Effects) {
	if c.heard {
		c.asked = c.target
	} else {
		c.turnAway(now)
	}
	c.heard = false
	if c.session == 0 {
		c.target = c.asked
	}
	if c.session == 0 || c.lapsed || c.asked != c.target {
		out.send(c.header(), c.cfg.Replicas[c.asked], &wire.Register{})
	}
	c.askAt = now + c.jittered(c.askWait)
	c.askWait = min(2*c.askWait, requestAskMax)
}

// repeat sends the oldest requests once more. Sessions of the transport end and replicas turn requests
// away, so they may be lost, but mostly they only take long. If more of them were lost than those that are
// repeated, it is all the more the next time.
func (c *Client) repeat(now time.Duration, out *Effects) {
	to := c.acked
	for bytes := 0; to < c.sent; to++ {
		if bytes += c.slot(to + 1).bytes; bytes > c.repeatBytes && to > c.acked {
			break
		}
	}
	if !c.lapsed {
		c.send(c.acked, to, out)
		c.repeated = max(c.repeated, to)
	}
	c.repeatAt = now + c.jittered(c.repeatWait)
	most := requestRepeatMax
	if c.refused.Busy {
		most = requestAskMax // they were turned away
	}
	c.repeatWait = min(2*c.repeatWait, most)
}

func (c *Client) jittered(d time.Duration) time.Duration {
	return d + time.Duration(c.random.Int64N(int64(d/4)))
}

// turnAway asks the next replica, the one after that if the next is the silent one.
func (c *Client) turnAway(now time.Duration) {
	if c.silent == 0 {
		c.silent, c.silentUntil = c.cfg.Replicas[c.target], now+requestSilent
	}
	c.asked = (c.asked + 1) % len(c.cfg.Replicas)
	if c.cfg.Replicas[c.asked] == c.silent && now < c.silentUntil {
		c.asked = (c.asked + 1) % len(c.cfg.Replicas)
	}
}

// await gives what is outstanding a fresh time to be answered. Without a session the time to ask is now.
func (c *Client) await(now time.Duration) {
	c.silent, c.since, c.asked = 0, now, c.target
	c.askWait = min(c.repeatWait, requestAskMax)
	switch {
	case c.Outstanding() == 0:
		c.rest()
	case c.session == 0:
		c.heard = true
		c.askAt, c.repeatAt = now, Never
	default:
		c.heard = false
		c.askAt, c.repeatAt = now+c.jittered(c.askWait), now+c.jittered(c.repeatWait)
	}
}

// rest ends the wait for an answer.
func (c *Client) rest() { c.askAt, c.repeatAt = Never, Never }

// maySend tells whether the next request may go out: there is a primary for it, and not much on its way,
// or nothing.
func (c *Client) maySend() bool {
	if c.session == 0 || c.lapsed || c.sent == c.last {
		return false
	}
	return c.flight == 0 || c.flight+c.slot(c.sent+1).bytes <= flightBytes
}

// flush sends what may go out of the requests after sent.
func (c *Client) flush(out *Effects) {
	from := c.sent
	for c.maySend() {
		c.sent++
		c.flight += c.slot(c.sent).bytes
	}
	c.send(from, c.sent, out)
}

// send sends the requests (from, to], in as few messages as they fit in.
func (c *Client) send(from, to wire.RequestNumber, out *Effects) {
	for from < to {
		m := out.requests.Take()
		m.Session, m.First, m.Acked = c.session, from+1-c.base, c.acked-c.base
		m.Commands = m.Commands.Reset()
		for from < to {
			command := c.slot(from + 1).command
			if n := m.Commands.Size(); n > 0 && n+len(command) > prepareBytes {
				break
			}
			m.Commands = m.Commands.Append(command)
			from++
		}
		out.send(c.header(), c.cfg.Replicas[c.target], m)
	}
}

func (c *Client) header() wire.Header {
	return wire.Header{Cluster: c.cluster, View: c.view, From: c.cfg.Self}
}
