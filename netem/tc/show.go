package tc

import (
	"encoding/json"
	"fmt"
	"strings"

	"vrnode/netem/link"
)

// A Qdisc is what "tc -j -s qdisc show" says of one.
type Qdisc struct {
	Dev      string // only if tc was not asked for one device
	Kind     string
	Handle   string // as in "1:"; "0:" is one that the kernel put there by itself
	Parent   string
	Root     bool
	Packets  uint64 // that left
	Bytes    uint64
	Drops    uint64
	Requeues uint64 // of netem: that went ahead of others
}

// ParseQdiscs reads the output of tc -j qdisc show, with -s or without.
func ParseQdiscs(text []byte) ([]Qdisc, error) {
	var out []Qdisc
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("tc qdisc show: %w", err)
	}
	return out, nil
}

// Deviations compares what the qdiscs of one direction have done with what they were asked to do.
// The kernel counts losses and what went ahead; delays, copies and flipped bits are for others to
// measure.
func Deviations(s link.Settings, qdiscs []Qdisc) []link.Deviation {
	var netem Qdisc
	full := uint64(0)
	for _, q := range qdiscs {
		switch q.Kind {
		case "netem":
			netem = q
		case "tbf":
			full = q.Drops // netem counts what its child drops as dropped
		}
	}
	loss := s.Loss.Chance()
	// A doubled datagram meets the dice twice, and is not lost if it is doubled at the same time.
	copies := float64(netem.Packets + netem.Drops)
	sent := copies / (1 + s.Duplicate*(1-loss)) * (1 - s.Duplicate*loss)
	c := link.Counters{Offered: uint64(sent), Delivered: netem.Packets, Ahead: netem.Requeues}
	c.Lost[link.LostRandom] = netem.Drops - min(netem.Drops, full)
	visible := link.Settings{Loss: s.Loss, Reorder: s.Reorder, Delay: s.Delay}
	var out []link.Deviation
	for _, d := range visible.Deviations(&c, 0) {
		if d.What == "loss" || d.What == "reorder" {
			out = append(out, d)
		}
	}
	return out
}

// foreign returns the root qdisc of a device if somebody has put it there, and it is not ours.
func foreign(dev string, qdiscs []Qdisc) (Qdisc, bool) {
	for _, q := range qdiscs {
		if q.Root && (q.Dev == "" || q.Dev == dev) && q.Handle != "0:" && !strings.EqualFold(q.Handle, handle+":") {
			return q, true
		}
	}
	return Qdisc{}, false
}
