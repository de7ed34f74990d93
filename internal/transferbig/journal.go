//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A line is what a replica has logged, and when that arrived.
type line struct {
	at      time.Time
	Replica uint64 `json:"replica"`
	Level   string `json:"level"`
	Text    string `json:"msg"`
	View    uint64 `json:"view"`
	Percent int    `json:"percent"`
	Bytes   int64  `json:"bytes"`
	Moved   int64  `json:"moved"`
	// Began, Pause and Worked are of a checkpoint.
	Began  time.Time     `json:"began"`
	Pause  time.Duration `json:"pause"`
	Worked time.Duration `json:"worked"`
}

// What replicas log, as package node words it.
const (
	textView      = "the view has started"
	textServing   = "gives its state to another replica"
	textNeeds     = "lacks more than the others have kept, and needs their state"
	textFetching  = "fetching a state"
	textWhole     = "has all of a state, and reads it"
	textInstalled = "has the state of the others"
	textBack      = "the memory is back"
	// textCheckpoint is how a line begins, and textIgnored are too many to keep.
	textCheckpoint = "took a checkpoint"
	textIgnored    = "ignored a message"
)

// A journal is what all replicas of a group have logged.
type journal struct {
	mu    sync.Mutex
	lines []line
	more  chan struct{} // closed with the next line
	talk  bool          // print all of them, not only errors
}

func newJournal(talk bool) *journal { return &journal{more: make(chan struct{}), talk: talk} }

// read takes what a process logs, until it ends.
func (j *journal) read(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		l := line{at: time.Now()}
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue // for people
		}
		if l.Text == textIgnored {
			continue
		}
		if l.Level == "ERROR" || j.talk {
			fmt.Fprintf(os.Stderr, "%s\n", lines.Bytes())
		}
		j.mu.Lock()
		j.lines = append(j.lines, l)
		close(j.more)
		j.more = make(chan struct{})
		j.mu.Unlock()
	}
}

// mark returns a place in the journal: the end of what is there.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// patience is how long to wait for what ought to come soon, however busy the machine is.
const patience = 3 * time.Minute

// await waits for a line after a mark. is must not use the journal.
func (j *journal) await(ctx context.Context, mark int, what string, is func(*line) bool) (line, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		j.mu.Lock()
		more := j.more
		for ; mark < len(j.lines); mark++ {
			if l := j.lines[mark]; is(&l) {
				j.mu.Unlock()
				return l, nil
			}
		}
		j.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return line{}, fmt.Errorf("waited in vain until %s: %w", what, context.Cause(ctx))
		}
	}
}

// last returns the last line after a mark of which something holds.
func (j *journal) last(mark int, is func(*line) bool) (found line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines[mark:] {
		if is(&l) {
			found = l
		}
	}
	return found
}

// view returns the latest view that has started.
func (j *journal) view() (view uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if l.Text == textView {
			view = max(view, l.View)
		}
	}
	return view
}

// says tells whether a line is a text of a replica.
func says(replica uint64, text string) func(*line) bool {
	return func(l *line) bool { return l.Replica == replica && l.Text == text }
}

// fetched tells whether a line says that a replica has so much of a state.
func fetched(replica uint64, percent int) func(*line) bool {
	return func(l *line) bool { return l.Replica == replica && l.Text == textFetching && l.Percent >= percent }
}
