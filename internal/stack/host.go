// Package stack is the whole protocol of one process: a transport endpoint and, on top of it, a
// replica with its source and target of states, a client and an operator. Datagrams go in, datagrams and results come out. It is pure:
// internal/loop drives it with sockets and a clock, internal/sim without either.
//
// It encodes, decodes and routes messages. It decides nothing.
package stack

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"vrnode/frag"
	"vrnode/frag/noise"
	"vrnode/internal/assert"
	"vrnode/vr"
	"vrnode/wire"
)

// Never is the Deadline of a host that waits for nothing.
const Never = vr.Never

const (
	// roundsMax bounds how often one Tick asks the machines again because they have more to do
	// at once. What is left is for the next Tick, after a look at the network.
	roundsMax = 4
	// localMax bounds the messages between the machines of a host in one call. More of them
	// would mean that two machines answer each other for ever; they are dropped, and repeated
	// by their senders as if the network had lost them.
	localMax = 1024
)

// An Address is where a replica is expected at first.
type Address = frag.Address

// A Denial says why a replica refuses to open a session.
type Denial = frag.PeerDenial

// Config is what a Host must be told.
type Config struct {
	// Self is a replica's number, or the client-id of a program outside the group.
	Self wire.Peer
	// Incarnation is larger than that of every earlier run of Self.
	Incarnation wire.Incarnation
	// Seed is where all random choices come from. It must differ between runs.
	Seed uint64
	// Replicas are all that may form the group, Self included, in the order that decides about
	// primaries; at most wire.MembersMax.
	Replicas []Address
	// Machine is the service of a replica, and nil for a client.
	Machine vr.StateMachine
	// LogBytes is the memory for a replica's log, 0 for what is usual; see vr.Config.
	LogBytes int
	// Spools are where a process keeps states while they are moved.
	Spools Spools
	// Keys put the transport in secure mode, and Entropy is the seed of its secrets; see
	// frag.Config.
	Keys    []noise.Key
	Entropy [32]byte
}

// A Host is the protocol of one process. It is not safe for concurrent use.
type Host struct {
	self     wire.Peer
	client   *vr.Client
	operator *vr.Operator
	replica  *vr.Replica // nil in a program outside the group
	states   transfer
	endpoint *frag.Endpoint
	// guest is the client-id of client and operator.
	guest wire.Peer

	encoder wire.Encoder
	decoder wire.Decoder
	encoded []byte
	dropped [reasonMax + 1]uint64
}

// New returns a host that has sent nothing yet.
func New(cfg Config) *Host {
	assert.That(cfg.Self.IsReplica() == (cfg.Machine != nil), "replicas and only replicas have a state machine")
	random := rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.Incarnation)))
	ids := make([]wire.Peer, len(cfg.Replicas))
	for i, r := range cfg.Replicas {
		ids[i] = r.ID
	}
	h := &Host{self: cfg.Self, guest: cfg.Self}
	if cfg.Machine != nil {
		h.guest = wire.ClientPeer(random.Uint64(), cfg.Self)
		h.replica = vr.New(vr.Config{
			Self: cfg.Self, Incarnation: cfg.Incarnation, Replicas: ids, Seed: random.Uint64(), LogBytes: cfg.LogBytes,
		}, cfg.Machine)
	}
	h.states = h.newTransfer(cfg.Machine, cfg.Spools)
	h.client = vr.NewClient(vr.ClientConfig{Self: h.guest, Replicas: ids, Seed: random.Uint64()})
	h.operator = vr.NewOperator(vr.OperatorConfig{Self: h.guest, Replicas: ids})
	h.endpoint = frag.New(frag.Config{
		Self: cfg.Self, Incarnation: cfg.Incarnation, Seed: random.Uint64(), Replicas: cfg.Replicas,
		Keys: cfg.Keys, Entropy: cfg.Entropy,
	})
	return h
}

// Replica returns the host's replica, or nil.
func (h *Host) Replica() *vr.Replica { return h.replica }

// Client returns the host's client.
func (h *Host) Client() *vr.Client { return h.client }

// Operator returns the host's operator.
func (h *Host) Operator() *vr.Operator { return h.operator }

// Endpoint returns the host's end of the transport.
func (h *Host) Endpoint() *frag.Endpoint { return h.endpoint }

// Dropped returns how many messages were dropped for a reason.
func (h *Host) Dropped(r Reason) uint64 { return h.dropped[r] }

// Step handles the datagram d that came from that address. d is only valid during the call.
func (h *Host) Step(now time.Duration, from netip.AddrPort, d []byte, out *Effects) {
	h.endpoint.Step(now, from, d, &out.transport)
	for _, m := range out.transport.Messages {
		h.receive(now, m, out)
	}
	out.transport.Messages = out.transport.Messages[:0]
	h.move(now, out)
	out.publish()
}

// Submit gives the client a command; see vr.Client.Submit. It is sent by the next Tick.
func (h *Host) Submit(now time.Duration, command []byte) (wire.RequestNumber, bool) {
	return h.client.Submit(now, command)
}

// Tick fires the timers that are due and sends what waits to be sent. It is called after each
// batch of Steps and Submits, and at Deadline.
func (h *Host) Tick(now time.Duration, out *Effects) {
	// The client comes first, so that the replica has its requests in the same round.
	for range roundsMax {
		if h.client.Deadline() <= now {
			h.client.Tick(now, &out.protocol)
			h.send(now, out)
		}
		if h.operator.Deadline() <= now {
			h.operator.Tick(now, &out.protocol)
			h.send(now, out)
		}
		if h.replica != nil && h.replica.Deadline() <= now {
			h.replica.Tick(now, &out.protocol)
			h.send(now, out)
		}
		h.move(now, out)
		if h.machines() > now {
			break
		}
	}
	if h.endpoint.Deadline() <= now {
		h.endpoint.Tick(now, &out.transport)
	}
	out.publish()
}

// Report returns what the replica answers to a Probe, or nil if there is no replica.
func (h *Host) Report(now time.Duration, out *Effects) *wire.ProbeReply {
	if h.replica == nil {
		return nil
	}
	h.replica.Step(now, &wire.Header{From: h.guest}, &wire.Probe{Seq: 1}, &out.protocol)
	var report *wire.ProbeReply
	out.protocol.Messages = slices.DeleteFunc(out.protocol.Messages, func(e wire.Envelope) bool {
		reply, ok := e.Message.(*wire.ProbeReply)
		if ok {
			report = reply
		}
		return ok
	})
	h.fillReport(now, report)
	h.send(now, out)
	return report
}

// Deadline returns when Tick next has something to do; a time in the past means at once.
func (h *Host) Deadline() time.Duration { return min(h.machines(), h.endpoint.Deadline()) }

// machines returns the earliest Deadline above the transport.
func (h *Host) machines() time.Duration {
	at := min(h.client.Deadline(), h.operator.Deadline(), h.states.source.Deadline(), h.states.target.Deadline())
	if h.replica != nil {
		at = min(at, h.replica.Deadline())
	}
	return at
}
