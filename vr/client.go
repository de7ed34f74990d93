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
type Client struct {
	cfg     ClientConfig
	random  *rand.Rand
	cluster wire.ClusterID
	session wire.SessionNumber // 0 while there is none
	view    wire.ViewNumber
	target  int // position in cfg.Replicas of the supposed primary

	// Requests are numbered through the life of the client; on the wire a session's first is 1,
	// so base is the number before it. The window holds the requests (acked, last]; those up to
	// sent went out to target.
	base    wire.RequestNumber
	window  [SessionWindow]request
	acked   wire.RequestNumber
	sent    wire.RequestNumber
	last    wire.RequestNumber
	retryAt time.Duration
	wait    time.Duration
	heard   bool // target has answered since the last retry
	// silent is a replica that did not answer; until then nobody is believed who says that it is
	// the primary, and the others are asked in turn, quickly, for the view is about to change.
	silent      wire.Peer
	silentUntil time.Duration
	refused     Refused
}

type request struct {
	command []byte
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
	c := &Client{cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.Self))), retryAt: Never, wait: requestRetryMin}
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
	slot.command, slot.done = append(slot.command[:0], command...), false
	if c.retryAt == Never {
		c.armRetry(now)
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

func (c *Client) onRegistered(now time.Duration, h *wire.Header, m *wire.Registered) Reason {
	switch {
	case m.Client != c.cfg.Self:
		return Misaddressed
	case c.session != 0:
		return NothingNew
	}
	c.cluster, c.session = h.Cluster, m.Session
	c.base, c.sent = c.acked, c.acked
	c.refused = Refused{}
	c.follow(h.View, h.From)
	c.armRetry(now)
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
			c.sent = min(c.sent, number-1)
			continue
		}
		why = 0
		c.finish(number)
		out.Results = append(out.Results, Result{number, outcome, body})
	}
	for c.acked < c.last && c.slot(c.acked+1).done {
		c.acked++
	}
	c.sent = max(c.sent, c.acked)
	if why == 0 {
		if c.refused.Busy {
			c.sent = c.acked // there is room again for what was turned away
		}
		c.refused = Refused{}
		c.armRetry(now)
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
	c.session, c.retryAt = 0, Never
	c.acked, c.sent = c.last, c.last
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
// took for the primary, and then only when the time to repeat has come: the view that it knew of
// may never have started, but two replicas that point at each other must not make it run.
func (c *Client) onNotPrimary(now time.Duration, h *wire.Header, primary wire.Peer) Reason {
	target := c.cfg.Replicas[c.target]
	if primary == target && h.From == target {
		// It will be the primary when its view has started, which does not take long.
		c.retryAt = min(c.retryAt, now+max(requestHurry, c.wait/8))
		return NothingNew
	}
	if c.seat(primary) < 0 || primary == target || h.View < c.view && h.From != target {
		return NothingNew
	}
	older := h.View < c.view
	if primary == c.silent && h.View <= c.view && now < c.silentUntil {
		c.retryAt = min(c.retryAt, now+requestHurry)
		return NothingNew
	}
	c.view, c.target, c.heard = h.View, c.seat(primary), true
	if older {
		return 0
	}
	c.sent = c.acked
	if c.session == 0 {
		c.retryAt = min(c.retryAt, now)
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
		c.view, c.target, c.heard = view, i, true
	}
}

// ---- sending

// Tick sends what is new and repeats what is late.
func (c *Client) Tick(now time.Duration, out *Effects) {
	if now >= c.retryAt {
		c.retry(now, out)
	}
	if c.session != 0 {
		c.flush(out)
	}
}

// Deadline returns when Tick next has something to do; a time in the past means at once.
func (c *Client) Deadline() time.Duration {
	if c.session != 0 && c.sent < c.last {
		return 0
	}
	return c.retryAt
}

// retry sends everything outstanding again, to another replica if this one is silent.
func (c *Client) retry(now time.Duration, out *Effects) {
	if c.Outstanding() == 0 {
		c.retryAt = Never
		return
	}
	if !c.heard {
		c.turnAway(now)
	}
	c.heard = false
	c.sent = c.acked
	if c.session == 0 {
		out.send(c.header(), c.cfg.Replicas[c.target], &wire.Register{})
	}
	c.retryAt = now + c.wait + time.Duration(c.random.Int64N(int64(c.wait/4)))
	c.wait = min(2*c.wait, requestRetryMax)
}

// turnAway leaves a replica that does not answer for the next one.
func (c *Client) turnAway(now time.Duration) {
	if c.silent == 0 {
		c.silent, c.silentUntil = c.cfg.Replicas[c.target], now+requestSilent
	}
	c.target = (c.target + 1) % len(c.cfg.Replicas)
	if c.cfg.Replicas[c.target] == c.silent && now < c.silentUntil {
		c.target = (c.target + 1) % len(c.cfg.Replicas)
	}
}

// armRetry gives what is outstanding a fresh, short time to be answered. Without a session the
// time is now, to ask for one.
func (c *Client) armRetry(now time.Duration) {
	c.wait, c.silent = requestRetryMin, 0
	switch {
	case c.Outstanding() == 0:
		c.retryAt = Never
	case c.session == 0:
		c.heard = true
		c.retryAt = now
	default:
		c.heard = false
		c.retryAt = now + c.wait + time.Duration(c.random.Int64N(int64(c.wait/4)))
	}
}

// flush sends the requests after sent, in as few messages as they fit in.
func (c *Client) flush(out *Effects) {
	for c.sent < c.last {
		m := out.requests.Take()
		m.Session, m.First, m.Acked = c.session, c.sent+1-c.base, c.acked-c.base
		m.Commands = m.Commands.Reset()
		for c.sent < c.last {
			command := c.slot(c.sent + 1).command
			if n := m.Commands.Size(); n > 0 && n+len(command) > prepareBytes {
				break
			}
			m.Commands = m.Commands.Append(command)
			c.sent++
		}
		out.send(c.header(), c.cfg.Replicas[c.target], m)
	}
}

func (c *Client) header() wire.Header {
	return wire.Header{Cluster: c.cluster, View: c.view, From: c.cfg.Self}
}
