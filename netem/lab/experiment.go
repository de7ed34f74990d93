package lab

import (
	"errors"
	"fmt"
	"time"

	"vrnode/netem/link"
	"vrnode/netem/result"
	"vrnode/netem/scenario"
)

// An experiment is what a run of real processes and one of simulated processes have in common.
type experiment struct {
	Options
	folder   *result.Folder
	manifest result.Manifest
	network  *network
	driver   *driver
	// worked is until when clients began calls.
	worked time.Duration
	// settled and lost tell how the replicas were in the end: all alike, or without memory.
	settled, lost bool
	// troubles are why the run is not the experiment that was asked for.
	troubles []string
}

// hands carry out what a driver orders that is not about the settings of links.
type hands interface {
	crash(scenario.Site)
	start(scenario.Site) error
	pause(s scenario.Site, paused bool) error
	// rekey gives a replica its next keys.
	rekey(scenario.Site) error
	// rebind gives a site another port, and release gives it its own again and tells how many
	// datagrams have come to the other one.
	rebind(scenario.Site) error
	release(scenario.Site) (followed int, err error)
	// drop begins to lose messages, and pass ends that and tells how many were lost.
	drop(*dropped) error
	pass(*dropped) (lost int)
	keep(result.Event)
}

func (x *experiment) trouble(format string, args ...any) {
	x.troubles = append(x.troubles, fmt.Sprintf(format, args...))
}

// describe begins the folder with what is going to be run.
func (x *experiment) describe(backend string, began time.Time) error {
	s := x.Scenario
	x.manifest = result.Manifest{
		Name: s.Name, Hypothesis: s.Hypothesis, File: s.File, Cell: x.Cell, Seed: s.Seed,
		Backend: backend, Replicas: s.Replicas, Clients: s.Workload.Clients,
		Began: began, Version: x.Version, System: system(), Reproduce: x.Reproduce,
	}
	for _, step := range s.Steps {
		x.manifest.Steps = append(x.manifest.Steps, fmt.Sprintf("%v: %v", step.When, step.Action))
	}
	return errors.Join(x.folder.Write(result.ManifestFile, x.manifest), x.folder.WriteText(result.ScenarioFile, x.Text))
}

// obey carries out what the driver orders.
func (x *experiment) obey(now time.Duration, h hands, orders []order) {
	for i := range orders {
		o := &orders[i]
		if err := x.carryOut(now, h, o); err != nil {
			x.trouble("%v", err)
		}
	}
}

func (x *experiment) carryOut(now time.Duration, h hands, o *order) error {
	switch o.verb {
	case doCrash:
		h.crash(o.site)
	case doStart:
		return h.start(o.site)
	case doPause:
		return h.pause(o.site, true)
	case doResume:
		return h.pause(o.site, false)
	case doRekey:
		return h.rekey(o.site)
	case doRebind:
		return h.rebind(o.site)
	case doRelease:
		followed, err := h.release(o.site)
		if err == nil && followed == 0 {
			err = fmt.Errorf("site %d had another port, and nothing was sent there", o.site)
		}
		return err
	case doSet:
		return x.network.set(now, o.links)
	case doDrop:
		return h.drop(o.drop)
	case doPass:
		if lost := h.pass(o.drop); lost < o.drop.want {
			return fmt.Errorf("%v: only %d were lost", o.drop, lost)
		}
	case doTell:
		h.keep(o.event)
	case doComplain:
		return errors.New(o.text)
	}
	return nil
}

// conclude writes down how the run ended. The links are compared with what they were asked to do.
func (x *experiment) conclude(lasted time.Duration, t *trial) error {
	x.manifest.Lasted = lasted
	var links []result.Link
	if x.network != nil {
		var behind *link.Histogram
		links, behind = x.network.links(lasted)
		if slow := x.network.tooSlow(behind); slow != "" {
			x.trouble("%s", slow)
		}
	}
	if x.Progress != nil && t != nil {
		x.Progress(fmt.Sprintf("%s: judging %d calls", x.Scenario.Name, len(t.history)))
	}
	return errors.Join(
		x.folder.Write(result.ManifestFile, x.manifest),
		x.folder.Write(result.LinksFile, links),
		x.folder.Write(result.VerdictFile, x.judge(t, links)))
}
