package vr

import (
	"vrnode/internal/slab"
	"vrnode/wire"
)

// Effects collects what a call wants done. The caller owns it, passes it to any number of calls
// and empties it with Reset. Everything in it, messages included, is valid until Reset.
//
// The order of Messages is the order to send them in; each may be lost, delayed or duplicated.
// Ignoring Events is always safe.
type Effects struct {
	Messages []wire.Envelope
	Results  []Result // a Client's finished requests
	Events   []Event
	// Tail are committed ops that follow the state which is being brought, nil if Step was not given any. Whoever brings the
	// state keeps them, and tells so by Expect. Like what Step was given they are only valid until the next call.
	Tail *wire.Log

	prepares   slab.Of[wire.Prepare]
	prepareOKs slab.Of[wire.PrepareOK]
	commits    slab.Of[wire.Commit]
	commitAcks slab.Of[wire.CommitAck]
	requests   slab.Of[wire.Request]
	replies    slab.Of[wire.Reply]
	logs       slab.Of[wire.Log]
}

// A Result is the end of one request of a Client.
type Result struct {
	Request wire.RequestNumber
	Outcome wire.Outcome
	Body    []byte
}

// Reset empties e and takes back what it lent.
func (e *Effects) Reset() {
	e.Messages, e.Results, e.Events, e.Tail = e.Messages[:0], e.Results[:0], e.Events[:0], nil
	e.prepares.Reset()
	e.prepareOKs.Reset()
	e.commits.Reset()
	e.commitAcks.Reset()
	e.requests.Reset()
	e.replies.Reset()
	e.logs.ResetTo(logsMax) // each is large
}

func (e *Effects) event(v Event) { e.Events = append(e.Events, v) }
