package wire

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// The numbers of the paper. All of them start at 0 or 1 and only grow.
type (
	// ViewNumber is v: view v is the reign of primary members[v mod n].
	ViewNumber uint64
	// OpNumber is n, the position of an op in the log, from 1. A commit-number (k) is the
	// OpNumber of the last committed op; 0 means none.
	OpNumber uint64
	// RequestNumber is s: a client numbers its requests 1, 2, 3 … within a session.
	RequestNumber uint64
	// SessionNumber names a client session: the op-number of the Register that opened it.
	SessionNumber uint64
	// EpochNumber is e, the life of one configuration.
	EpochNumber uint64
	// Incarnation tells the runs of one replica apart: every start takes a larger one
	// (DISC 2017, section 3). 0 means "never heard of it".
	Incarnation uint64
	// Chain is a hash of a log entry and of every entry before it.
	Chain uint64
)

// A Peer is the identity of one end of a message: a replica's number (1 … ReplicaMax, chosen by the
// operator and never given to another machine) or a client-id (see ClientPeer).
type Peer uint64

const (
	// ReplicaMax is the largest number a replica can have. It fits the home bits of a client-id.
	ReplicaMax Peer = 1<<16 - 1
	// MembersMax bounds the replicas of one configuration, and with them every crash vector,
	// vote table and list of members on the wire.
	MembersMax = 9
)

// ClientPeer makes a client-id. The upper 48 bits of random must be the caller's to choose and
// differ between clients; home is the replica in whose process the client lives, 0 for a
// program of its own. The home bits tell a replica where to send a reply without any table.
func ClientPeer(random uint64, home Peer) Peer {
	return Peer(random)&^ReplicaMax | 1<<63 | home&ReplicaMax
}

// IsReplica tells whether p is a replica's number.
func (p Peer) IsReplica() bool { return 1 <= p && p <= ReplicaMax }

// IsClient tells whether p is a client-id.
func (p Peer) IsClient() bool { return p>>63 == 1 }

// Home returns the replica in whose process client p lives, or 0.
func (p Peer) Home() Peer { return p & ReplicaMax }

// String writes the first half of the hash, which is enough to tell logs apart by eye.
func (c Chain) String() string { return fmt.Sprintf("%08x", uint64(c)>>32) }

// String writes a replica as its number and a client as c and eight hexadecimal digits.
func (p Peer) String() string {
	if p.IsClient() {
		return fmt.Sprintf("c%08x", uint32(p>>16))
	}
	return strconv.FormatUint(uint64(p), 10)
}

// A ClusterID names one group for ever. Form makes it, at random; the zero value means that its
// holder does not belong to a group, or has forgotten it with the rest of its memory.
type ClusterID [16]byte

// String writes the id as 32 hexadecimal digits.
func (c ClusterID) String() string { return hex.EncodeToString(c[:]) }

// IsZero tells whether c names no group.
func (c ClusterID) IsZero() bool { return c == ClusterID{} }

// A Member is a replica of a configuration: the machine and the run of it that was listed.
// Their order in the configuration decides who is the primary of a view.
type Member struct {
	ID          Peer
	Incarnation Incarnation
}

// Status is what a replica is doing (VR Revisited, section 4).
type Status uint8

const (
	// StatusRecovering: it has no memory (yet) and takes part in nothing.
	StatusRecovering Status = iota + 1
	// StatusNormal: it takes part in its view.
	StatusNormal
	// StatusViewChange: it has promised a view that has not started for it.
	StatusViewChange
	// StatusHalted: it found that going on would be wrong, and stopped for ever.
	StatusHalted
)

var statusNames = [...]string{StatusRecovering: "recovering", StatusNormal: "normal", StatusViewChange: "view-change", StatusHalted: "halted"}

func (s Status) String() string { return name(statusNames[:], int(s), "status") }

// Outcome is what became of one client op.
type Outcome uint8

const (
	// OutcomeDone: executed once; the body is the state machine's result.
	OutcomeDone Outcome = iota + 1
	// OutcomeSessionExpired: not executed: the session was evicted or never was.
	OutcomeSessionExpired
	// OutcomeTooOld: executed earlier, but its result is no longer kept.
	OutcomeTooOld
	// OutcomeGap: not executed: an earlier request of the session is missing.
	OutcomeGap
)

var outcomeNames = [...]string{OutcomeDone: "done", OutcomeSessionExpired: "session-expired", OutcomeTooOld: "too-old", OutcomeGap: "gap"}

func (o Outcome) String() string { return name(outcomeNames[:], int(o), "outcome") }

// Refusal is why a replica did not take a client's request.
type Refusal uint8

const (
	// RefusalNotPrimary: another replica is the primary of the header's view.
	RefusalNotPrimary Refusal = iota + 1
	// RefusalBusy: the window of uncommitted ops or the log is full; try again later.
	RefusalBusy
	// RefusalWrongCluster: the client belongs to another group, possibly one that was lost here.
	RefusalWrongCluster
)

var refusalNames = [...]string{RefusalNotPrimary: "not-primary", RefusalBusy: "busy", RefusalWrongCluster: "wrong-cluster"}

func (r Refusal) String() string { return name(refusalNames[:], int(r), "refusal") }

func name(names []string, i int, what string) string {
	if i < len(names) && names[i] != "" {
		return names[i]
	}
	return what + "(" + strconv.Itoa(i) + ")"
}
