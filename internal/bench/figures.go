package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Figures are what one closed loop has measured.
type Figures struct {
	Operations   int64   `json:"operations"`
	OpsPerSecond float64 `json:"ops_per_second"`
	P50Micros    float64 `json:"p50_us"`
	P99Micros    float64 `json:"p99_us"`
	P999Micros   float64 `json:"p999_us"`
	// Lost counts the datagrams of a floor that did not come back, and were sent again.
	Lost int64 `json:"lost,omitempty"`
}

// Latencies are kept from 1 ns to latencyMax with two significant digits; a longer one counts as
// latencyMax.
const latencyMax = time.Minute

// A recorder turns the ends of operations into Figures. Operations that end before from, while
// buffers grow and caches fill, are not counted.
type recorder struct {
	from, until time.Time
	latencies   *hdrhistogram.Histogram
	lost        int64
}

// warmUp is the share of the duration that goes before the measurement.
const warmUp = 10

func newRecorder(start time.Time, duration time.Duration) *recorder {
	from := start.Add(duration / warmUp)
	return &recorder{
		from:      from,
		until:     from.Add(duration),
		latencies: hdrhistogram.New(1, int64(latencyMax), 2),
	}
}

// record notes an operation, and tells whether to begin another one.
func (r *recorder) record(began, ended time.Time) (more bool) {
	if ended.After(r.until) {
		return false
	}
	if ended.After(r.from) {
		latency := min(ended.Sub(began), latencyMax)
		r.latencies.RecordValue(int64(latency)) // fails only beyond latencyMax
	}
	return true
}

func (r *recorder) figures() Figures {
	micros := func(quantile float64) float64 {
		return float64(r.latencies.ValueAtQuantile(quantile)) / 1e3
	}
	n := r.latencies.TotalCount()
	return Figures{
		Operations:   n,
		OpsPerSecond: float64(n) / r.until.Sub(r.from).Seconds(),
		P50Micros:    micros(50),
		P99Micros:    micros(99),
		P999Micros:   micros(99.9),
		Lost:         r.lost,
	}
}
