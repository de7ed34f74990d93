package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/cespare/xxhash/v2"
)

// trace is what people and the determinism test see of a run: a line for each event, if anybody
// wants lines, and a hash of all events in any case.
//
//	    1.203450s  2<-1  Prepare v=3 n=17 …         normal v=3 n=17 k=16
//	virtual time   |     what                        the state after it
//	               site: digits are replicas, letters clients; "->" sends, "!" an event, "*" a fault
type trace struct {
	to     io.Writer
	hash   xxhash.Digest
	digits []byte
}

func newTrace(to io.Writer) *trace {
	t := &trace{to: to}
	t.hash.Reset()
	return t
}

// mix puts an event into the hash.
func (t *trace) mix(now time.Duration, site int, what []byte) {
	t.digits = binary.LittleEndian.AppendUint64(t.digits[:0], uint64(now))
	t.digits = binary.LittleEndian.AppendUint64(t.digits, uint64(site))
	t.hash.Write(t.digits)
	t.hash.Write(what)
}

// line writes an event, if lines are wanted.
func (t *trace) line(now time.Duration, who, what, state string) {
	if t.to == nil {
		return
	}
	if state == "" {
		fmt.Fprintf(t.to, "%14.6fs  %-6s %s\n", now.Seconds(), who, what)
		return
	}
	fmt.Fprintf(t.to, "%14.6fs  %-6s %-72s %s\n", now.Seconds(), who, what, state)
}

func (t *trace) wanted() bool { return t.to != nil }
