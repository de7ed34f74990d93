package result

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The files of a folder.
const (
	ManifestFile = "manifest.json"
	ScenarioFile = "scenario.yaml"
	VerdictFile  = "verdict.json"
	HistoryFile  = "history.jsonl"
	EventsFile   = "events.jsonl"
	LinksFile    = "links.json"
	ReportFile   = "report.html"
	// TraceFile is what every process did, of simulated ones.
	TraceFile = "trace.txt"
	// Latest is the link beside the folders of a scenario to the last one.
	Latest = "latest"
)

// A Run is all that a folder holds, but for the logs.
type Run struct {
	Dir      string
	Manifest Manifest
	Verdict  Verdict
	History  []Call
	Events   []Event
	Links    []Link
}

// A Folder is written while the run goes on, so that a run that dies leaves what was known. Its
// methods may be called by many goroutines at a time; the first error is kept for Close.
type Folder struct {
	Dir string

	mu      sync.Mutex
	history lines
	events  lines
	logs    []*os.File
	err     error
}

// Create makes the folder of a new run below root and turns the latest link to it. Others may do the
// same at the same time.
func Create(root, name string, began time.Time, seed uint64) (*Folder, error) {
	parent := filepath.Join(root, name)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	stem := ""
	for made := false; !made; began = began.Add(time.Millisecond) {
		stem = fmt.Sprintf("%s-seed%d", began.UTC().Format("20060102T150405.000"), seed)
		err := os.Mkdir(filepath.Join(parent, stem), 0o755)
		if made = err == nil; !made && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	// The link is made in the folder, where nobody else makes one, and replaces the old one at once.
	// So it points to nothing until it is there.
	f := &Folder{Dir: filepath.Join(parent, stem)}
	fresh := filepath.Join(f.Dir, Latest)
	return f, errors.Join(
		os.Symlink(stem, fresh), os.Rename(fresh, filepath.Join(parent, Latest)),
		f.history.create(f.Dir, HistoryFile), f.events.create(f.Dir, EventsFile))
}

// Call writes a line of the history.
func (f *Folder) Call(c *Call) { f.keep(func() error { return f.history.write(c) }) }

// Event writes a line of the time line.
func (f *Folder) Event(e *Event) { f.keep(func() error { return f.events.write(e) }) }

// Log returns a file for what a replica writes. Close closes it.
func (f *Folder) Log(replica int) (*os.File, error) {
	name := filepath.Join(f.Dir, fmt.Sprintf("node-%d.log", replica))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, file)
	return file, nil
}

// Write writes one of the files that are not lines.
func (f *Folder) Write(name string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return f.WriteText(name, append(text, '\n'))
}

// WriteText writes a file as it is.
func (f *Folder) WriteText(name string, text []byte) error {
	return os.WriteFile(filepath.Join(f.Dir, name), text, 0o644)
}

// Close ends the lines and the logs, and returns the first error since Create.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := errors.Join(f.err, f.history.close(), f.events.close())
	for _, log := range f.logs {
		err = errors.Join(err, log.Close())
	}
	f.logs = nil
	return err
}

func (f *Folder) keep(write func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := write(); f.err == nil {
		f.err = err
	}
}

// lines is a file of JSON values, one a line.
type lines struct {
	file   *os.File
	buffer *bufio.Writer
}

func (l *lines) create(dir, name string) (err error) {
	if l.file, err = os.Create(filepath.Join(dir, name)); err == nil {
		l.buffer = bufio.NewWriter(l.file)
	}
	return err
}

func (l *lines) write(value any) error { return json.NewEncoder(l.buffer).Encode(value) }

func (l *lines) close() error { return errors.Join(l.buffer.Flush(), l.file.Close()) }

// Read reads a folder. What a run that died did not write is empty.
func Read(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	if err := readJSON(dir, ManifestFile, &r.Manifest); err != nil {
		return nil, err
	}
	var err error
	if r.History, err = readLines[Call](dir, HistoryFile); err != nil {
		return nil, err
	}
	if r.Events, err = readLines[Event](dir, EventsFile); err != nil {
		return nil, err
	}
	if err := readJSON(dir, VerdictFile, &r.Verdict); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := readJSON(dir, LinksFile, &r.Links); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r, nil
}

func readJSON(dir, name string, to any) error {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return nil
}

// readLines reads until the end, or until a line that was cut off.
func readLines[T any](dir, name string) ([]T, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []T
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", filepath.Join(dir, name), number, err)
		}
		out = append(out, v)
	}
	return out, nil
}
