package stack

import (
	"strconv"
	"time"

	"vrnode/frag"
	"vrnode/wire"
)

// A route is how messages of one kind travel, and to which machines of a host they go.
type route struct {
	// slot: only the newest message of the kind matters, and the transport keeps only that, in
	// the slot of the kind's number. Otherwise every message counts and goes by the lane.
	slot bool
	lane frag.Lane
	to   machine
}

type machine uint8

const (
	toReplica machine = 1 << iota
	toClient
	toOperator
	toTransfer
)

// The lanes. Lane 0 is free: what is most urgent is in slots, which go before all lanes.
const (
	lanePrepare frag.Lane = 1 // what commits are waiting for
	laneClient  frag.Lane = 2
	laneBulk    frag.Lane = 3 // old parts of the log, and whole states
)

var routes = [wire.KindMax + 1]route{
	wire.KindRegister:           {lane: laneClient, to: toReplica},
	wire.KindRegistered:         {lane: laneClient, to: toClient},
	wire.KindRequest:            {lane: laneClient, to: toReplica},
	wire.KindReply:              {lane: laneClient, to: toClient},
	wire.KindRefused:            {lane: laneClient, to: toClient},
	wire.KindPrepare:            {lane: lanePrepare, to: toReplica},
	wire.KindPrepareOK:          {slot: true, to: toReplica},
	wire.KindCommit:             {slot: true, to: toReplica},
	wire.KindCommitAck:          {slot: true, to: toReplica},
	wire.KindStartViewChange:    {slot: true, to: toReplica},
	wire.KindJoinView:           {slot: true, to: toReplica},
	wire.KindDoViewChange:       {slot: true, to: toReplica},
	wire.KindStartView:          {lane: lanePrepare, to: toReplica},
	wire.KindGetView:            {slot: true, to: toReplica},
	wire.KindViewChangeProgress: {slot: true, to: toReplica},
	wire.KindGetLog:             {slot: true, to: toReplica},
	wire.KindLog:                {lane: laneBulk, to: toReplica},
	wire.KindForm:               {slot: true, to: toReplica},
	wire.KindRecovery:           {slot: true, to: toReplica},
	wire.KindRecoveryResponse:   {slot: true, to: toReplica},
	wire.KindRecoveringToo:      {slot: true, to: toReplica},
	wire.KindStaleIncarnation:   {slot: true, to: toReplica},
	wire.KindProbe:              {slot: true, to: toReplica},
	wire.KindProbeReply:         {slot: true, to: toClient | toOperator},
	wire.KindTakeCheckpoint:     {lane: laneClient, to: toReplica},
	wire.KindFetchBase:          {lane: laneClient, to: toReplica},
	wire.KindGetManifest:        {lane: laneBulk, to: toTransfer},
	wire.KindManifest:           {lane: laneBulk, to: toTransfer},
	wire.KindGetBlocks:          {lane: laneBulk, to: toTransfer},
	wire.KindBlocks:             {lane: laneBulk, to: toTransfer},
	wire.KindGetPiece:           {lane: laneBulk, to: toTransfer},
	wire.KindPiece:              {lane: laneBulk, to: toTransfer},
	wire.KindTransferRefused:    {lane: laneBulk, to: toTransfer},
}

// A Reason is why a host dropped a message. All of them count as loss to the machines.
type Reason uint8

// The reasons.
const (
	ReasonMalformed  Reason = iota + 1 // does not decode
	ReasonForged                       // from another sender than the session's peer
	ReasonNoMachine                    // for a machine that this host does not have, or no longer
	ReasonRefused                      // the transport did not take it: no session or no room
	ReasonLocalBound                   // more than localMax messages within the host

	reasonMax = ReasonLocalBound
)

var reasonNames = [...]string{
	ReasonMalformed: "malformed", ReasonForged: "forged", ReasonNoMachine: "no-machine",
	ReasonRefused: "refused", ReasonLocalBound: "local-bound",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}

func (h *Host) drop(r Reason) { h.dropped[r]++ }

// receive handles a message of the session with d.From. That peer speaks for itself and, if it is
// a replica, for the clients in its process.
func (h *Host) receive(now time.Duration, d frag.Delivery, out *Effects) {
	header, m, err := h.decoder.Decode(d.Bytes)
	if err != nil {
		h.drop(ReasonMalformed)
		return
	}
	if header.From != d.From && !(header.From.IsClient() && header.From.Home() == d.From) {
		h.drop(ReasonForged)
		return
	}
	if piece, ok := m.(*wire.Piece); ok {
		piece.Parts = piece.Parts.In(d.Parcel)
	}
	h.hand(now, header, m, out)
	h.send(now, out)
}

// hand gives a message to the machines that its kind is for.
func (h *Host) hand(now time.Duration, header *wire.Header, m wire.Message, out *Effects) {
	to := routes[m.Kind()].to
	if to&toReplica != 0 {
		if h.replica == nil {
			h.drop(ReasonNoMachine)
			return
		}
		h.replica.Step(now, header, m, &out.protocol)
		if ops := out.protocol.Tail; ops != nil {
			out.protocol.Tail = nil
			h.keepTail(now, ops, out)
		}
	}
	if to&toClient != 0 {
		h.client.Step(now, header, m, &out.protocol)
	}
	if to&toOperator != 0 {
		h.operator.Step(now, header, m, &out.protocol)
	}
	if to&toTransfer != 0 {
		h.handTransfer(now, header, m, out)
	}
}

// send sends off the messages that the machines have made. Those for a machine of this host are
// handed over on the spot; what they give rise to joins the end of the list. A message that goes
// to several peers in a row is encoded once.
func (h *Host) send(now time.Duration, out *Effects) {
	local := 0
	encoded := -1 // index of the message whose encoding h.encoded is
	for i := 0; i < len(out.protocol.Messages); i++ {
		e := out.protocol.Messages[i]
		if reply, ok := e.Message.(*wire.ProbeReply); ok {
			h.fillReport(now, reply)
		}
		peer := e.To
		if peer.IsClient() && peer.Home() != 0 {
			peer = peer.Home()
		}
		if peer != h.self {
			_, sealed := e.Message.(*wire.Piece)
			if !sealed && (encoded < 0 || !sameMessage(&e, &out.protocol.Messages[encoded])) {
				h.encoded = h.encoder.Append(h.encoded[:0], &e.Header, e.Message)
				encoded = i
			}
			h.transmit(now, peer, e.Message)
			continue
		}
		local++
		switch {
		case e.To != h.self && e.To != h.guest:
			h.drop(ReasonNoMachine) // a client of an earlier run of this process
		case local > localMax:
			h.drop(ReasonLocalBound)
		default:
			h.hand(now, &e.Header, e.Message, out)
		}
	}
	out.Sent = append(out.Sent, out.protocol.Messages...)
	out.protocol.Messages = out.protocol.Messages[:0]
}

func sameMessage(a, b *wire.Envelope) bool { return a.Message == b.Message && a.Header == b.Header }

// transmit gives a message to the transport: in its parcel if it is a piece, or as it was encoded.
func (h *Host) transmit(now time.Duration, to wire.Peer, m wire.Message) {
	taken := false
	if r := routes[m.Kind()]; r.slot {
		taken = h.endpoint.SendLatest(now, to, uint8(m.Kind()), h.encoded)
	} else if piece, ok := m.(*wire.Piece); ok {
		taken = h.endpoint.SendParcel(now, to, r.lane, piece.Parts.Parcel())
	} else {
		taken = h.endpoint.Send(now, to, r.lane, h.encoded)
	}
	if !taken {
		h.drop(ReasonRefused)
	}
}

// fillReport completes a replica's report with what only the transport knows, and what moves states.
func (h *Host) fillReport(now time.Duration, m *wire.ProbeReply) {
	m.Transfer = reportOf(h.Progress(now))
	for i := range m.Peers {
		p := &m.Peers[i]
		if s, ok := h.endpoint.PeerStats(p.ID); ok {
			p.RTTMicros = uint64(s.SRTT / time.Microsecond)
			p.Sent, p.Lost, p.Again = s.Sent, s.Lost, s.Retransmitted
		}
	}
}
