package node

import (
	"slices"
	"time"

	"vrnode/statexfer"
	"vrnode/vr"
	"vrnode/wire"
)

// Status is how a node was at one moment. All of it but a few words are plain numbers.
type Status struct {
	ID          wire.Peer
	Incarnation wire.Incarnation // of this run
	// Cluster is the id of the group, "" while the node knows of none.
	Cluster string
	// Status is recovering, normal, view-change or halted; Role is primary or backup if the
	// status is normal, and the status otherwise.
	Status wire.Status
	Role   string
	// View is the current view and Primary its primary, 0 if not known.
	View    wire.ViewNumber
	Primary wire.Peer
	// Op is the last op of the log, of which those up to Commit are committed and those up to
	// Applied executed.
	Op, Commit, Applied wire.OpNumber
	// LogBase is the op up to which the log has forgotten its ops, Checkpoint the one up to which it may.
	LogBase, Checkpoint wire.OpNumber
	// Transfer is the state that the node fetches from the others, zero if it needs none.
	Transfer Transfer
	// GroupLost: too many replicas have lost their memory; the group can not come back.
	GroupLost bool
	// FailuresTolerable is how many more replicas may fail now without an end of the service.
	// Only the primary knows; it is -1 elsewhere.
	FailuresTolerable int
	// Peers are the other replicas.
	Peers []PeerStatus
	// Sessions is the number of open client sessions, LogBytes the memory of the log's entries.
	Sessions, LogBytes int
	// Checkpoints counts those that the node has taken. PauseMean and PauseMost are how long it heard
	// nobody for one.
	Checkpoints          uint64
	PauseMean, PauseMost time.Duration
	// EventsDropped counts events that OnEvent was too slow for, SocketDrops the datagrams that
	// were lost because the node was too slow for the network.
	EventsDropped, SocketDrops uint64
}

// A Transfer is how far a node is with fetching the state.
type Transfer struct {
	// Doing is what goes on: "checking" what is there already, "fetching", "restoring", or "failed" for
	// a while before it goes on; "" if nothing does.
	Doing string
	// Op is the op that the state is of, 0 if it is not known yet.
	Op wire.OpNumber
	// Total are the bytes of the state, Have those that are here, Moved those that were sent for it.
	Total, Have, Moved uint64
	// Percent is how much is here.
	Percent int
	// Rate is how many bytes become available per second, Left how long the rest will take, -1 if that
	// is not known.
	Rate uint64
	Left time.Duration
	// Sources is how many replicas the state comes from.
	Sources int
}

func transferOf(p *statexfer.Progress) Transfer {
	if p.Phase == wire.TransferIdle {
		return Transfer{}
	}
	t := Transfer{
		Doing: p.Phase.String(), Op: p.Op, Total: p.Total, Have: p.Have, Moved: p.Moved,
		Percent: p.Percent(), Rate: p.Rate, Left: p.Left, Sources: p.Sources,
	}
	if t.Left == statexfer.Never {
		t.Left = -1
	}
	return t
}

// PeerStatus is what a node knows of another replica.
type PeerStatus struct {
	ID wire.Peer
	// RTT is the smoothed round-trip time, 0 if not known.
	RTT time.Duration
	// Heard is how long ago the protocol heard it last, -1 if never. Backups hear each other
	// only when the view changes.
	Heard time.Duration
	// Lag is the number of ops that the replica has not acknowledged; only the primary knows,
	// it is 0 elsewhere.
	Lag wire.OpNumber
	// Sent counts the datagrams that were sent to it, and Lost those of them that are taken for
	// lost. Again counts the fragments and slot messages that were sent once more.
	Sent, Lost, Again uint64
	// Denied is why the replica refuses to talk to this one, as far as it says; "" if it does not.
	Denied string
}

// aliveFor is how long after it was heard a backup counts as alive. It answers every heartbeat.
const aliveFor = 100 * time.Millisecond

// Status returns how the node is, the zero Status after Close.
func (n *Node) Status() Status {
	r, ok := n.loop.Report()
	if !ok {
		return Status{}
	}
	s, peers := r.Status, r.Peers
	stats := n.loop.Stats()
	out := Status{
		ID: s.Self, Incarnation: s.Incarnation, Status: s.Status, Role: s.Status.String(),
		View: s.View, Primary: s.Primary, Op: s.Op, Commit: s.Commit, Applied: s.Applied,
		LogBase: s.LogBase, Checkpoint: s.Checkpoint, Transfer: transferOf(&r.Transfer),
		GroupLost: s.GroupLost, FailuresTolerable: -1, Sessions: s.Sessions, LogBytes: s.LogBytes,
		EventsDropped: stats.EventsDropped, SocketDrops: stats.Socket.Overflowed,
		Checkpoints: stats.Pauses.Checkpoints, PauseMost: stats.Pauses.Longest,
	}
	if out.Checkpoints > 0 {
		out.PauseMean = stats.Pauses.Total / time.Duration(out.Checkpoints)
	}
	if !s.Cluster.IsZero() {
		out.Cluster = s.Cluster.String()
	}
	for _, p := range peers {
		out.Peers = append(out.Peers, PeerStatus{
			ID: p.ID, RTT: micros(p.RTTMicros), Heard: micros(p.HeardMicros), Sent: p.Sent, Lost: p.Lost, Again: p.Again,
		})
	}
	for _, d := range n.loop.Denials() {
		if i := slices.IndexFunc(out.Peers, func(p PeerStatus) bool { return p.ID == d.ID }); i >= 0 {
			out.Peers[i].Denied = d.Why.String()
		}
	}
	if s.Status == wire.StatusNormal {
		out.Role = "backup"
		if s.Primary == s.Self {
			out.addPrimarysView(&s, peers)
		}
	}
	return out
}

func (out *Status) addPrimarysView(s *vr.Status, peers []wire.PeerReport) {
	out.Role = "primary"
	alive := 1
	for i, p := range peers {
		out.Peers[i].Lag = s.Op - min(s.Op, p.Op)
		if heard := out.Peers[i].Heard; 0 <= heard && heard < aliveFor {
			alive++
		}
	}
	out.FailuresTolerable = max(0, alive-len(s.Members)/2-1)
}

// micros converts microseconds; all ones become -1.
func micros(us uint64) time.Duration {
	if us == ^uint64(0) {
		return -1
	}
	return time.Duration(us) * time.Microsecond
}
