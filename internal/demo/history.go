package demo

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"vrnode/vr/machine/accumulator"
)

// An addition is one operation of the demonstration: it adds number, which no other addition
// does, and the value afterwards is result.
type addition struct {
	number int64
	result string
}

// A recorder is an accumulator that remembers what was done to it. It is one run of one replica:
// a replica that starts again gets a new one.
type recorder struct {
	accumulator.Machine
	history []addition
}

func (r *recorder) Apply(op uint64, command []byte) []byte {
	result := r.Machine.Apply(op, command)
	if c, err := accumulator.Parse(command); err == nil && c.Operation == accumulator.Add {
		r.history = append(r.history, addition{c.Operand, string(result)})
	}
	return result
}

// Snapshot returns the history, which the accumulator's value follows from.
func (r *recorder) Snapshot() io.WriterTo { return past(r.history[:len(r.history):len(r.history)]) }

type past []addition

func (p past) WriteTo(w io.Writer) (n int64, err error) {
	for _, a := range p {
		some, err := fmt.Fprintln(w, a.number, a.result)
		if n += int64(some); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Restore does again what was done.
func (r *recorder) Restore(from io.Reader) error {
	*r = recorder{}
	for lines := bufio.NewScanner(from); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		number, _, _ := strings.Cut(lines.Text(), " ")
		r.Apply(0, []byte("add "+number))
	}
}

// A verdict compares what the client was told with what the replicas have done.
type verdict struct {
	applied    int // additions that the replicas have executed
	lost       int // acknowledged, but not executed by every replica
	duplicated int // executed more than once by one replica
	// wrong lists what is not a number of additions: results that differ from the
	// acknowledged ones, histories that differ from each other.
	wrong []string
}

func (v verdict) good() bool { return v.lost == 0 && v.duplicated == 0 && len(v.wrong) == 0 }

// judge wants every acknowledged addition in each of the full histories, once, with the result
// that was acknowledged. The histories of runs that ended early must be the beginning of those.
func judge(acked []addition, full, ended [][]addition) verdict {
	var v verdict
	lost, duplicated := make(map[int64]bool), make(map[int64]bool)
	for i, history := range full {
		results := make(map[int64]string, len(history))
		for _, a := range history {
			if _, again := results[a.number]; again {
				duplicated[a.number] = true
			}
			results[a.number] = a.result
		}
		v.applied = max(v.applied, len(results))
		for _, a := range acked {
			switch result, there := results[a.number]; {
			case !there:
				lost[a.number] = true
			case result != a.result:
				v.wrong = append(v.wrong, fmt.Sprintf("add %d was answered %s, history %d has %s", a.number, a.result, i, result))
			}
		}
		if !slices.Equal(history, full[0]) {
			v.wrong = append(v.wrong, fmt.Sprintf("histories 0 and %d differ", i))
		}
	}
	for i, history := range ended {
		if len(history) > len(full[0]) || !slices.Equal(history, full[0][:len(history)]) {
			v.wrong = append(v.wrong, fmt.Sprintf("ended history %d is not the beginning of the others", i))
		}
	}
	v.lost, v.duplicated = len(lost), len(duplicated)
	return v
}
