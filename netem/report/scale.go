package report

import (
	"math"
	"strconv"
	"time"

	"vrnode/netem/result"
)

// A length is a distance in a figure.
type length float64

func (l length) String() string {
	return strconv.FormatFloat(math.Round(float64(l)*10)/10, 'f', -1, 64)
}

// Every figure with a time axis has these margins, so that what is one below the other happened at
// the same time.
const (
	marginLeft  length = 78
	marginRight length = 22
)

// The widths of figures that have the page to themselves, and that share it.
const (
	widthAlone  length = 1040
	widthBeside length = 600
)

// A scale puts the time of runs on the width of figures. All runs of a page have the same.
type scale struct {
	span  time.Duration
	Width length
}

// spanMax bounds the time axis.
const spanMax = 24 * time.Hour

// newScale returns a scale for all that is known of the runs.
func newScale(runs []*result.Run) scale {
	s := scale{Width: widthAlone}
	if len(runs) > 1 {
		s.Width = widthBeside
	}
	for _, r := range runs {
		for i := range r.History {
			s.span = max(s.span, r.History[i].Return)
		}
		for i := range r.Events {
			s.span = max(s.span, r.Events[i].At)
		}
		for i := range r.Links {
			s.span = max(s.span, r.Links[i].End)
		}
	}
	s.span = min(max(s.span, time.Millisecond), spanMax)
	return s
}

// clip moves a time into the run.
func (s scale) clip(at time.Duration) time.Duration { return min(max(at, 0), s.span) }

// X returns where a time is.
func (s scale) X(at time.Duration) length {
	return s.Left() + (s.Right()-s.Left())*length(s.clip(at))/length(s.span)
}

// Between returns how far two times are apart, at least so much that it can be seen.
func (s scale) Between(begin, end time.Duration) length { return max(s.X(end)-s.X(begin), 2) }

// Left and Right are the ends of the time axis.
func (s scale) Left() length  { return marginLeft }
func (s scale) Right() length { return s.Width - marginRight }

// A tick is a mark of the time axis.
type tick struct {
	X    length
	Text string
}

// Ticks returns the marks of the time axis, about one for every 100 of width.
func (s scale) Ticks() []tick {
	step := niceStep(s.span.Seconds() / float64((s.Right()-s.Left())/100))
	var out []tick
	for i := 0; ; i++ {
		at := time.Duration(float64(i) * step * float64(time.Second))
		if at > s.span {
			return out
		}
		out = append(out, tick{s.X(at), strconv.FormatFloat(round(at.Seconds()), 'f', -1, 64) + " s"})
	}
}

// niceStep returns the next number above x that is 1, 2 or 5 times a power of ten.
func niceStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= x*(1-1e-9) {
			return n * power
		}
	}
	return 10 * power
}

// round takes away what binary fractions add.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }
