package sim

import (
	"bytes"
	"io"
	"time"

	"vrnode/internal/assert"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// Some groups begin with the state of an earlier one. The operator has it, as it was kept, and gives it
// to all replicas before it forms the group.

// baseOneIn: one in so many runs of whole hosts begins so. The seed of the first process decides.
const baseOneIn = 4

// A base is a state to begin with.
type base struct {
	checkpoint statexfer.Checkpoint
	digest     uint64 // of the machine
}

// newBase makes the state of a group of one replica that has executed a few ops. They add up to
// nothing, so that clients find the sum that they expect.
func newBase() *base {
	var m machine
	var out vr.Effects
	client := wire.Header{Cluster: wire.ClusterID{9}, From: wire.ClientPeer(0x9<<16, 0)}
	r := vr.New(vr.Config{Self: 1, Incarnation: 1, Replicas: []wire.Peer{1}}, &m)
	for i, say := range [...]wire.Message{
		&wire.Form{Members: []wire.Member{{ID: 1, Incarnation: 1}}},
		&wire.Register{},
		&wire.Request{Session: 1, First: 1, Commands: wire.Commands{}.Append([]byte("add 5")).Append([]byte("add -5"))},
		&wire.TakeCheckpoint{MinOp: 4},
	} {
		now := time.Duration(i) * time.Millisecond
		r.Step(now, &client, say, &out)
		r.Tick(now, &out)
	}
	c := r.Checkpoint()
	assert.That(c != nil && c.Op == 4 && m.sum == 0, "a state to begin with is that after the last op of its group")
	return &base{statexfer.Checkpoint{Op: c.Op, Chain: c.Chain, State: c}, m.digest}
}

// kept returns the state by way of a file.
func (b *base) kept() statexfer.Checkpoint {
	var state, file bytes.Buffer
	_, err := b.checkpoint.State.WriteTo(&state)
	assert.That(err == nil, "a checkpoint can be written to memory")
	_, err = statexfer.WriteFile(&file, statexfer.FileHead{Op: b.checkpoint.Op, Chain: b.checkpoint.Chain}, &state)
	assert.That(err == nil, "a file can be written to memory")
	return statexfer.Checkpoint{Op: b.checkpoint.Op, Chain: b.checkpoint.Chain, State: fileOf(file.Bytes())}
}

// A fileOf is read as often as somebody wants it.
type fileOf []byte

func (b fileOf) WriteTo(w io.Writer) (int64, error) {
	f, err := statexfer.OpenFile(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	return f.WriteTo(w)
}

// beginAt tells the checkers that the group begins with a state. Which ops have made it nobody knows.
func (r *record) beginAt(b *base) {
	op := b.checkpoint.Op
	r.committed = make([]commitment, op)
	r.committed[op-1].chain = b.checkpoint.Chain
	r.executed[op] = application{op: op, digest: b.digest}
	*r.started[0] = start{initial: op, base: op}
}

// A restoring is what an operator does before it forms a group with a state.
type restoring struct {
	checkpoint statexfer.Checkpoint
	base       wire.Base // zero before the state is written out
	brought    bool      // the replicas are told to fetch it
}

// restore does what is next before the group can be formed, and tells whether nothing is.
func (p *hostProcess) restore(now time.Duration) bool {
	f, o := p.forming.restoring, p.host.Operator()
	if f == nil {
		return true
	}
	if f.brought || !o.Done() {
		return f.brought
	}
	if why, _ := o.CanForm(); why != "" {
		return false
	}
	if f.base.IsZero() {
		root, written, err := p.host.Given()
		assert.That(err == nil, "what was kept can be read")
		if !written {
			p.host.Give(now, f.checkpoint, &p.effects)
			return false
		}
		f.base = wire.Base{Op: f.checkpoint.Op, Chain: f.checkpoint.Chain, Root: root}
	}
	f.brought = true
	o.Bring(now, f.base)
	return false
}
