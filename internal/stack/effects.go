package stack

import (
	"vrnode/frag"
	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// Effects collects what a call wants done. The caller owns it, passes it to any number of calls
// and empties it with Reset. Everything in it is valid until Reset.
type Effects struct {
	Datagrams []wire.Datagram // to be sent, in this order
	Results   []vr.Result     // of the client's requests
	Events    []vr.Event
	Transfers []statexfer.Event // of states, given and fetched
	Jobs      []Job             // to be run, and to be taken out before Reset
	Sent      []wire.Envelope   // what the machines said, to each other as well; for those who watch. The bytes of a Piece are the transport's

	protocol  vr.Effects
	transport frag.Effects
	states    statexfer.Effects
}

// Reset empties e and takes back what it lent.
func (e *Effects) Reset() {
	e.protocol.Reset()
	e.transport.Reset()
	e.states.Reset()
	e.Sent = e.Sent[:0]
	e.publish()
}

func (e *Effects) publish() {
	e.Datagrams, e.Results, e.Events = e.transport.Datagrams, e.protocol.Results, e.protocol.Events
	e.Transfers, e.Jobs = e.states.Events, e.states.Jobs
}
