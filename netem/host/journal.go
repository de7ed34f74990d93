package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vrnode/netem/tc"
)

// directory holds the journals. It is empty after a boot, as the qdiscs are.
const directory = "/run/vrnode"

// extension ends the name of a journal, which begins with that of the interface.
const extension = ".json"

// A Journal says what was done to an interface, and how to undo it.
type Journal struct {
	Dev   string        `json:"dev"`
	Does  string        `json:"does"` // in the words of scenarios
	For   time.Duration `json:"for"`
	Until time.Time     `json:"until"` // or a moment later
	PID   int           `json:"pid"`   // of the process that holds the lease
	Undo  []tc.Command  `json:"undo"`
}

// file is where the journal of an interface is.
func file(dev string) string { return filepath.Join(directory, dev+extension) }

// write makes the file, complete or not at all. There must be none.
func (j *Journal) write() error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(directory, "."+j.Dev)
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name())
	_, err = fresh.Write(append(text, '\n'))
	if err := errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	if err := os.Link(fresh.Name(), file(j.Dev)); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is impaired already: see vrnode lab clean --host-iface %s", j.Dev, j.Dev)
	} else if err != nil {
		return err
	}
	return nil
}

// read returns the journal of an interface. It is an fs.ErrNotExist if there is none.
func read(dev string) (*Journal, error) {
	text, err := os.ReadFile(file(dev))
	if err != nil {
		return nil, err
	}
	j := new(Journal)
	if err := json.Unmarshal(text, j); err != nil {
		return nil, fmt.Errorf("%s: %w", file(dev), err)
	}
	return j, nil
}
