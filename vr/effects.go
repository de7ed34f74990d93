package vr

import "vrnode/wire"

// Effects collects what a call wants done. The caller owns it, passes it to any number of calls
// and empties it with Reset. Everything in it, messages included, is valid until Reset.
//
// The order of Messages is the order to send them in; each may be lost, delayed or duplicated.
// Ignoring Events is always safe.
type Effects struct {
	Messages []wire.Envelope
	Results  []Result // a Client's finished requests
	Events   []Event

	prepares   slab[wire.Prepare]
	prepareOKs slab[wire.PrepareOK]
	commits    slab[wire.Commit]
	commitAcks slab[wire.CommitAck]
	requests   slab[wire.Request]
	replies    slab[wire.Reply]
}

// A Result is the end of one request of a Client.
type Result struct {
	Request wire.RequestNumber
	Outcome wire.Outcome
	Body    []byte
}

// Reset empties e and takes back what it lent.
func (e *Effects) Reset() {
	e.Messages, e.Results, e.Events = e.Messages[:0], e.Results[:0], e.Events[:0]
	e.prepares.used, e.prepareOKs.used, e.commits.used = 0, 0, 0
	e.commitAcks.used, e.requests.used, e.replies.used = 0, 0, 0
}

func (e *Effects) event(v Event) { e.Events = append(e.Events, v) }

// A slab lends messages of one kind, so that the hot path does not allocate. A lent message still
// holds the slices of its former life, for their memory.
type slab[T any] struct {
	items []*T
	used  int
}

func (s *slab[T]) take() *T {
	if s.used == len(s.items) {
		s.items = append(s.items, new(T))
	}
	s.used++
	return s.items[s.used-1]
}
