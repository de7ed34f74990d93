package vr

import (
	"cmp"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// OperatorConfig is what an operator is told at birth.
type OperatorConfig struct {
	// Self is the client-id under which it asks, from wire.ClientPeer.
	Self wire.Peer
	// Replicas are those to ask, at most wire.MembersMax; of a group to be formed they are the
	// members, in this order.
	Replicas []wire.Peer
}

// An Operator asks replicas how they are, and forms a group. It is the state machine behind
// `vrnode status`, `form`, `backup` and `restore`. It is not safe for concurrent use.
type Operator struct {
	cfg     OperatorConfig
	seq     uint64
	answers [wire.MembersMax]Answer
	cluster wire.ClusterID // of the group to be formed, zero when only asking
	base    wire.Base      // the state that a group is to begin with, or zero
	marked  wire.ClusterID // of the group that is asked for a checkpoint at minOp or above, if that is not 0
	minOp   wire.OpNumber
	reading time.Duration // when a replica last said that it reads the state of the group it was formed into
	lost    wire.Peer     // one that has the state no more, or 0
	listed  []wire.Member
	sendAt  time.Duration
	asking  bool
}

// Answer is what one replica said of itself.
type Answer struct {
	Known bool // it has answered the question under way
	ID    wire.Peer
	Header
	wire.ProbeReply
}

// Primary returns the primary of the view that the replica is in, 0 if it is in no group.
func (a *Answer) Primary() wire.Peer { return primaryAmong(a.Members, a.View) }

// Header is the part of a ProbeReply's header that tells something.
type Header struct {
	Cluster     wire.ClusterID
	View        wire.ViewNumber
	Incarnation wire.Incarnation
}

// NewOperator returns an operator that does nothing yet.
func NewOperator(cfg OperatorConfig) *Operator {
	assert.That(cfg.Self.IsClient() && len(cfg.Replicas) <= wire.MembersMax, "an operator has a client-id and asks at most MembersMax replicas")
	return &Operator{cfg: cfg, sendAt: Never}
}

// Probe begins to ask every replica, again and again until it has answered.
func (o *Operator) Probe(now time.Duration) {
	o.seq++
	o.cluster, o.base, o.minOp = wire.ClusterID{}, wire.Base{}, 0
	o.reading, o.lost = now, 0
	o.answers = [wire.MembersMax]Answer{}
	for i, id := range o.cfg.Replicas {
		o.answers[i].ID = id
	}
	o.asking, o.sendAt = true, now
}

// TakeCheckpoint is a Probe that asks the primary of a group for a checkpoint, too, at an op or a later one.
func (o *Operator) TakeCheckpoint(now time.Duration, cluster wire.ClusterID, minOp wire.OpNumber) {
	o.Probe(now)
	o.marked, o.minOp = cluster, minOp
}

// Bring begins to tell every replica to fetch a state from this program, until all of them hold it. The
// last Probe must have found that they can form a group.
func (o *Operator) Bring(now time.Duration, base wire.Base) {
	o.Probe(now)
	o.base = base
}

// Form begins to tell every replica that it is a member of a new group, until all of them are. It begins
// with a state that all of them hold, see Bring, or with nothing.
// The last Probe must have found all of them without memory: see CanForm.
func (o *Operator) Form(now time.Duration, cluster wire.ClusterID, base wire.Base) {
	why, _ := o.CanForm()
	assert.That(why == "", "a group is formed of replicas without memory only")
	o.listed = nil
	for i, id := range o.cfg.Replicas {
		o.listed = append(o.listed, wire.Member{ID: id, Incarnation: o.answers[i].Incarnation})
	}
	o.Probe(now)
	o.cluster, o.base = cluster, base
}

// CanForm returns why the replicas, as they answered, can not form a group, or "". It tells too whether
// the reason is that one has not answered, so that trying again may help.
func (o *Operator) CanForm() (why string, silent bool) {
	var remembers, reads, quiet *Answer
	without := 0 // memory
	for i := range o.cfg.Replicas {
		switch a := &o.answers[i]; {
		case !a.Known:
			quiet = cmp.Or(quiet, a)
		case a.Status != wire.StatusRecovering:
			remembers = cmp.Or(remembers, a)
		default:
			without++
			if a.Applied > 0 || a.Transfer.Phase == wire.TransferRestoring && a.Held == (wire.Digest{}) {
				reads = cmp.Or(reads, a)
			}
		}
	}
	switch n := len(o.cfg.Replicas); {
	case remembers != nil && without > (n-1)/2:
		return "replica " + remembers.ID.String() + " still belongs to group " + remembers.Cluster.String() +
			", which has lost its memory; stop it and start it again first", false
	case remembers != nil:
		return "replica " + remembers.ID.String() + " belongs to group " + remembers.Cluster.String() + ", which lives; a group is formed once", false
	case reads != nil:
		return "replica " + reads.ID.String() + " has begun to read a state; stop it and start it again first", false
	case quiet != nil:
		return "replica " + quiet.ID.String() + " does not answer; all of them must be up to form a group", true
	case n == 2:
		return "a group of 2 can never bring a member back that lost its memory; use 1, 3 or more", false
	}
	return "", false
}

// Answers returns what the replicas have said since the last Probe or Form, in their order.
func (o *Operator) Answers() []Answer { return o.answers[:len(o.cfg.Replicas)] }

// Reading returns when a replica last said that it still reads the state of the group that is being
// formed, and one that has the state no more: it could not read it, or was started again.
func (o *Operator) Reading() (at time.Duration, lost wire.Peer) { return o.reading, o.lost }

// Done tells whether every replica has answered, or has joined the group that is being formed.
func (o *Operator) Done() bool { return !o.asking }

// Step handles one message from a replica.
func (o *Operator) Step(now time.Duration, h *wire.Header, m wire.Message, out *Effects) {
	if why := o.onProbeReply(now, h, m); why != 0 {
		out.ignored(h, m, why)
	}
}

func (o *Operator) onProbeReply(now time.Duration, h *wire.Header, m wire.Message) Reason {
	reply, ok := m.(*wire.ProbeReply)
	if !ok {
		return Misaddressed
	}
	if reply.Seq != o.seq || !o.asking {
		return NotAwaited
	}
	if !o.cluster.IsZero() && (h.Cluster != o.cluster || reply.Status == wire.StatusRecovering) {
		if o.lost == 0 && !o.base.IsZero() && reply.Held != o.base.Root {
			o.lost = h.From
		}
		o.reading = now
		return NothingNew // it has not joined yet
	}
	if o.cluster.IsZero() && reply.Held != o.base.Root && !o.base.IsZero() {
		return NothingNew // it does not hold the state yet
	}
	for i, id := range o.cfg.Replicas {
		if id == h.From {
			a := &o.answers[i]
			*a = Answer{Known: true, ID: id, Header: Header{h.Cluster, h.View, h.Incarnation}, ProbeReply: *reply}
			a.Members = append([]wire.Member(nil), reply.Members...)
			a.Peers = append([]wire.PeerReport(nil), reply.Peers...)
			o.asking = o.missing()
			return 0
		}
	}
	return UnknownSender
}

func (o *Operator) missing() bool {
	for i := range o.cfg.Replicas {
		if !o.answers[i].Known {
			return true
		}
	}
	return false
}

// Tick asks those that have not answered.
func (o *Operator) Tick(now time.Duration, out *Effects) {
	if !o.asking || now < o.sendAt {
		return
	}
	o.sendAt = now + probeInterval
	for i, id := range o.cfg.Replicas {
		if o.answers[i].Known {
			continue
		}
		h := wire.Header{Cluster: o.cluster, From: o.cfg.Self}
		if !o.cluster.IsZero() {
			out.send(h, id, &wire.Form{Members: o.listed, Base: o.base})
		} else if !o.base.IsZero() {
			out.send(h, id, &wire.FetchBase{Base: o.base})
		}
		out.send(h, id, &wire.Probe{Seq: o.seq})
		if o.minOp != 0 {
			h.Cluster = o.marked
			out.send(h, id, &wire.TakeCheckpoint{MinOp: o.minOp})
		}
	}
}

// Deadline returns when Tick next has something to do.
func (o *Operator) Deadline() time.Duration {
	if !o.asking {
		return Never
	}
	return o.sendAt
}
