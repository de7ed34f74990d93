package sim

import (
	"time"

	"vrnode/vr"
	"vrnode/wire"
)

// Bare processes are replicas and clients without a transport: every message is one packet. They
// serve scripts and exploration, where a packet should mean something, and simulation at the
// level of messages, where the transport can not hide a reordering.

// directory finds the site of a peer, or says -1.
type directory func(wire.Peer) int

// codec turns effects into packets and packets into messages.
type codec struct {
	sites   directory
	effects vr.Effects
	encoder wire.Encoder
	decoder wire.Decoder
	arena   []byte
}

func (c *codec) begin() {
	c.effects.Reset()
	c.arena = c.arena[:0]
}

// end puts the effects of a step into out, with each message as a packet of its own.
func (c *codec) end(out *output) {
	for i := range c.effects.Messages {
		e := &c.effects.Messages[i]
		at := len(c.arena)
		c.arena = c.encoder.Append(c.arena, &e.Header, e.Message)
		if to := c.sites(e.To); to >= 0 {
			out.packets = append(out.packets, outgoing{to, c.arena[at:len(c.arena):len(c.arena)]})
		}
	}
	out.sent, out.events, out.results = c.effects.Messages, c.effects.Events, c.effects.Results
}

type bareReplica struct {
	codec
	vr      *vr.Replica
	machine machine
}

func newBareReplica(cfg vr.Config, sites directory) *bareReplica {
	p := &bareReplica{codec: codec{sites: sites}}
	p.vr = vr.New(cfg, &p.machine)
	return p
}

func (p *bareReplica) step(now time.Duration, _ int, packet []byte, out *output) {
	p.begin()
	if h, m, err := p.decoder.Decode(packet); err == nil {
		p.vr.Step(now, h, m, &p.effects)
	}
	p.end(out)
}

func (p *bareReplica) tick(now time.Duration, out *output) {
	p.begin()
	p.vr.Tick(now, &p.effects)
	p.end(out)
}

func (p *bareReplica) deadline() time.Duration { return p.vr.Deadline() }

// install gives the replica a state that its machine was restored to.
func (p *bareReplica) install(now time.Duration, state *vr.Restored, out *output) {
	p.begin()
	p.vr.Install(now, state, &p.effects)
	p.end(out)
}

func (p *bareReplica) submit(time.Duration, []byte) (wire.RequestNumber, bool) { return 0, false }

func (p *bareReplica) replica() (*vr.Replica, *machine) { return p.vr, &p.machine }

type bareClient struct {
	codec
	vr *vr.Client
}

func newBareClient(cfg vr.ClientConfig, sites directory) *bareClient {
	return &bareClient{codec: codec{sites: sites}, vr: vr.NewClient(cfg)}
}

func (p *bareClient) step(now time.Duration, _ int, packet []byte, out *output) {
	p.begin()
	if h, m, err := p.decoder.Decode(packet); err == nil {
		p.vr.Step(now, h, m, &p.effects)
	}
	p.end(out)
}

func (p *bareClient) tick(now time.Duration, out *output) {
	p.begin()
	p.vr.Tick(now, &p.effects)
	p.end(out)
}

func (p *bareClient) deadline() time.Duration { return p.vr.Deadline() }

func (p *bareClient) submit(now time.Duration, command []byte) (wire.RequestNumber, bool) {
	return p.vr.Submit(now, command)
}

func (p *bareClient) replica() (*vr.Replica, *machine) { return nil, nil }

// bareOperator forms a group as soon as all replicas have answered.
type bareOperator struct {
	codec
	vr      *vr.Operator
	cluster wire.ClusterID
	listed  []wire.Member
}

func newBareOperator(cfg vr.OperatorConfig, cluster wire.ClusterID, sites directory) *bareOperator {
	p := &bareOperator{codec: codec{sites: sites}, vr: vr.NewOperator(cfg), cluster: cluster}
	p.vr.Probe(0)
	return p
}

func (p *bareOperator) step(now time.Duration, _ int, packet []byte, out *output) {
	p.begin()
	if h, m, err := p.decoder.Decode(packet); err == nil {
		p.vr.Step(now, h, m, &p.effects)
	}
	form(p.vr, now, p.cluster, wire.Base{}, &p.listed)
	p.end(out)
}

func (p *bareOperator) tick(now time.Duration, out *output) {
	p.begin()
	p.vr.Tick(now, &p.effects)
	p.end(out)
}

func (p *bareOperator) deadline() time.Duration { return p.vr.Deadline() }

func (p *bareOperator) submit(time.Duration, []byte) (wire.RequestNumber, bool) { return 0, false }

func (p *bareOperator) replica() (*vr.Replica, *machine) { return nil, nil }

// formed returns the members that the operator listed, and whether all of them have joined.
func (p *bareOperator) formed() ([]wire.Member, bool) {
	return p.listed, p.listed != nil && p.vr.Done()
}
