package kernel

import (
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vrnode/netem/link"
	"vrnode/netem/scenario"
	"vrnode/netem/tc"
	"vrnode/wire"
)

// A Network is made of namespaces. Its methods may be called by many goroutines at a time.
type Network struct {
	can      scenario.Capabilities
	replicas int
	survey   *surveyor

	mu  sync.Mutex // one command at a time
	lab *tc.Lab
}

// New makes a network of perfect links. can is what CanDo has found.
func New(replicas, clients int, can scenario.Capabilities) (*Network, error) {
	n := &Network{can: can, replicas: replicas, lab: tc.NewLab(replicas, clients)}
	for _, c := range n.lab.Up() {
		if _, err := c.Run(hurry); err != nil {
			n.down() // what there is of it
			return nil, err
		}
	}
	var err error
	if n.survey, err = newSurveyor(n.lab, replicas, clients); err != nil {
		n.down()
		return nil, err
	}
	return n, nil
}

// hurry has a command go before the replicas, which have no right to what a step is about to take from
// them.
func hurry(pid int) {
	const first = -20
	_ = unix.Setpriority(unix.PRIO_PROCESS, pid, first) // not everybody may do this
}

// Name is what people call it.
func (n *Network) Name() string { return Name }

// CanDo returns what this kernel is able to do.
func (n *Network) CanDo() scenario.Capabilities { return n.can }

// Slack is by how much the mean delay may be more than was asked for.
func (n *Network) Slack() time.Duration { return Slack }

// Peers are the addresses of the replicas, which are the same from everywhere.
func (n *Network) Peers(scenario.Site) map[uint64]string {
	peers := make(map[uint64]string)
	for r := 1; r <= n.replicas; r++ {
		peers[uint64(r)] = fmt.Sprintf("%v:%d", n.lab.Addr(scenario.Site(r)), tc.ReplicaPort)
	}
	return peers
}

// Command makes a command that runs at a site. ip becomes the program that it is told to run.
func (n *Network) Command(s scenario.Site, path string, args ...string) *exec.Cmd {
	c := n.lab.Exec(s, append([]string{path}, args...)...)
	return exec.Command(c[0], c[1:]...)
}

// Within calls a function on a goroutine that is at a site.
func (n *Network) Within(s scenario.Site, do func() error) error {
	return within(n.lab.Namespace(s), do)
}

// Set gives directions new settings.
func (n *Network) Set(changed ...scenario.Changed) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := make(map[scenario.Site]bool) // whether qdiscs of a sender do, before or after
	for i := range changed {
		d := changed[i].Direction
		if n.survey.lanes[d] == nil {
			return fmt.Errorf("there is no link from %d to %d", d.From, d.To)
		}
		was := n.survey.settings(d)
		counts[d.From] = counts[d.From] || wantsQdiscs(&was) || wantsQdiscs(&changed[i].Settings)
	}
	// What is sent while the kernel is at work may be counted or not, so it is in no span.
	asked := now()
	commands := n.lab.Set(changed...)
	for _, c := range commands {
		if tc.IsBatched(c) {
			continue
		}
		if _, err := c.Run(hurry); err != nil {
			return err
		}
	}
	qdiscs := make(map[scenario.Site]counted)
	for from, counts := range counts {
		c, input, changes := n.lab.Batch(from, commands)
		if changes == 0 && !counts {
			continue
		}
		text, err := c.Feed(input, hurry)
		if err != nil {
			return err
		}
		before, after, _ := tc.ParseBatch(text) // what can not be shown is not there
		qdiscs[from] = counted{before, after}
	}
	for _, c := range changed {
		was, is := n.survey.settings(c.Direction), span{settings: c.Settings, asked: asked, begin: now()}
		var last []tc.Qdisc
		if wantsQdiscs(&was) {
			last = n.of(c.Direction, qdiscs[c.From].before)
		}
		if wantsQdiscs(&is.settings) {
			is.before = n.of(c.Direction, qdiscs[c.From].after)
		}
		n.survey.set(c.Direction, last, is)
	}
	return nil
}

// counted are the qdiscs of a sender with their counters, before and after a change.
type counted struct{ before, after []tc.Qdisc }

// of returns the qdiscs of a direction among those of its sender.
func (n *Network) of(d scenario.Direction, all []tc.Qdisc) (out []tc.Qdisc) {
	for _, q := range all {
		if q.Dev == n.lab.Device(d) {
			out = append(out, q)
		}
	}
	return out
}

// Drop fails: to a kernel all messages are alike.
func (n *Network) Drop(wire.Kind, []scenario.Direction, int, int) (lost func() int, stop func(), err error) {
	return nil, nil, errors.New("the kernel does not know messages")
}

// Rebind gives a site another port.
func (n *Network) Rebind(s scenario.Site) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err := n.lab.Rebind(s).Run(hurry)
	return err
}

// Release gives a site its own port again, and tells how many datagrams have come to the other one.
func (n *Network) Release(s scenario.Site) (followed int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, err := n.lab.Followed(s).Run(hurry)
	if err == nil {
		followed, err = tc.ParseFollowed(text)
	}
	_, failed := n.lab.Release(s).Run(hurry)
	return followed, errors.Join(err, failed)
}

// Measure returns what probes have met in a direction before the first Set, and since each. What
// the machine is late by is not known.
func (n *Network) Measure(d scenario.Direction) (done []link.Counters, late []link.Histogram) {
	if n.survey.lanes[d] == nil {
		return nil, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	until := now()
	var last []tc.Qdisc
	if is := n.survey.settings(d); wantsQdiscs(&is) {
		if text, err := n.lab.Show(d.From).Run(hurry); err == nil {
			all, _ := tc.ParseQdiscs(text) // what can not be shown is not there
			last = n.of(d, all)
		}
	}
	return n.survey.measure(d, until, last), nil
}

// Close takes the network away.
func (n *Network) Close() error {
	n.survey.close()
	return n.down()
}

func (n *Network) down() error {
	var errs []error
	for _, c := range n.lab.Down() {
		_, err := c.Run(hurry)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// now is the time of the system's clock, which is what the kernel stamps on arrivals.
func now() time.Duration { return time.Duration(time.Now().UnixNano()) }
