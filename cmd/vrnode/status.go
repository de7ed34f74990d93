package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vrnode/vr"
	"vrnode/wire"
)

func newStatus() *cobra.Command {
	var (
		group   access
		output  format
		timeout duration
	)
	cmd := &cobra.Command{
		Use:   "status --peers ID=HOST:PORT,…",
		Short: "Show how the group and its replicas are",
		Long: `status asks every replica how it is, and says what follows for the group: whether it serves, and
how many more failures it tolerates.

The round-trip time, the lag and the time since a replica was heard are those that the primary
sees. Lag is the number of ops that the replica has not acknowledged. A replica's log has the ops after
its base; a checkpoint of the state stands for those before. How far a replica is with fetching the state
of the others is said below the table.

Exit code 3: the group does not serve.`,
		Example: `  vrnode status --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 --key-file group.key
  vrnode status --peers … -o json | jq .failures_tolerable`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := group.check(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout.get())
			defer cancel()
			all, err := probe(ctx, &group)
			if err = errors.Join(err, context.Cause(cmd.Context())); err != nil {
				return err // not to take for silent whom nobody has waited for
			}
			return printStatus(cmd, &output, all, &group)
		},
	}
	group.addTo(cmd)
	output.addTo(cmd, "table", "json")
	timeout.addTo(cmd, "timeout", time.Second, "how long to wait for replicas that do not answer")
	return cmd
}

func printStatus(cmd *cobra.Command, output *format, all answers, group *access) error {
	h := judge(all, group)
	s := newStatusReport(all, h, group)
	if output.json() {
		if err := printJSON(cmd.OutOrStdout(), s); err != nil {
			return err
		}
	} else {
		s.printTable(cmd.OutOrStdout())
	}
	if err := h.unavailable(); err != nil {
		return err
	}
	if h.advice != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), h.advice)
	}
	return nil
}

// A statusReport is what status prints.
type statusReport struct {
	Cluster           string          `json:"cluster"`
	Serving           bool            `json:"serving"`
	FailuresTolerable int             `json:"failures_tolerable"`
	Trouble           string          `json:"trouble,omitempty"`
	Advice            string          `json:"advice,omitempty"`
	Replicas          []replicaStatus `json:"replicas"`
}

const (
	// unreachable is the status of a replica that does not answer.
	unreachable = "unreachable"
	// refuses is the status of one that says why it does not.
	refuses = "refuses"
)

type replicaStatus struct {
	ID          wire.Peer       `json:"id"`
	Address     string          `json:"address"`
	Status      string          `json:"status"`
	Why         string          `json:"why,omitempty"` // it refuses
	Role        string          `json:"role,omitempty"`
	View        wire.ViewNumber `json:"view"`
	Op          wire.OpNumber   `json:"op"`
	Commit      wire.OpNumber   `json:"commit"`
	Applied     wire.OpNumber   `json:"applied"`
	LogBase     wire.OpNumber   `json:"log_base"`   // the log has forgotten the ops up to it
	Checkpoint  wire.OpNumber   `json:"checkpoint"` // the op of the newest
	Transfer    *transferStatus `json:"transfer,omitempty"`
	Incarnation string          `json:"incarnation,omitempty"` // a string: it has more than 53 bits
	Clients     uint64          `json:"clients"`
	Peers       []peerStatus    `json:"peers,omitempty"`
}

// transferStatus is how far a replica is with fetching a state from the others.
type transferStatus struct {
	Phase      string        `json:"phase"` // checking, fetching, restoring, failed
	Op         wire.OpNumber `json:"op"`
	Percent    int           `json:"percent"`
	TotalBytes uint64        `json:"total_bytes"`
	HaveBytes  uint64        `json:"have_bytes"`
	MovedBytes uint64        `json:"moved_bytes"`
	Rate       uint64        `json:"bytes_per_second"`
	LeftMillis *uint64       `json:"left_ms,omitempty"` // not known if it is missing
	Sources    uint64        `json:"sources"`
}

func newTransferStatus(r *wire.TransferReport) *transferStatus {
	if r.Phase == wire.TransferIdle {
		return nil
	}
	s := &transferStatus{
		Phase: r.Phase.String(), Op: r.Op, TotalBytes: r.Total, HaveBytes: r.Have, MovedBytes: r.Moved, Rate: r.Rate, Sources: r.Sources,
	}
	if r.Total > 0 {
		s.Percent = int(100 * (float64(min(r.Have, r.Total)) / float64(r.Total)))
	}
	if r.LeftMillis != ^uint64(0) {
		s.LeftMillis = &r.LeftMillis
	}
	return s
}

// sentence says the same to people.
func (s *transferStatus) sentence(id wire.Peer) string {
	const mib = 1 << 20
	text := fmt.Sprintf("replica %v lacks more than the others' logs have, and fetches their state: %s", id, s.Phase)
	if s.TotalBytes == 0 {
		return text
	}
	text += fmt.Sprintf(", op %d, %d %% of %.1f MiB", s.Op, s.Percent, float64(s.TotalBytes)/mib)
	if s.Phase != wire.TransferFetching.String() {
		return text
	}
	text += fmt.Sprintf(", %.1f MiB/s from %d replicas", float64(s.Rate)/mib, s.Sources)
	if s.LeftMillis != nil {
		text += fmt.Sprintf(", %v left", (time.Duration(*s.LeftMillis) * time.Millisecond).Round(time.Second))
	}
	return text
}

// peerStatus is what a replica knows of another one. Lag is known to the primary only.
type peerStatus struct {
	ID          wire.Peer `json:"id"`
	RTTMicros   *uint64   `json:"rtt_us,omitempty"`
	HeardMicros *uint64   `json:"heard_us,omitempty"`
	Lag         *uint64   `json:"lag,omitempty"`
	Sent        uint64    `json:"sent"`  // datagrams to it
	Lost        uint64    `json:"lost"`  // of them
	Again       uint64    `json:"again"` // fragments and slot messages that were sent once more
}

func newStatusReport(all answers, h health, group *access) *statusReport {
	s := &statusReport{
		Serving: h.serving, FailuresTolerable: h.tolerable,
		Trouble: h.trouble, Advice: h.advice,
	}
	if !h.cluster.IsZero() {
		s.Cluster = h.cluster.String()
	}
	for i := range all.replicas {
		a := &all.replicas[i]
		r := newReplicaStatus(a, group.peers[uint64(a.ID)])
		if why := all.denial(a.ID); why != 0 && !a.Known {
			r.Status, r.Why = refuses, why.String()
		}
		s.Replicas = append(s.Replicas, r)
	}
	return s
}

func newReplicaStatus(a *vr.Answer, address string) replicaStatus {
	if !a.Known {
		return replicaStatus{ID: a.ID, Address: address, Status: unreachable}
	}
	r := replicaStatus{
		ID: a.ID, Address: address, Status: a.Status.String(),
		View: a.View, Op: a.Op, Commit: a.Commit, Applied: a.Applied,
		LogBase: a.LogBase, Checkpoint: a.Checkpoint, Transfer: newTransferStatus(&a.Transfer),
		Incarnation: fmt.Sprintf("%x", uint64(a.Incarnation)), Clients: a.ClientCount,
	}
	primary := a.Status == wire.StatusNormal && a.Primary() == a.ID
	if a.Status == wire.StatusNormal {
		r.Role = "backup"
	}
	if primary {
		r.Role = "primary"
	}
	for _, p := range a.Peers {
		r.Peers = append(r.Peers, newPeerStatus(&p, a.Op, primary))
	}
	return r
}

func newPeerStatus(p *wire.PeerReport, op wire.OpNumber, primary bool) peerStatus {
	s := peerStatus{ID: p.ID, Sent: p.Sent, Lost: p.Lost, Again: p.Again}
	if p.RTTMicros != 0 {
		s.RTTMicros = &p.RTTMicros
	}
	if p.HeardMicros != ^uint64(0) {
		s.HeardMicros = &p.HeardMicros
	}
	if primary {
		s.Lag = new(uint64(op - min(op, p.Op)))
	}
	return s
}

func (s *statusReport) printTable(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tADDRESS\tSTATUS\tROLE\tVIEW\tOP\tCOMMIT\tCHECKPOINT\tBASE\tINCARNATION\tRTT\tLAG\tHEARD")
	seen := s.seenByPrimary()
	for _, r := range s.Replicas {
		fmt.Fprintf(t, "%v\t%s\t%s\t", r.ID, r.Address, r.Status)
		if r.Status == unreachable || r.Status == refuses {
			fmt.Fprint(t, strings.Repeat("-\t", 7))
		} else {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t", orDash(r.Role), r.View, r.Op, r.Commit, r.Checkpoint, r.LogBase, r.Incarnation)
		}
		fmt.Fprintln(t, seen[r.ID].columns())
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, r := range s.Replicas {
		if r.Transfer != nil {
			fmt.Fprintln(w, r.Transfer.sentence(r.ID))
		}
	}
	s.printSummary(w)
}

func (s *statusReport) printSummary(w io.Writer) {
	if s.Cluster != "" {
		fmt.Fprintf(w, "group %s\n", s.Cluster)
	}
	switch {
	case !s.Serving:
		fmt.Fprintln(w, "does not serve")
	case s.FailuresTolerable == 0:
		fmt.Fprintln(w, "serves; tolerates no further failure")
	case s.FailuresTolerable == 1:
		fmt.Fprintln(w, "serves; tolerates 1 more failure")
	default:
		fmt.Fprintf(w, "serves; tolerates %d more failures\n", s.FailuresTolerable)
	}
	if s.Trouble != "" && s.Serving {
		fmt.Fprintln(w, s.Trouble)
	}
}

// seenByPrimary returns what the primary knows of the others.
func (s *statusReport) seenByPrimary() map[wire.Peer]peerStatus {
	seen := make(map[wire.Peer]peerStatus)
	var view wire.ViewNumber
	for _, r := range s.Replicas {
		if r.Role != "primary" || r.View < view {
			continue
		}
		view = r.View
		for _, p := range r.Peers {
			seen[p.ID] = p
		}
	}
	return seen
}

func (p peerStatus) columns() string {
	rtt, lag, heard := "-", "-", "-"
	if p.RTTMicros != nil {
		rtt = micros(*p.RTTMicros)
	}
	if p.Lag != nil {
		lag = fmt.Sprint(*p.Lag)
	}
	if p.HeardMicros != nil {
		heard = micros(*p.HeardMicros)
	}
	return rtt + "\t" + lag + "\t" + heard
}

func micros(us uint64) string {
	return (time.Duration(us) * time.Microsecond).String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
