package linktest

import (
	"time"

	"vrnode/wire"
)

// A Report is what a measurement has found. What was not measured is missing in it.
type Report struct {
	To    string `json:"to"`
	Local string `json:"local"`
	// ConnectMillis is how long it took to open a session and get a first answer.
	ConnectMillis float64 `json:"connect_ms"`
	// Interrupted: the measurement has ended before its time, and so has the last row.
	Interrupted bool   `json:"interrupted"`
	Rows        []Row  `json:"rows"`
	Sent        uint64 `json:"datagrams_sent"`
	Received    uint64 `json:"datagrams_received"`
	// Denied is why the other end refuses to talk.
	Denied wire.Denied `json:"-"`
	// TooBig counts the datagrams that did not fit this end's own interface.
	TooBig uint64 `json:"datagrams_too_big"`
	// Advice is what to do about small socket buffers.
	Advice string `json:"advice,omitempty"`
}

// A Row is one phase of a measurement.
type Row struct {
	Phase   Phase   `json:"phase"`
	Seconds float64 `json:"seconds"`
	RoundTrips
	// BytesPerSecond counts the bytes of messages, without those of headers.
	BytesPerSecond float64 `json:"bytes_per_second"`
	// Beside are the small round trips during bulk.
	Beside *RoundTrips `json:"beside,omitempty"`
	// Path is how the end that sent the larger messages reached the other.
	Path Path `json:"path"`
	// OverflowedHere and OverflowedThere count the datagrams that arrived and that a socket had no
	// room for.
	OverflowedHere  uint64 `json:"overflowed_here"`
	OverflowedThere uint64 `json:"overflowed_there"`
}

// RoundTrips are requests and their answers.
type RoundTrips struct {
	Bytes       int     `json:"bytes"`
	AnswerBytes int     `json:"answer_bytes"`
	Count       int64   `json:"count"`
	PerSecond   float64 `json:"per_second"`
	LeastMicros float64 `json:"min_us"`
	P50Micros   float64 `json:"p50_us"`
	P90Micros   float64 `json:"p90_us"`
	P99Micros   float64 `json:"p99_us"`
	P999Micros  float64 `json:"p999_us"`
	MostMicros  float64 `json:"max_us"`
}

// A Path is how one end reaches the other, by what package frag knows. The counts are of one
// phase, the rest is of its end.
type Path struct {
	Sent uint64 `json:"datagrams"`
	// Lost counts the datagrams that were taken for lost, Again the fragments sent once more.
	Lost        uint64  `json:"lost"`
	LossPercent float64 `json:"loss_percent"`
	Again       uint64  `json:"fragments_again"`
	// Partings counts how often datagrams that the kernel had joined were found to get lost, so that
	// none were joined for a minute.
	Partings uint64 `json:"partings"`
	// SRTTMicros and the others are the transport's own round-trip time, without the wait in a
	// queue of the sender.
	SRTTMicros   float64 `json:"srtt_us"`
	RTTVarMicros float64 `json:"rttvar_us"`
	RTTMinMicros float64 `json:"rttmin_us"`
	// WindowBytes is how much may be in flight, DatagramBytes the largest datagram.
	WindowBytes   int `json:"window_bytes"`
	DatagramBytes int `json:"datagram_bytes"`

	srtt, variation, least time.Duration
	overflowed             uint64
}

// since returns the path with the counts since an earlier look, and the figures for people.
func (p Path) since(before Path) Path {
	p.Sent -= before.Sent
	p.Lost -= before.Lost
	p.Again -= before.Again
	p.Partings -= before.Partings
	p.overflowed -= before.overflowed
	if p.Sent > 0 {
		p.LossPercent = 100 * float64(p.Lost) / float64(p.Sent)
	}
	micros := func(d time.Duration) float64 { return float64(d) / 1e3 }
	p.SRTTMicros, p.RTTVarMicros, p.RTTMinMicros = micros(p.srtt), micros(p.variation), micros(p.least)
	return p
}
