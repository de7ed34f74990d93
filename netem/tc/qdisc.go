package tc

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"vrnode/netem/link"
)

// A place is where the qdiscs of one direction go.
type place struct {
	tc     []string // "tc", and in which namespace
	dev    string
	parent []string // "root", or "parent" and a class
	outer  string   // major number of the handle of what is attached there
	inner  string   // of the bottleneck inside
}

// An attached is what a place has at present.
type attached struct {
	outer string // the kind: "" for none, netem or tbf
	inner bool   // a tbf inside a netem
	// table: netem has loaded a table of delays. No change can make it forget that.
	table bool
}

// change returns the commands that make a place do what to says. What can be changed in place is,
// and what waits there stays; otherwise the qdisc is made again, and what waits there is lost.
func (p *place) change(at *attached, to link.Settings) []Command {
	var out []Command
	run := func(verb string, words ...[]string) {
		out = append(out, join(p.tc, []string{"qdisc", verb, "dev", p.dev}, join(words...)))
	}
	want := attached{}
	switch {
	case needsNetem(to):
		want.outer, want.inner = "netem", to.Rate.Bits > 0
	case to.Rate.Bits > 0:
		want.outer = "tbf"
	}
	uniform := to.Delay.Jitter > 0 && to.Delay.Distribution == link.Uniform
	if at.outer != "" && (at.outer != want.outer || at.table && uniform) {
		run("delete", p.parent)
		*at = attached{}
	}
	want.table = at.table || to.Delay.Jitter > 0 && !uniform
	switch want.outer {
	case "netem":
		run(verb(at.outer != ""), p.parent, []string{"handle", p.outer + ":"}, netem(to))
	case "tbf":
		run(verb(at.outer != ""), p.parent, []string{"handle", p.outer + ":"}, tbf(to.Rate))
	}
	inside := []string{"parent", p.outer + ":1", "handle", p.inner + ":"}
	switch {
	case want.inner:
		run(verb(at.inner), inside, tbf(to.Rate))
	case at.inner:
		run("delete", inside)
	}
	*at = want
	return out
}

func verb(there bool) string {
	if there {
		return "change"
	}
	return "add"
}

// needsNetem tells whether settings need more than a rate and what nft does.
func needsNetem(s link.Settings) bool {
	return s.Delay != link.Delay{} || s.Loss != link.Loss{} || s.Duplicate > 0 || s.Corrupt > 0 || s.Limit > 0
}

// netem returns the arguments of a netem qdisc. They are the same for add and change. Corruption
// is always among them because netem keeps what a change does not mention.
func netem(s link.Settings) []string {
	out := []string{"netem", "limit", strconv.Itoa(s.Window())}
	add := func(words ...string) { out = append(out, words...) }
	if d := s.Delay; d.Mean > 0 || d.Jitter > 0 {
		add("delay", micros(d.Mean))
		if d.Jitter > 0 {
			add(micros(d.Jitter))
			if d.Distribution != link.Uniform {
				add("distribution", d.Distribution.String())
			}
		}
	}
	if b := s.Loss.Burst; b.Turn > 0 {
		add("loss", "gemodel", percent(b.Turn), percent(b.Mend), percent(b.Bad), percent(b.Good))
	} else if s.Loss.Random > 0 {
		add("loss", "random", percent(s.Loss.Random))
	}
	if s.Duplicate > 0 {
		add("duplicate", percent(s.Duplicate))
	}
	add("corrupt", percent(s.Corrupt))
	if s.Reorder > 0 && s.Delay.Mean > 0 { // tc refuses it without a delay, where it would do nothing
		add("reorder", percent(s.Reorder))
	}
	return out
}

// ticks is how often per second a common kernel refills a token bucket at least.
const ticks = 250

// tbf returns the arguments of a bottleneck. Its bucket holds what passes between two refills, or
// two frames.
func tbf(r link.Rate) []string {
	burst := max(r.Bits/8/ticks, 2*link.QueueMin)
	return words(fmt.Sprintf("tbf rate %dbit burst %d limit %d", r.Bits, burst, r.Queue))
}

func micros(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Microsecond), 'f', -1, 64) + "us"
}

// percent writes a chance to one in a hundred million.
func percent(p float64) string { return strconv.FormatFloat(math.Round(p*1e8)/1e6, 'f', -1, 64) + "%" }
