package report

import (
	"cmp"
	"math"
	"slices"
	"time"

	"vrnode/netem/result"
)

// A bucket holds the calls that ended in one stretch of time.
type bucket struct {
	answered, refused, unanswered int
	latencies                     []time.Duration // of the answered ones, sorted
}

// bucketsWanted is about how many buckets a run is cut into.
const bucketsWanted = 240

// bucketWidth returns a stretch that is easy to name.
func (s scale) bucketWidth() time.Duration {
	return max(time.Duration(niceStep(s.span.Seconds()/bucketsWanted)*float64(time.Second)), time.Microsecond)
}

// bucketsOf sorts calls by the time of their end.
func bucketsOf(calls []result.Call, s scale) []bucket {
	width := s.bucketWidth()
	out := make([]bucket, (s.span+width-1)/width)
	for i := range calls {
		c := &calls[i]
		b := &out[min(int(s.clip(c.Return)/width), len(out)-1)]
		switch c.End {
		case result.Answered:
			b.answered++
			b.latencies = append(b.latencies, c.Return-c.Invoke)
		case result.Refused:
			b.refused++
		default:
			b.unanswered++
		}
	}
	for i := range out {
		slices.Sort(out[i].latencies)
	}
	return out
}

// quantile returns what a share q of all latencies does not exceed.
func (b *bucket) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(len(b.latencies))))
	return b.latencies[min(max(rank-1, 0), len(b.latencies)-1)]
}

// A silence is a time in which calls waited and none was answered.
type silence struct {
	Begin, End time.Duration
	X, Width   length
	// Label is its length; LabelX is where it begins, 0 if there is no room.
	Label  string
	LabelX length
	// During are the faults that overlap with it.
	During []*fault
}

// Length is how long it was.
func (g *silence) Length() time.Duration { return g.End - g.Begin }

const (
	// silenceMin is the shortest time without an answer that is worth showing, and silenceFactor
	// how many times longer than the usual it is.
	silenceMin    = 50 * time.Millisecond
	silenceFactor = 10
	// silencesMax bounds the silences of a page; the longest are kept.
	silencesMax = 40
)

// silencesOf finds the times in which somebody waited and nobody got an answer, from the first
// call on.
func silencesOf(calls []result.Call, faults []fault, s scale) []silence {
	answers, first := answersOf(calls)
	if len(calls) == 0 {
		return nil
	}
	least := silenceLeast(len(answers), s)
	var out []silence
	begin := first
	for _, end := range append(answers, lastOf(calls)) {
		if end-begin >= least {
			out = append(out, newSilence(begin, end, faults, s))
		}
		begin = max(begin, end)
	}
	slices.SortStableFunc(out, func(a, b silence) int { return cmp.Compare(b.Length(), a.Length()) })
	out = out[:min(len(out), silencesMax)]
	slices.SortFunc(out, func(a, b silence) int { return cmp.Compare(a.Begin, b.Begin) })
	label(out, s)
	return out
}

// silenceLeast returns the length from which on a time without an answer is a silence.
func silenceLeast(answers int, s scale) time.Duration {
	usual := s.span / time.Duration(answers+1)
	return max(silenceMin, min(silenceFactor*usual, s.span/2))
}

// answersOf returns the times of answers, sorted, and that of the first call.
func answersOf(calls []result.Call) (answers []time.Duration, first time.Duration) {
	first = math.MaxInt64
	for i := range calls {
		first = min(first, calls[i].Invoke)
		if calls[i].End == result.Answered {
			answers = append(answers, calls[i].Return)
		}
	}
	slices.Sort(answers)
	return answers, first
}

// lastOf returns when the last call ended.
func lastOf(calls []result.Call) (last time.Duration) {
	for i := range calls {
		last = max(last, calls[i].Return)
	}
	return last
}

// label puts labels behind silences that have room before the next one.
func label(silences []silence, s scale) {
	for i := range silences {
		g := &silences[i]
		next := s.Width
		if i+1 < len(silences) {
			next = silences[i+1].X
		}
		if x := g.X + g.Width + 4; x+textWidth(g.Label)+4 <= next {
			g.LabelX = x
		}
	}
}

func newSilence(begin, end time.Duration, faults []fault, s scale) silence {
	g := silence{Begin: begin, End: end, X: s.X(begin)}
	g.Width = s.Between(begin, end)
	g.Label = short(end - begin)
	for i := range faults {
		if f := &faults[i]; f.Begin < end && f.End >= begin {
			g.During = append(g.During, f)
		}
	}
	return g
}

// A traffic is what replicas sent to each other in one stretch of time, a second.
type traffic struct{ sent, again float64 }

// trafficWidth returns such a stretch. Samples are rarer than calls.
func (s scale) trafficWidth() time.Duration { return max(s.bucketWidth(), 500*time.Millisecond) }

// trafficOf adds up what all replicas sent, by the time of the samples that tell of it.
func trafficOf(events []result.Event, s scale) []traffic {
	width := s.trafficWidth()
	out := make([]traffic, (s.span+width-1)/width)
	for _, t := range result.TrafficOf(events) {
		b := &out[min(int(s.clip(t.At)/width), len(out)-1)]
		b.sent += float64(t.Sent) / width.Seconds()
		b.again += float64(t.Again) / width.Seconds()
	}
	return out
}
