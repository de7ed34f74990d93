package tc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vrnode/netem/scenario"
)

// Batch returns one command that does what those of Set do with the qdiscs of a sender, what it reads,
// and how many changes are in it. It prints all of the sender's qdiscs before and after, for ParseBatch.
// A step may change a dozen directions, and a slow machine takes long to start a program.
func (l *Lab) Batch(from scenario.Site, commands []Command) (c Command, input string, changes int) {
	at := words("tc -n " + l.Namespace(from))
	lines := []string{"qdisc show"}
	for _, c := range commands {
		if IsBatched(c) && slices.Equal(c[:len(at)], at) {
			lines = append(lines, strings.Join(c[len(at):], " "))
		}
	}
	lines = append(lines, "qdisc show", "")
	return join(at, words("-s -j -batch -")), strings.Join(lines, "\n"), len(lines) - 3
}

// IsBatched tells whether a command of Set is done by a batch.
func IsBatched(c Command) bool { return c[0] == "tc" }

// ParseBatch reads what the command of a Batch prints.
func ParseBatch(text []byte) (before, after []Qdisc, err error) {
	both := json.NewDecoder(bytes.NewReader(text))
	for _, out := range [...]*[]Qdisc{&before, &after} {
		if err := both.Decode(out); err != nil {
			return nil, nil, fmt.Errorf("tc qdisc show: %w", err)
		}
	}
	return before, after, nil
}
