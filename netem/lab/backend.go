package lab

import (
	"os/exec"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/wire"
)

// A Backend is a network with the sites of one run on it, and the machinery that impairs it. Links
// are perfect at the beginning. Methods may be called by many goroutines at a time.
type Backend interface {
	// Name is what people call it, and CanDo what it is able to do.
	Name() string
	CanDo() scenario.Capabilities
	// Peers are the addresses, as host:port, under which a site reaches each replica; a
	// replica's own is where it listens. They do not change, whatever crashes. Observer is a
	// site too, whose links nothing impairs.
	Peers(scenario.Site) map[uint64]string
	// Command makes a command that runs at a site when it is started. The process that this
	// starts must be that of the program itself, so that a signal reaches it.
	Command(s scenario.Site, path string, args ...string) *exec.Cmd
	// Within calls a function on whose goroutine sockets are opened at a site.
	Within(s scenario.Site, do func() error) error
	// Set gives directions new settings, which are valid. Where they are Down, nothing gets
	// through that was sent after Set returned.
	Set(changed ...scenario.Changed) error
	// Drop loses messages of a kind, if CanDropMessages: in those directions, skip of them pass
	// and the count after them are lost. The function tells how many have been. stop ends it.
	Drop(kind wire.Kind, where []scenario.Direction, skip, count int) (lost func() int, stop func(), err error)
	// Rebind gives a site another port than it has had, if CanRebind: what comes from it comes from
	// there, and what is sent to the one before is lost, unless that is a replica's own. Nothing of
	// this is seen from Observer, nor on the site's side. Release gives the site its own port again
	// and tells how many datagrams have come to the other one.
	Rebind(scenario.Site) error
	Release(scenario.Site) (followed int, err error)
	// Measure returns what a direction has done since each Set, in the order of the calls, and
	// before the first of them. A datagram counts where it was sent, not where it arrives. late
	// is how much of the delays is not the work of the links but of a machine that is too slow,
	// for backends that know; the others return nil.
	Measure(scenario.Direction) (done []link.Counters, late []link.Histogram)
	// Slack is by how much deliveries may be late: the mean, or where late is known, most.
	Slack() time.Duration
	// Close ends the network. No process runs any more. Nothing is left on the host.
	Close() error
}

// Observer is the site from which the runner looks at replicas and forms the group.
const Observer scenario.Site = 0
