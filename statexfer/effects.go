package statexfer

import (
	"fmt"
	"io"
	"strconv"

	"vrnode/internal/slab"
	"vrnode/wire"
)

// Effects collects what a call wants done. The caller owns it, passes it to any number of calls of
// both machines and empties it with Reset. Everything in it but the jobs, and what they and a Ready
// refer to, is valid until Reset.
type Effects struct {
	// Messages are to be sent. Of their headers only From is filled in; a Piece is sealed in its parcel already.
	Messages []wire.Envelope
	// Jobs are to be run.
	Jobs []Job
	// Ready is the end of a transfer, or nil.
	Ready  *Ready
	Events []Event

	getBlocks slab.Of[wire.GetBlocks]
	getPieces slab.Of[wire.GetPiece]
	manifests slab.Of[wire.Manifest]
	blocks    slab.Of[wire.Blocks]
	read      []*readJob
}

// A Ready is a checkpoint of which the target has the whole. The runtime restores it, outside of the
// thread of the protocol, and then calls Target.Restored.
type Ready struct {
	Checkpoint // without State
	// State reads what State of the source's checkpoint wrote.
	State io.Reader
	Size  uint64
}

// Reset empties e and takes back what it lent.
func (e *Effects) Reset() {
	for _, j := range e.read {
		j.busy = false
	}
	clear(e.Jobs)
	e.Messages, e.Jobs, e.Ready, e.Events, e.read = e.Messages[:0], e.Jobs[:0], nil, e.Events[:0], e.read[:0]
	e.getBlocks.Reset()
	e.getPieces.Reset()
	e.manifests.Reset()
	e.blocks.Reset()
}

func (e *Effects) send(from, to wire.Peer, m wire.Message) {
	e.Messages = append(e.Messages, wire.Envelope{Header: wire.Header{From: from}, To: to, Message: m})
}

// An Event is something worth telling people, never something that the transfer depends on.
type Event struct {
	Kind EventKind
	// Op is the op-number of the checkpoint, 0 if there is none yet.
	Op wire.OpNumber
	// Peer is the other end, if the event is about one.
	Peer wire.Peer
	// Percent belongs to EventProgress.
	Percent int
	// Total are the bytes of the checkpoint, Moved those that came in pieces since the transfer began;
	// they belong to EventProgress and EventWhole, and Total to EventTail.
	Total, Moved uint64
	// Err belongs to EventFailed.
	Err error
}

// EventKind tells what happened.
type EventKind uint8

// The kinds of event.
const (
	EventServing       EventKind = iota + 1 // source: a transfer to Peer began
	EventWritten                            // source: the checkpoint is in a spool and can be fetched
	EventStarted                            // target: a state is needed
	EventChosen                             // target: fetches the checkpoint that Peer offered
	EventReplaced                           // target: fetches that one now, and keeps what is equal
	EventProgress                           // target: Percent of it are there
	EventWrong                              // target: Peer sent something that is not what it should be
	EventSilent                             // target: Peer does not answer
	EventDifferentRoot                      // target: Peer has another state at Op than the others
	EventWhole                              // target: all of it is there, and is restored
	EventOutrun                             // target: all of it is there, but the log after it is not any more
	EventTail                               // target: it is read, and Total bytes of what follows, up to Op, are executed
	EventRestored                           // target: it is restored
	EventFailed                             // the spool or restoring failed with Err; it will be tried again
)

var eventNames = [...]string{
	EventServing: "serving", EventWritten: "written", EventStarted: "transfer-started", EventChosen: "transfer-chosen",
	EventReplaced: "transfer-replaced", EventProgress: "transfer-progress", EventWrong: "wrong-piece", EventSilent: "silent-source",
	EventDifferentRoot: "different-root", EventWhole: "transfer-whole", EventTail: "transfer-tail", EventRestored: "transfer-restored", EventOutrun: "transfer-outrun",
	EventFailed: "transfer-failed",
}

func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "event(" + strconv.Itoa(int(k)) + ")"
}

// String writes the event as in traces.
func (e Event) String() string {
	s := fmt.Sprintf("%v n=%d", e.Kind, e.Op)
	if e.Peer != 0 {
		s += fmt.Sprintf(" peer=%v", e.Peer)
	}
	if e.Kind == EventProgress {
		s += fmt.Sprintf(" percent=%d", e.Percent)
	}
	if e.Err != nil {
		s += " " + e.Err.Error()
	}
	return s
}

// A Reason is why a message was ignored.
type Reason uint8

// The reasons.
const (
	ReasonNotForUs  Reason = iota + 1 // of a kind that this machine does not take
	ReasonStranger                    // not from a replica, or from one that was not named as a donor
	ReasonIdle                        // no transfer is under way
	ReasonUnasked                     // answers nothing that is being waited for
	ReasonMalformed                   // contradicts itself or the manifest
	ReasonOld                         // offers a checkpoint that is too old

	reasonMax = ReasonOld
)

var reasonNames = [...]string{
	ReasonNotForUs: "not-for-us", ReasonStranger: "stranger", ReasonIdle: "idle", ReasonUnasked: "unasked",
	ReasonMalformed: "malformed", ReasonOld: "old",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}
