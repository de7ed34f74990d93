package vr

import (
	"fmt"
	"strconv"

	"vrnode/wire"
)

// An Event is something worth telling people, never something that the protocol depends on.
type Event struct {
	Kind EventKind
	// View, Op and Peer are what the kind says; zero where it says nothing.
	View wire.ViewNumber
	Op   wire.OpNumber
	Peer wire.Peer
	// Message and Reason belong to EventIgnored, Reason alone to EventHalted.
	Message wire.Kind
	Reason  Reason
}

// EventKind tells what happened.
type EventKind uint8

// The kinds of event.
const (
	EventIgnored           EventKind = iota + 1 // a message of Peer was ignored for Reason
	EventFormed                                 // the group was formed; View is 0
	EventSuspected                              // votes to leave View: its primary Peer is silent
	EventViewChangeStarted                      // promised View, whose primary is Peer
	EventViewStarted                            // normal in View, whose primary is Peer; Op is the head
	EventCommitted                              // the commit-number rose to Op
	EventRecovering                             // has no memory and asks the others
	EventRecovered                              // memory restored up to Op, normal in View
	EventPeerRestarted                          // Peer lost its memory and has come back
	EventGroupLost                              // more members are without memory than the group survives
	EventAbdicated                              // a primary that nobody answers stopped its heartbeats
	EventFetching                               // asked Peer for the log up to Op
	EventHalted                                 // stopped for ever, for Reason
	EventCheckpoint                             // took a checkpoint of the state at Op
	EventNeedsState                             // needs a state, because nobody's log begins before Op
	EventStateInstalled                         // has the state at Op of another replica
	EventNeedsBase                              // is to hold the state at Op, which Peer has, for a new group
	EventHolds                                  // holds it
	EventUnread                                 // is a member of that group, and could not read it
)

var eventNames = [...]string{
	EventIgnored: "ignored", EventFormed: "formed", EventSuspected: "suspected",
	EventViewChangeStarted: "view-change-started", EventViewStarted: "view-started",
	EventCommitted: "committed", EventRecovering: "recovering", EventRecovered: "recovered",
	EventPeerRestarted: "peer-restarted", EventGroupLost: "group-lost", EventAbdicated: "abdicated",
	EventFetching: "fetching", EventHalted: "halted", EventCheckpoint: "checkpoint",
	EventNeedsState: "needs-state", EventStateInstalled: "state-installed",
	EventNeedsBase: "needs-base", EventHolds: "holds", EventUnread: "unread",
}

func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "event(" + strconv.Itoa(int(k)) + ")"
}

// String writes the event as in traces.
func (e Event) String() string {
	switch e.Kind {
	case EventIgnored:
		return fmt.Sprintf("ignored %v from %v: %v", e.Message, e.Peer, e.Reason)
	case EventHalted:
		return fmt.Sprintf("halted: %v", e.Reason)
	case EventCommitted:
		return fmt.Sprintf("committed k=%d", e.Op)
	case EventCheckpoint, EventNeedsState, EventStateInstalled, EventNeedsBase, EventHolds, EventUnread:
		return fmt.Sprintf("%v n=%d", e.Kind, e.Op)
	case EventFetching:
		return fmt.Sprintf("fetching n=%d from %v", e.Op, e.Peer)
	case EventPeerRestarted, EventGroupLost, EventRecovering:
		return fmt.Sprintf("%v %v", e.Kind, e.Peer)
	}
	return fmt.Sprintf("%v v=%d n=%d peer=%v", e.Kind, e.View, e.Op, e.Peer)
}
