package linktest

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"vrnode/frag"
)

// The lanes: small messages are the most urgent, as those of a view change, messages of the sweep
// go as proposals do, and bulk as state transfer does.
const (
	laneSmall = frag.Lane(0)
	laneSweep = frag.Lane(1)
	laneBulk  = frag.Lane(3)
)

const (
	// bulkSize is the size of a message of bulk.
	bulkSize = 64 << 10
	// bulkWindow is how many of them are outstanding at most. They fit the window and the queue of
	// a lane, and a path of 4 MiB is never idle for want of them.
	bulkWindow = 96
	// windowStart is how many are outstanding at first. Half as many come on top as were answered
	// within queueMax of the least latency: what is asked for beyond that only waits in memory, which
	// on a fast link is slower than the link, and of a slow one takes longer to empty than to measure.
	windowStart = 4
	queueMax    = 4
	// outstandingMax is a power of two above the requests of all streams of a phase.
	outstandingMax = 128
	// pingGap is the time between two pings beside bulk, which are to see it and not to slow it.
	pingGap = time.Millisecond

	// Latencies are kept from 1 ns to latencyMax with two significant digits; a longer one counts
	// as latencyMax.
	latencyMax = time.Minute
)

// A stream is a closed loop of requests.
type stream struct {
	lane         frag.Lane
	size, answer int
	window       int           // outstanding at most
	gap          time.Duration // from the begin of a request to that of the next

	outstanding int
	next        time.Duration // not before is the next one to begin
	// counted are the requests that were answered in the measurement, soon those that were answered
	// within queueMax of the least latency.
	counted, soon int64
	least         time.Duration
	latencies     *hdrhistogram.Histogram
}

func newStream(lane frag.Lane, size, answer, window int, gap time.Duration) *stream {
	return &stream{
		lane: lane, size: size, answer: answer, window: window, gap: gap, least: latencyMax,
		latencies: hdrhistogram.New(1, int64(latencyMax), 2),
	}
}

// may tells whether the stream may begin a request.
func (s *stream) may(now time.Duration) bool {
	window := min(int64(s.window), windowStart+s.soon/2)
	return int64(s.outstanding) < window && s.next <= now
}

func (s *stream) began(now time.Duration) {
	s.outstanding++
	s.next = now + s.gap
}

// answered notes the end of a request that took so long.
func (s *stream) answered(latency time.Duration, counts bool) {
	s.outstanding--
	s.least = min(s.least, latency)
	if latency <= queueMax*s.least {
		s.soon++
	}
	if counts {
		s.counted++
		s.latencies.RecordValue(int64(min(latency, latencyMax))) // fails only beyond latencyMax
	}
}

// deadline is when the stream may begin its next request without one that ends.
func (s *stream) deadline() time.Duration {
	if s.outstanding == 0 || s.outstanding < s.window && s.gap > 0 {
		return s.next
	}
	return frag.Never
}

// roundTrips returns the figures of the requests in the measurement, which took this long.
func (s *stream) roundTrips(took time.Duration) RoundTrips {
	micros := func(quantile float64) float64 { return float64(s.latencies.ValueAtQuantile(quantile)) / 1e3 }
	r := RoundTrips{
		Bytes: s.size, AnswerBytes: s.answer, Count: s.counted, PerSecond: perSecond(s.counted, took),
		P50Micros: micros(50), P90Micros: micros(90), P99Micros: micros(99), P999Micros: micros(99.9),
	}
	if s.counted > 0 {
		r.LeastMicros, r.MostMicros = float64(s.latencies.Min())/1e3, float64(s.latencies.Max())/1e3
	}
	return r
}

// payload is how many bytes of messages the stream has moved, in the direction of the larger ones.
func (s *stream) payload() int64 { return s.counted * int64(max(s.size, s.answer)) }

func perSecond(n int64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}
