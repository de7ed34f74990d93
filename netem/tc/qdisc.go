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
	netem, tbf bool
	// table: netem has loaded a table of delays. No change can make it forget that.
	table bool
}

// change returns the commands that make a place do what to says when it does what at holds.
// Settings that differ in numbers only are changed in place, and what waits there stays. For
// others the qdisc is made again, and what waits there is lost.
func (p *place) change(at *attached, to link.Settings) []Command {
	want := attached{netem: needsNetem(to), tbf: to.Rate.Bits > 0}
	uniform := to.Delay.Jitter > 0 && to.Delay.Distribution == link.Uniform
	verb := "add"
	if at.netem == want.netem && at.tbf == want.tbf && !(at.table && uniform) {
		verb = "change"
	}
	want.table = to.Delay.Jitter > 0 && !uniform || verb == "change" && at.table
	var out []Command
	qdisc := func(verb string, rest ...[]string) {
		out = append(out, join(p.tc, []string{"qdisc", verb, "dev", p.dev}, join(rest...)))
	}
	if verb == "add" && (at.netem || at.tbf) {
		qdisc("del", p.parent)
	}
	*at = want
	outer := []string{"handle", p.outer + ":"}
	switch {
	case want.netem && want.tbf:
		qdisc(verb, p.parent, outer, netem(to))
		qdisc(verb, []string{"parent", p.outer + ":1", "handle", p.inner + ":"}, tbf(to.Rate))
	case want.netem:
		qdisc(verb, p.parent, outer, netem(to))
	case want.tbf:
		qdisc(verb, p.parent, outer, tbf(to.Rate))
	}
	return out
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
