package lab

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"time"

	"vrnode/netem/guest"
	"vrnode/netem/result"
)

// A Report is what lab run -o json prints of a run.
type Report struct {
	Dir      string          `json:"dir"`
	Manifest result.Manifest `json:"manifest"`
	Verdict  result.Verdict  `json:"verdict"`
}

// GuestOptions say what the laboratory in a guest is to do.
type GuestOptions struct {
	// Lab is the vrnode whose laboratory it is, Program the one whose replicas are run.
	Lab, Program string
	// Args are the subcommand of vrnode lab and its flags, without those that are about the
	// scenario, the backend, the folder, the program and the output.
	Args []string
	// Text is the scenario.
	Text []byte
	// Replicas are as many as there are at a time, Runs as many as there are one after the other, and
	// State is that of each replica, in bytes.
	Replicas, Runs int
	State          int64
	// Root is where result folders go, when the guest has ended.
	Root string
	// Stderr receives what the laboratory has to say while it works.
	Stderr io.Writer
	// Describe puts right what only the host knows.
	Describe func(*result.Manifest)
	// Ended is called at the end of each run, before its folder is there.
	Ended func(Report) error
}

// The paths of files in the guest.
const (
	guestLab      = "/lab/vrnode"
	guestProgram  = "/program/vrnode"
	guestScenario = "/scenario.yaml"
)

// guestGrace is how long a laboratory has to heal and to judge when it is interrupted, in a machine
// that is ten times slower than this one.
const guestGrace = 2 * time.Minute

// guestMemory is what a guest needs, in megabytes: for the programs, for each replica's process, and
// for the result of each run. A state is in a replica's memory, and twice in files while it is moved.
func (o *GuestOptions) memory() int {
	return min(512+(64+4*int(o.State>>20))*o.Replicas+8*o.Runs, guest.MemoryMax)
}

// RunInGuest has a laboratory in a guest run a scenario on the guest's own network. It returns the
// exit code of the laboratory, which has said on its standard error what is wrong if that is not 0,
// and the folders of all runs. The time of the machine is the guest's: if ctx ends, the run under way
// is cut short and its result is brought back.
func RunInGuest(ctx context.Context, o GuestOptions) (exitCode int, folders []string, err error) {
	kit, err := guest.Find()
	if err != nil {
		return 0, nil, err
	}
	reports, stdout := io.Pipe()
	read := make(chan error)
	var ended []Report
	go func() {
		err := o.receive(reports, &ended)
		reports.CloseWithError(err) // which ends the guest, if it has not ended
		read <- err
	}()
	command := append([]string{guestLab, "lab"}, o.Args...)
	exitCode, err = kit.Run(ctx, guest.Options{
		Files: map[string]string{guestLab: o.Lab, guestProgram: o.Program},
		Texts: map[string][]byte{guestScenario: o.Text},
		Command: append(command, guestScenario, "--backend", "netem", "--program", guestProgram,
			"--runs", guest.Results, "--output", "json"),
		Memory:  o.memory(),
		Stdout:  stdout,
		Stderr:  o.Stderr,
		Grace:   guestGrace,
		Results: o.Root,
	})
	stdout.Close()
	if failed := <-read; err == nil {
		err = failed
	}
	if err != nil {
		return 0, nil, err
	}
	for _, r := range ended {
		if r.Dir == "" {
			continue
		}
		folder := result.Folder{Dir: r.Dir}
		if err := folder.Write(result.ManifestFile, r.Manifest); err != nil {
			return 0, nil, err
		}
		folders = append(folders, r.Dir)
	}
	return exitCode, folders, nil
}

// receive reads reports and passes them on.
func (o *GuestOptions) receive(from io.Reader, ended *[]Report) error {
	for reports := json.NewDecoder(from); ; {
		var r Report
		if err := reports.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		o.Describe(&r.Manifest)
		if inside, is := strings.CutPrefix(r.Dir, guest.Results); is {
			r.Dir = filepath.Join(o.Root, filepath.FromSlash(inside))
		}
		*ended = append(*ended, r)
		if err := o.Ended(r); err != nil {
			return err
		}
	}
}
