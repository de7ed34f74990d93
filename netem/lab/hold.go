package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"

	"vrnode/netem/scenario"
)

// Hold runs a command of the user's at the site of the first client, while the group of a scenario
// is up behind links as they are at its beginning. The command finds --peers in the variable PEERS.
// No step is taken and nothing is judged; the folder holds the logs.
func Hold(ctx context.Context, o Options, path string, args ...string) (err error) {
	r, err := newRun(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.folder.Close()) }()
	if err := r.describe(o.Network.Name(), r.began); err != nil {
		return err
	}
	r.watcher = newWatcher(o.Scenario, r.folder)
	r.processes = newProcesses(r)
	defer r.processes.close()
	defer r.watcher.close()
	err = r.setUp(ctx)
	if r.workload != nil {
		r.workload.close()
	}
	if err != nil {
		return err
	}
	site := scenario.Site(o.Scenario.Replicas + 1)
	cmd := o.Network.Command(site, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "PEERS="+peersText(o.Network.Peers(site)))
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		return nil // what the user's last command said is not ours to judge
	}
	return err
}
