package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"vrnode/netem/tc"
)

// A Found is an interface that has something of ours.
type Found struct {
	Dev string `json:"dev"`
	// Journal is who did it and until when, if that is known.
	Journal *Journal `json:"journal,omitempty"`
	// Undo are the commands that take everything away.
	Undo []tc.Command `json:"undo"`
}

// Look finds the interfaces that have something of ours. It changes nothing.
func Look() ([]Found, error) {
	devs, err := marked()
	if err != nil {
		return nil, err
	}
	journals, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range journals {
		if dev, is := strings.CutSuffix(entry.Name(), extension); is && !strings.HasPrefix(dev, ".") {
			devs = append(devs, dev)
		}
	}
	slices.Sort(devs)
	var out []Found
	for _, dev := range slices.Compact(devs) {
		i := tc.Interface{Dev: dev}
		f := Found{Dev: dev, Undo: i.Down()}
		if f.Journal, err = read(dev); err == nil {
			f.Undo = f.Journal.Undo
		}
		out = append(out, f)
	}
	return out, nil
}

// Remove runs the commands, tells each that has worked, and forgets the journal when nothing of ours
// is left.
func (f *Found) Remove(ran func(tc.Command)) error {
	var failed []error
	for _, c := range f.Undo {
		if _, err := c.Run(nil); err != nil {
			failed = append(failed, err) // perhaps because there is nothing to undo
			continue
		}
		ran(c)
	}
	left, err := marked()
	if err != nil {
		return err
	}
	if slices.Contains(left, f.Dev) {
		return fmt.Errorf("%s has not healed: %w", f.Dev, errors.Join(failed...))
	}
	if err := os.Remove(file(f.Dev)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// marked returns the interfaces with a root qdisc or a table of ours.
func marked() ([]string, error) {
	text, err := tc.ShowAll().Run(nil)
	if err != nil {
		return nil, err
	}
	qdiscs, err := tc.ParseQdiscs(text)
	if err != nil {
		return nil, err
	}
	devs := tc.Marked(qdiscs)
	if tables, err := tc.ListTables().Run(nil); err == nil { // who can not list tables has made none
		devs = append(devs, tc.MarkedTables(string(tables))...)
	}
	return devs, nil
}
