package wire

// The messages of the protocol, one struct each. Those of the paper have the paper's names; what
// each of them means, and where we differ, is in vr/PROTOCOL.md. A walk method is the layout of
// its message: see coder.

// ---- clients and the normal case (VR Revisited, section 4.1)

// Register asks for a session. The reply is Registered.
type Register struct{}

// Registered tells a client the number of its session.
type Registered struct {
	Client  Peer
	Session SessionNumber
}

// Request carries one or more commands of a client, with consecutive request-numbers from First.
type Request struct {
	Session  SessionNumber
	First    RequestNumber
	Acked    RequestNumber
	Commands Commands
}

// Reply carries the results of consecutive requests from First.
type Reply struct {
	Client  Peer
	Session SessionNumber
	First   RequestNumber
	Results Results
}

// Refused tells a client that its Register or Request was not taken. The header's view is the
// sender's; Primary is the primary of that view.
type Refused struct {
	Client  Peer
	Why     Refusal
	Primary Peer
}

// Prepare is the primary's proposal of the ops First, First+1 …
type Prepare struct {
	First     OpNumber
	PrevChain Chain
	Commit    OpNumber
	Entries   Entries
}

// PrepareOK says: in the header's view my log is complete up to Op. It is cumulative.
type PrepareOK struct {
	Op OpNumber
}

// Commit is the primary's heartbeat.
type Commit struct {
	Seq         uint64
	Commit      OpNumber
	CommitChain Chain
}

// CommitAck answers a Commit: it says what PrepareOK says, and that the sender was in the view
// when it received the heartbeat Seq.
type CommitAck struct {
	Seq uint64
	Op  OpNumber
}

// ---- view change (section 4.2)

// StartViewChange is a vote to leave the header's view. It promises nothing.
type StartViewChange struct{}

// JoinView says that the header's view is being started.
type JoinView struct{}

// DoViewChange is a promise: the sender will act in no view below the header's. The log that it
// describes is frozen until the view starts.
type DoViewChange struct {
	LastNormal  ViewNumber
	Op          OpNumber
	Commit      OpNumber
	CrashVector []Member
}

// StartView gives the initial log of the header's view: what was committed up to Base, whose
// chain is BaseChain, and the entries Base+1 … Op.
type StartView struct {
	Op        OpNumber
	Commit    OpNumber
	Base      OpNumber
	BaseChain Chain
	Entries   Entries
}

// GetView asks the primary of the header's view for a StartView.
type GetView struct{}

// ViewChangeProgress keeps the others from giving up on a new primary that is still fetching.
type ViewChangeProgress struct {
	Have OpNumber
	Need OpNumber
}

// ---- state transfer (section 5.2)

// GetLog asks for the ops From … To of the log of view LastNormal, in so many Logs at most; 0 is as good
// as 1. To may be beyond all that there are. The sender has all up to Has; what is between may be under way.
type GetLog struct {
	LastNormal ViewNumber
	Has        OpNumber
	From       OpNumber
	To         OpNumber
	Logs       uint64
}

// Log answers GetLog with as many of the ops as fit; none means that the sender may not or can
// not give them. The entries belong to the log of view LastNormal; those up to Commit are
// committed. The last Log of the same answer ends with op Last. Without entries, Last is First - 1 if the
// sender's log begins with First, and else 0.
type Log struct {
	LastNormal ViewNumber
	First      OpNumber
	PrevChain  Chain
	Commit     OpNumber
	Last       OpNumber
	Entries    Entries
}

// ---- birth and recovery (section 4.3)

// A Base is the state that a group begins with: that after an op of an earlier group. All of it is zero
// if that is none.
type Base struct {
	Op    OpNumber
	Chain Chain
	// Root is that of the manifest of the state. It stands for all of its bytes.
	Root Digest
}

// IsZero tells whether there is none.
func (b *Base) IsZero() bool { return *b == Base{} }

// Form creates a group: every listed incarnation starts in view 0, with an empty log or with the state
// Base, which it must hold.
type Form struct {
	Members []Member
	Base    Base
}

// FetchBase asks a replica without memory to fetch a state from the sender, and to hold it for a Form
// that names it.
type FetchBase struct{ Base Base }

// Recovery says that the header's incarnation has just started, without memory.
type Recovery struct{}

// RecoveryResponse answers Recovery.
type RecoveryResponse struct {
	ForIncarnation Incarnation
	IsPrimary      bool
	Op             OpNumber
	Commit         OpNumber
	Members        []Member
	CrashVector    []Member
}

// RecoveringToo answers Recovery from a replica that is recovering itself. It counts for nothing
// but the diagnosis that the group has lost its memory.
type RecoveringToo struct{}

// StaleIncarnation tells the sender of a message that a later incarnation of it is known.
type StaleIncarnation struct {
	Known Incarnation
}

// ---- operation

// Probe asks a replica how it is.
type Probe struct {
	Seq uint64
}

// ProbeReply says how a replica is. It also answers a client that asks a recovering replica for
// service, with Seq 0.
type ProbeReply struct {
	Seq         uint64
	Status      Status
	LastNormal  ViewNumber
	Op          OpNumber
	Commit      OpNumber
	Applied     OpNumber
	GroupLost   bool
	Members     []Member
	Peers       []PeerReport
	ClientCount uint64
	// Held is the root of the state that a replica without memory holds for a new group, or zero.
	Held Digest
	// LogBase is the op up to which the log has forgotten its ops, Checkpoint that of the newest checkpoint.
	LogBase, Checkpoint OpNumber
	// Transfer is how far the replica is with fetching a state.
	Transfer TransferReport
}

// A TransferReport is how far a replica is with fetching a state. All else is zero while it is idle.
type TransferReport struct {
	Phase TransferPhase
	// Op is that of the checkpoint, 0 if it is not chosen yet.
	Op OpNumber
	// Total are its bytes, Have those that are there, Moved those that were sent for it and for those before.
	Total, Have, Moved uint64
	// Rate is how many bytes per second become available, and LeftMillis how many ms the rest will take;
	// all ones if that is not known.
	Rate, LeftMillis uint64
	// Sources counts the replicas that it comes from.
	Sources uint64
}

// A PeerReport is what a replica knows of another one.
type PeerReport struct {
	ID Peer
	// Op is the highest op the peer has acknowledged in this view; only a primary knows it.
	Op OpNumber
	// HeardMicros is how long ago the peer was heard last, in µs; all ones means never.
	HeardMicros uint64
	// RTTMicros is the smoothed round-trip time, in µs; 0 means not known.
	RTTMicros uint64
	// Sent counts the datagrams that were sent to the peer, and Lost those of them that are taken
	// for lost. Again counts the fragments and slot messages that were sent once more.
	Sent, Lost, Again uint64
}

// TakeCheckpoint asks the primary to have all replicas take a checkpoint at the same op, at MinOp or
// above, unless they have one.
type TakeCheckpoint struct {
	MinOp OpNumber
}

// ---- transfer of a state (section 5)

// GetManifest asks for a part of the manifest of a checkpoint: of the one at Op or, if that is 0,
// of one at MinOp or above that the source chooses.
type GetManifest struct {
	MinOp OpNumber
	Op    OpNumber
	Part  uint64
}

// Manifest is part number Part of a manifest: what the checkpoint is, and which chunks it consists
// of. All parts but the last have ManifestMax chunks. Root is over all of it.
type Manifest struct {
	Op      OpNumber
	Chain   Chain
	Epoch   EpochNumber
	Members []Member
	Total   uint64
	Count   uint64
	Root    Digest
	Part    uint64
	Chunks  []Chunk
}

// GetBlocks asks which blocks a chunk consists of.
type GetBlocks struct {
	Op    OpNumber
	Chunk uint64
}

// Blocks answers GetBlocks.
type Blocks struct {
	Op     OpNumber
	Chunk  uint64
	Blocks []Block
}

// GetPiece asks for runs of bytes of a chunk.
type GetPiece struct {
	Op    OpNumber
	Chunk uint64
	Runs  []Run
}

// Piece answers GetPiece: the bytes of each run, in the same order.
type Piece struct {
	Op    OpNumber
	Chunk uint64
	Parts Parts
}

// TransferRefused answers what a source does not give: a chunk, or the manifest if Chunk is
// NoChunk. Prepares is the checkpoint that the sender writes out, if it refuses for that.
type TransferRefused struct {
	Op          OpNumber
	Chunk       uint64
	Why         TransferRefusal
	RetryMillis uint64
	Prepares    OpNumber
}

func (*Register) walk(*coder) {}

func (m *Registered) walk(c *coder) {
	number(c, &m.Client, "c", "client-id")
	number(c, &m.Session, "session", "the client's session: the op-number of its Register")
}

func (m *Request) walk(c *coder) {
	number(c, &m.Session, "session", "the client's session")
	number(c, &m.First, "s", "request-number of the first command")
	number(c, &m.Acked, "acked", "the client holds the results of all requests up to this one")
	c.commands(&m.Commands, "commands", "consecutive commands")
}

func (m *Reply) walk(c *coder) {
	number(c, &m.Client, "c", "client-id")
	number(c, &m.Session, "session", "the client's session")
	number(c, &m.First, "s", "request-number of the first result")
	c.results(&m.Results, "results", "consecutive results")
}

func (m *Refused) walk(c *coder) {
	number(c, &m.Client, "c", "client-id")
	octet(c, &m.Why, RefusalNotPrimary, RefusalWrongCluster, "why", "1 not the primary, 2 busy, 3 another cluster")
	number(c, &m.Primary, "primary", "the primary of the header's view, 0 if not known")
}

func (m *Prepare) walk(c *coder) {
	number(c, &m.First, "n", "op-number of the first entry")
	number(c, &m.PrevChain, "prev", "chain of the op before it")
	number(c, &m.Commit, "k", "commit-number")
	c.entries(&m.Entries, "entries", "consecutive entries")
}

func (m *PrepareOK) walk(c *coder) {
	number(c, &m.Op, "n", "the log is complete up to this op-number")
}

func (m *Commit) walk(c *coder) {
	number(c, &m.Seq, "seq", "strictly increasing within a view and an incarnation")
	number(c, &m.Commit, "k", "commit-number")
	number(c, &m.CommitChain, "chain", "chain of the last committed op")
}

func (m *CommitAck) walk(c *coder) {
	number(c, &m.Seq, "seq", "the heartbeat that is answered")
	number(c, &m.Op, "n", "the log is complete up to this op-number")
}

func (*StartViewChange) walk(*coder) {}

func (*JoinView) walk(*coder) {}

func (m *DoViewChange) walk(c *coder) {
	number(c, &m.LastNormal, "v'", "last view whose complete initial log the sender installed")
	number(c, &m.Op, "n", "op-number of the last entry")
	number(c, &m.Commit, "k", "commit-number")
	c.members(&m.CrashVector, "cv", "crash vector")
}

func (m *StartView) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the last entry")
	number(c, &m.Commit, "k", "commit-number")
	number(c, &m.Base, "base", "the entries begin after this committed op")
	number(c, &m.BaseChain, "chain", "chain of the op at base")
	c.entries(&m.Entries, "entries", "the entries base+1 … n")
}

func (*GetView) walk(*coder) {}

func (m *ViewChangeProgress) walk(c *coder) {
	number(c, &m.Have, "have", "fetched up to this op-number")
	number(c, &m.Need, "need", "op-number of the last entry to fetch")
}

func (m *GetLog) walk(c *coder) {
	number(c, &m.LastNormal, "v'", "the view whose log is wanted")
	number(c, &m.Has, "has", "the sender has all ops up to this one")
	number(c, &m.From, "from", "first op-number wanted")
	number(c, &m.To, "to", "last op-number wanted")
	number(c, &m.Logs, "logs", "how many Logs may answer; 0: one")
}

func (m *Log) walk(c *coder) {
	number(c, &m.LastNormal, "v'", "the view whose log the entries belong to")
	number(c, &m.First, "n", "op-number of the first entry")
	number(c, &m.PrevChain, "prev", "chain of the op before it")
	number(c, &m.Commit, "k", "the sender's commit-number")
	number(c, &m.Last, "last", "op-number of the last entry of the last Log of the same answer")
	c.entries(&m.Entries, "entries", "consecutive entries; none: the sender can not give them")
}

func (m *Form) walk(c *coder) {
	c.members(&m.Members, "members", "the configuration, in order")
	m.Base.walk(c)
}

func (m *FetchBase) walk(c *coder) { m.Base.walk(c) }

func (b *Base) walk(c *coder) {
	number(c, &b.Op, "base", "op-number of the state that the group begins with; 0: none, and the rest is 0")
	number(c, &b.Chain, "chain", "chain of that op")
	c.digest(&b.Root, "root", "digest of the manifest of that state")
}

func (m *TakeCheckpoint) walk(c *coder) {
	number(c, &m.MinOp, "min", "an older checkpoint is of no use")
}

func (*Recovery) walk(*coder) {}

func (m *RecoveryResponse) walk(c *coder) {
	number(c, &m.ForIncarnation, "for", "the incarnation that is answered")
	c.flag(&m.IsPrimary, "primary", "1 if the sender is the primary of the header's view")
	number(c, &m.Op, "n", "op-number of the last entry")
	number(c, &m.Commit, "k", "commit-number")
	c.members(&m.Members, "members", "the configuration, in order")
	c.members(&m.CrashVector, "cv", "crash vector")
}

func (*RecoveringToo) walk(*coder) {}

func (m *StaleIncarnation) walk(c *coder) {
	number(c, &m.Known, "known", "the later incarnation")
}

func (m *Probe) walk(c *coder) {
	number(c, &m.Seq, "seq", "comes back in the reply; not 0")
}

func (m *ProbeReply) walk(c *coder) {
	number(c, &m.Seq, "seq", "the probe that is answered, 0 if a request is")
	octet(c, &m.Status, StatusRecovering, StatusHalted, "status", "1 recovering, 2 normal, 3 view-change, 4 halted")
	number(c, &m.LastNormal, "v'", "last normal view")
	number(c, &m.Op, "n", "op-number of the last entry")
	number(c, &m.Commit, "k", "commit-number")
	number(c, &m.Applied, "applied", "op-number of the last executed op")
	c.flag(&m.GroupLost, "lost", "1 if so many members are without memory that none can recover")
	c.members(&m.Members, "members", "the configuration, empty if not known")
	c.reports(&m.Peers, "peers", "what the sender knows of the other members")
	number(c, &m.ClientCount, "clients", "open client sessions")
	c.digest(&m.Held, "held", "root of the state that is held for a new group, zero if there is none")
	number(c, &m.LogBase, "base", "the log has forgotten the ops up to it")
	number(c, &m.Checkpoint, "checkpoint", "op-number of the newest checkpoint, 0 if there is none")
	t := &m.Transfer
	octet(c, &t.Phase, TransferIdle, TransferResting, "phase", "what it does to fetch a state, see the table of values")
	number(c, &t.Op, "state", "op-number of that state, 0 if it is not chosen yet")
	number(c, &t.Total, "total", "bytes of the state")
	number(c, &t.Have, "have", "those of them that are there")
	number(c, &t.Moved, "moved", "bytes that were sent for it")
	number(c, &t.Rate, "rate", "bytes per second that become available")
	number(c, &t.LeftMillis, "left", "how long the rest takes, in ms; all ones if that is not known")
	number(c, &t.Sources, "sources", "how many replicas it comes from")
}

func (m *GetManifest) walk(c *coder) {
	number(c, &m.MinOp, "min", "an older checkpoint is of no use")
	number(c, &m.Op, "n", "op-number of the checkpoint, 0 to let the source choose")
	number(c, &m.Part, "part", "the part that is wanted, from 0")
}

func (m *Manifest) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the checkpoint")
	number(c, &m.Chain, "chain", "chain of that op")
	number(c, &m.Epoch, "epoch", "epoch-number as of that op")
	c.members(&m.Members, "members", "the configuration as of that op, in order")
	number(c, &m.Total, "total", "bytes of the checkpoint")
	number(c, &m.Count, "count", "chunks of the checkpoint")
	c.digest(&m.Root, "root", "digest of the whole manifest")
	number(c, &m.Part, "part", "number of this part, from 0")
	list(c, &m.Chunks, &chunkList, "chunks", "the chunks from number part · ManifestMax on")
}

func (m *GetBlocks) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the checkpoint")
	number(c, &m.Chunk, "chunk", "number of the chunk, from 0")
}

func (m *Blocks) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the checkpoint")
	number(c, &m.Chunk, "chunk", "number of the chunk")
	list(c, &m.Blocks, &blockList, "blocks", "the blocks of the chunk, in order")
}

func (m *GetPiece) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the checkpoint")
	number(c, &m.Chunk, "chunk", "number of the chunk, from 0")
	list(c, &m.Runs, &runList, "runs", "the bytes that are wanted, in order")
}

func (m *Piece) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the checkpoint")
	number(c, &m.Chunk, "chunk", "number of the chunk")
	c.parts(&m.Parts, "parts", "the runs that were asked for")
}

func (m *TransferRefused) walk(c *coder) {
	number(c, &m.Op, "n", "op-number of the checkpoint, as in the request")
	number(c, &m.Chunk, "chunk", "number of the chunk, all ones if the manifest was asked for")
	octet(c, &m.Why, TransferBusy, TransferFailed, "refused", "see the table of values")
	number(c, &m.RetryMillis, "retry", "when to ask again, in ms from now")
	number(c, &m.Prepares, "prepares", "op-number of the checkpoint that is being prepared, 0 if none is")
}
