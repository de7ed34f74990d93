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
	// receiveBudget bounds the incomplete messages of an endpoint, together with what compressed ones
	// have become since the effects were reset, and clientBudget those from clients among them, so
	// that clients can not keep replicas from talking.
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
	// freeOpenMax bounds the free openMessages that are kept likewise: one for every lane of some
	// dozens of peers that send long messages at a time.
	freeOpenMax = 256
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
	// reorderMin is how many later datagrams must be acknowledged at least for one to count as
	// lost; at most it is sentMax. patienceMax is how long loss detection waits; see reordering.
	// rightMax is after how many losses in a row it becomes less patient again.
	reorderMin  = 3
	patienceMax = 16
	rightMax    = 64
	// ackRepeats is how often a range is acknowledged; the highest always is.
	ackRepeats = 8
	// bulkShare: one datagram in so many offers its room to lane 3 first.
	bulkShare = 16
	// fragmentMin is the least number of cells for which a fragment is begun in a datagram that
	// holds other frames.
	fragmentMin = 4
)

// How long datagrams may be; see pathSize.
const (
	// pathTries is how often a length is tried, pathPatience the least time between two probes.
	pathTries    = 3
	pathPatience = 5 * time.Millisecond
	// pathRaise is when the path may have become better than it was in a search, pathPause when it
	// is looked at again after it has become worse.
	pathRaise = 600 * time.Second
	pathPause = 10 * time.Second
	// The path has become worse if holeLosses long datagrams in a row are lost, over holeTrips
	// round trips and holeSpan; or if nothing answers holeProbes probes of loss detection nor is
	// heard for holeSilence, which is longer than a busy peer has to wait for its turn.
	holeLosses  = 6
	holeTrips   = 2
	holeSpan    = 25 * time.Millisecond
	holeProbes  = 2
	holeSilence = 150 * time.Millisecond
)

// Congestion control; see control. Lengths are in bytes.
const (
	// flightInitial is the window before anything is known, and the least of startup; flightMin is
	// the least afterwards, in datagrams, flightMax the greatest. No lane has a larger window, see
	// windowBytes.
	flightInitial = 32 << 10
	flightMin     = 4
	flightMax     = 8 << 20
	// flightUrgent is how much more may be in flight, or ahead of the pace, for the sake of slots
	// and lanes 0 and 1.
	flightUrgent = 64 << 10
	// ratesKept is for how many rounds a measured rate is believed, rateMax what is believed at
	// all, in bytes per second.
	ratesKept = 10
	rateMax   = 100e9
	// leastLife is for how long the least round-trip time is believed if it is not seen again.
	leastLife = 10 * time.Second
	// evidence is how many datagrams of a round must have arrived for it to show congestion.
	evidence = 32
	// There is a queue if every round trip of a round is longer than the least one by a part of it,
	// one in queueShare, and queueLeast on top. After queuedMax such rounds in a row it is looked
	// into whether the path has become longer.
	queueShare = 4
	queueLeast = 4 * granularity
	queuedMax  = 4
	// There is more loss than usual if it is more than twice the usual share, lossAccepted percent
	// and lossNoise datagrams; in startup, also if it is more than lossStartup percent and lossNoise.
	// The usual share is a mean in which a round weighs one in lossWeight. It is counted in percent
	// of lossUnit.
	lossAccepted = 15
	lossStartup  = 25
	lossNoise    = 8
	lossWeight   = 16
	lossUnit     = 100
	// spreadMax bounds what is in flight for the sake of jitter, if the least round-trip time does
	// not allow more.
	spreadMax = time.Millisecond
	// staleMax is after how many rounds without growth startup is over.
	staleMax = 3
	// A turn is a least round-trip time, but not less than turnLeast. Draining takes drainTurns at
	// most, and cruise cruiseTurns more than one.
	turnLeast   = time.Millisecond
	drainTurns  = 4
	cruiseTurns = 5
	// paceLeast: where the least round trip is shorter, acknowledgements give the pace.
	paceLeast = 300 * time.Microsecond
	// What is sent at once is what the path carries in half a round trip, within these bounds.
	quantumMin      = 100 * time.Microsecond
	quantumMax      = 250 * time.Microsecond
	quantumBytesMax = 64 << 10
	// backoffForgets is after how many probes without an answer the path is taken for a new one.
	backoffForgets = 3
)

// Compression; see compress.go.
const (
	// compressSpeed is how many bytes per second a core compresses at least while it is busy with
	// other things as well. One that is not does several times as much.
	compressSpeed = 300e6
	// compressSample is how many bytes at the beginning of a message tell whether it shrinks, which
	// they do if they become shorter by compressLeast percent.
	compressSample = 4 << 10
	compressLeast  = 15
)
