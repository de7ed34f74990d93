package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"vrnode/netem/link"
)

// An Impairment is a change of a link's settings: what is nil stays as it is.
type Impairment struct {
	Down      *bool
	MTU       *int
	Rate      *link.Rate
	Loss      *link.Loss
	Duplicate *float64
	Corrupt   *float64
	Reorder   *float64
	Delay     *link.Delay
	Limit     *int
}

// Apply makes the change.
func (i *Impairment) Apply(s *link.Settings) {
	set(&s.Down, i.Down)
	set(&s.MTU, i.MTU)
	set(&s.Rate, i.Rate)
	set(&s.Loss, i.Loss)
	set(&s.Duplicate, i.Duplicate)
	set(&s.Corrupt, i.Corrupt)
	set(&s.Reorder, i.Reorder)
	set(&s.Delay, i.Delay)
	set(&s.Limit, i.Limit)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// String writes the change in the words of the files.
func (i *Impairment) String() string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if i.Down != nil {
		add("down %t", *i.Down)
	}
	if i.MTU != nil {
		add("mtu %d", *i.MTU)
	}
	if i.Rate != nil {
		add("rate %v", rateText(*i.Rate))
	}
	if i.Loss != nil {
		add("loss %v", lossText(*i.Loss))
	}
	if i.Duplicate != nil {
		add("duplicate %v", percentText(*i.Duplicate))
	}
	if i.Corrupt != nil {
		add("corrupt %v", percentText(*i.Corrupt))
	}
	if i.Reorder != nil {
		add("reorder %v", percentText(*i.Reorder))
	}
	if i.Delay != nil {
		add("delay %v", delayText(*i.Delay))
	}
	if i.Limit != nil {
		add("limit %d", *i.Limit)
	}
	return strings.Join(out, ", ")
}

// Describe writes the settings of a link in the words of the files, as short as they allow.
func Describe(s link.Settings) string {
	i := Impairment{}
	if s.Down {
		i.Down = &s.Down
	}
	if s.MTU != 0 {
		i.MTU = &s.MTU
	}
	if s.Rate != (link.Rate{}) {
		i.Rate = &s.Rate
	}
	if s.Loss != (link.Loss{}) {
		i.Loss = &s.Loss
	}
	if s.Duplicate != 0 {
		i.Duplicate = &s.Duplicate
	}
	if s.Corrupt != 0 {
		i.Corrupt = &s.Corrupt
	}
	if s.Reorder != 0 {
		i.Reorder = &s.Reorder
	}
	if s.Delay != (link.Delay{}) {
		i.Delay = &s.Delay
	}
	if s.Limit != 0 {
		i.Limit = &s.Limit
	}
	if i == (Impairment{}) {
		return "perfect"
	}
	return i.String()
}

func percentText(p float64) string { return strconv.FormatFloat(p*100, 'g', 6, 64) + "%" }

func lossText(l link.Loss) string {
	if b := l.Burst; b != (link.Burst{}) {
		return fmt.Sprintf("gemodel %s %s %s %s", percentText(b.Turn), percentText(b.Mend), percentText(b.Bad), percentText(b.Good))
	}
	return percentText(l.Random)
}

func delayText(d link.Delay) string {
	if d.Jitter == 0 {
		return d.Mean.String()
	}
	return fmt.Sprintf("%v ± %v %v", d.Mean, d.Jitter, d.Distribution)
}

func rateText(r link.Rate) string {
	if r == (link.Rate{}) {
		return "unbounded"
	}
	return fmt.Sprintf("%s with a queue of %d bytes", bitsText(r.Bits), r.Queue)
}

func bitsText(bits int64) string {
	for _, unit := range bitUnits {
		if bits%unit.is == 0 {
			return strconv.FormatInt(bits/unit.is, 10) + unit.name
		}
	}
	return strconv.FormatInt(bits, 10) + "bit"
}
