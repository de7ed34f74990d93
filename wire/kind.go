package wire

// Kind is the first byte of a message and tells its type. The numbers are part of the protocol.
type Kind uint8

// The kinds of message.
const (
	KindRegister Kind = iota + 1
	KindRegistered
	KindRequest
	KindReply
	KindRefused
	KindPrepare
	KindPrepareOK
	KindCommit
	KindCommitAck
	KindStartViewChange
	KindJoinView
	KindDoViewChange
	KindStartView
	KindGetView
	KindViewChangeProgress
	KindGetLog
	KindLog
	KindForm
	KindRecovery
	KindRecoveryResponse
	KindRecoveringToo
	KindStaleIncarnation
	KindProbe
	KindProbeReply
	KindGetManifest
	KindManifest
	KindGetBlocks
	KindBlocks
	KindGetPiece
	KindPiece
	KindTransferRefused
	KindTakeCheckpoint
	KindFetchBase

	// KindMax is the highest kind.
	KindMax = KindFetchBase
)

var kindNames = [...]string{
	KindRegister:           "Register",
	KindRegistered:         "Registered",
	KindRequest:            "Request",
	KindReply:              "Reply",
	KindRefused:            "Refused",
	KindPrepare:            "Prepare",
	KindPrepareOK:          "PrepareOK",
	KindCommit:             "Commit",
	KindCommitAck:          "CommitAck",
	KindStartViewChange:    "StartViewChange",
	KindJoinView:           "JoinView",
	KindDoViewChange:       "DoViewChange",
	KindStartView:          "StartView",
	KindGetView:            "GetView",
	KindViewChangeProgress: "ViewChangeProgress",
	KindGetLog:             "GetLog",
	KindLog:                "Log",
	KindForm:               "Form",
	KindRecovery:           "Recovery",
	KindRecoveryResponse:   "RecoveryResponse",
	KindRecoveringToo:      "RecoveringToo",
	KindStaleIncarnation:   "StaleIncarnation",
	KindProbe:              "Probe",
	KindProbeReply:         "ProbeReply",
	KindGetManifest:        "GetManifest",
	KindManifest:           "Manifest",
	KindGetBlocks:          "GetBlocks",
	KindBlocks:             "Blocks",
	KindGetPiece:           "GetPiece",
	KindPiece:              "Piece",
	KindTransferRefused:    "TransferRefused",
	KindTakeCheckpoint:     "TakeCheckpoint",
	KindFetchBase:          "FetchBase",
}

func (k Kind) String() string { return name(kindNames[:], int(k), "kind") }

// KindNamed returns the kind with a name, as String writes it.
func KindNamed(s string) (Kind, bool) {
	for k := KindRegister; k <= KindMax; k++ {
		if kindNames[k] == s {
			return k, true
		}
	}
	return 0, false
}

// A Message is one protocol message. The set is closed: only this package has any.
type Message interface {
	Kind() Kind
	walk(*coder)
}

// Kind returns KindRegister; the methods below do likewise.
func (*Register) Kind() Kind           { return KindRegister }
func (*Registered) Kind() Kind         { return KindRegistered }
func (*Request) Kind() Kind            { return KindRequest }
func (*Reply) Kind() Kind              { return KindReply }
func (*Refused) Kind() Kind            { return KindRefused }
func (*Prepare) Kind() Kind            { return KindPrepare }
func (*PrepareOK) Kind() Kind          { return KindPrepareOK }
func (*Commit) Kind() Kind             { return KindCommit }
func (*CommitAck) Kind() Kind          { return KindCommitAck }
func (*StartViewChange) Kind() Kind    { return KindStartViewChange }
func (*JoinView) Kind() Kind           { return KindJoinView }
func (*DoViewChange) Kind() Kind       { return KindDoViewChange }
func (*StartView) Kind() Kind          { return KindStartView }
func (*GetView) Kind() Kind            { return KindGetView }
func (*ViewChangeProgress) Kind() Kind { return KindViewChangeProgress }
func (*GetLog) Kind() Kind             { return KindGetLog }
func (*Log) Kind() Kind                { return KindLog }
func (*Form) Kind() Kind               { return KindForm }
func (*Recovery) Kind() Kind           { return KindRecovery }
func (*RecoveryResponse) Kind() Kind   { return KindRecoveryResponse }
func (*RecoveringToo) Kind() Kind      { return KindRecoveringToo }
func (*StaleIncarnation) Kind() Kind   { return KindStaleIncarnation }
func (*Probe) Kind() Kind              { return KindProbe }
func (*ProbeReply) Kind() Kind         { return KindProbeReply }
func (*GetManifest) Kind() Kind        { return KindGetManifest }
func (*Manifest) Kind() Kind           { return KindManifest }
func (*GetBlocks) Kind() Kind          { return KindGetBlocks }
func (*Blocks) Kind() Kind             { return KindBlocks }
func (*GetPiece) Kind() Kind           { return KindGetPiece }
func (*Piece) Kind() Kind              { return KindPiece }
func (*TransferRefused) Kind() Kind    { return KindTransferRefused }
func (*TakeCheckpoint) Kind() Kind     { return KindTakeCheckpoint }
func (*FetchBase) Kind() Kind          { return KindFetchBase }

// A Header is in front of every message.
type Header struct {
	Cluster     ClusterID
	Epoch       EpochNumber
	View        ViewNumber
	From        Peer
	Incarnation Incarnation
}

// An Envelope is a message, its header and where it goes. To is not on the wire: the session
// that a message comes by tells it.
type Envelope struct {
	Header
	To      Peer
	Message Message
}
