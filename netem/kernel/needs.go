package kernel

import (
	"slices"
	"time"

	"vrnode/netem/scenario"
)

// Name is what people call a network of this package.
const Name = "netem"

// Slack is by how much the mean delay may be more than was asked for. Arrivals are stamped by the
// kernel; what is late is a timer.
const Slack = 5 * time.Millisecond

// Needs are the commands and the parts of the kernel without which there is no network.
func Needs() []string { return []string{"ip", "tc", "nft", "namespaces", "veth", "nftables"} }

// CanDo returns what a machine is able to do. has tells by name what it was found to have: Needs,
// netem and tbf.
func CanDo(has func(what string) bool) scenario.Capabilities {
	if slices.ContainsFunc(Needs(), func(what string) bool { return !has(what) }) {
		return 0
	}
	can := scenario.CanPartition | scenario.CanPartitionOneWay | scenario.CanMTU | scenario.CanPause | scenario.CanCrash | scenario.CanRekey | scenario.CanRebind
	if has("tbf") {
		can |= scenario.CanRate
	}
	if has("netem") {
		can |= scenario.CanDelay | scenario.CanLose | scenario.CanDuplicate | scenario.CanReorder | scenario.CanCorrupt
	}
	return can
}
