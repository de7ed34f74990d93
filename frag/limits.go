package frag

import (
	"math"
	"time"

	"vrnode/wire"
)

// A Lane is a priority class of messages: 0 is the most urgent, 3 the least.
type Lane uint8

const (
	// LanesMax is the number of lanes.
	LanesMax = wire.LanesMax
	// MessageMax bounds a message of a lane, in bytes. Send refuses longer ones.
	MessageMax = wire.MessageMax
	// SlotsMax is the number of slots of a peer.
	SlotsMax = wire.SlotsMax
	// SlotMax bounds a message in a slot, in bytes: it goes into one datagram.
	SlotMax = wire.LatestMax
	// Never is the Deadline of an endpoint that waits for nothing.
	Never = time.Duration(math.MaxInt64)
)

// Memory. Each bound is hard: what would exceed it is refused and counted, and whoever sent it
// sends it again.
const (
	// queueMessagesMax bounds the messages of a lane that are queued or unacknowledged.
	queueMessagesMax = 4096
	// queueBytesMax bounds their buffers. At either bound Send says false.
	queueBytesMax = 16 << 20
	// sendBudget bounds the buffers of all queued messages of an endpoint.
	sendBudget = 256 << 20
	// receiveBudget bounds the incomplete messages of an endpoint, and clientBudget those from
	// clients among them, so that clients can not keep replicas from talking.
	receiveBudget = 256 << 20
	clientBudget  = 64 << 20
	// ClientsMax bounds the clients of an endpoint. The one heard least recently makes room.
	ClientsMax = 4096
	// clientOffersMax and replicaOffersMax bound the handshakes that others have begun and not
	// finished, of all clients and of each replica. The oldest makes room; its initiator finds
	// out by a RESET and begins again.
	clientOffersMax  = 256
	replicaOffersMax = 2
	// sentMax bounds the datagrams, and refsMax the frames in them, that a session keeps track
	// of. At the bound it sends nothing until one of them is acknowledged or lost.
	sentMax = 8192
	refsMax = 1 << 16
	// keptMax bounds the free buffers that an endpoint keeps for reuse.
	keptMax = 64 << 20
)

// Flow control. Both ends know these numbers, so no credit needs to be sent: a sender starts no
// message while those it has started and not seen acknowledged fill the window, hence a receiver
// never has more than a window of incomplete ones. Each window has room for the longest message.
const windowMessages = 1024

var windowBytes = [LanesMax]int{2 << 20, 8 << 20, 4 << 20, 8 << 20}

// Time.
const (
	// granularity is the least time difference that loss detection relies on.
	granularity = 50 * time.Microsecond
	// rttInitial stands for the round-trip time before the first sample.
	rttInitial = 20 * time.Millisecond
	// ackDelayMin and ackDelayMax bound how long an acknowledgement is held back. Within the least
	// an answer is usually on its way, which carries it: a datagram and a wake-up less.
	ackDelayMin = 300 * time.Microsecond
	ackDelayMax = 5 * time.Millisecond
	// ackEvery is after how many datagrams an acknowledgement is not held back at all.
	ackEvery = 4
	// probeMaxUrgent and probeMax bound the time between probes while nothing is heard, with and
	// without something urgent in flight.
	probeMaxUrgent = 200 * time.Millisecond
	probeMax       = time.Second
	// helloDelayMin and helloDelayMax bound the time between two HELLOs.
	helloDelayMin = 20 * time.Millisecond
	helloDelayMax = 500 * time.Millisecond
	// silenceMax is how long a session with unacknowledged datagrams survives without hearing
	// anything, and how long messages wait for a session.
	silenceMax = 5 * time.Second
	// cookieEvery is how long a cookie is given out. It is valid for as long again.
	cookieEvery = 2 * time.Minute
)

// What an endpoint does for strangers, per second and at once.
const (
	// resetRate and resetBurst bound the RESETs. Who gets none finds out by silence.
	resetRate  = 1000
	resetBurst = 128
	// denialRate and denialBurst bound the DENIALs that do not ask for a cookie. Who gets none
	// asks again.
	denialRate  = 100
	denialBurst = 32
	// unprovenRate and unprovenBurst bound the offers to addresses that may be forged. At the bound
	// a HELLO is answered with a cookie, at no cost in memory and in fewer bytes than it has.
	unprovenRate  = 100
	unprovenBurst = 128
	// provenRate and provenBurst bound the offers to those who came back with the cookie. At the
	// bound a HELLO is dropped, and comes again.
	provenRate  = 1000
	provenBurst = 256
)

// Loss detection and acknowledgements.
const (
	// reorderMin and reorderMax bound how many later datagrams must be acknowledged for one to
	// count as lost. The threshold rises when it was wrong.
	reorderMin = 3
	reorderMax = 128
	// ackRepeats is how often a range is acknowledged; the highest always is.
	ackRepeats = 8
	// bulkShare: one datagram in so many offers its room to lane 3 first.
	bulkShare = 16
	// fragmentMin is the least number of cells for which a fragment is begun in a datagram that
	// holds other frames.
	fragmentMin = 4
)

// Congestion control; see fixedWindow.
const (
	flightInitial = 64 << 10
	flightMin     = 32 << 10
	flightMax     = 4 << 20
	// flightUrgent is how much more may be in flight for the sake of slots and lanes 0 and 1.
	flightUrgent = 64 << 10
)
