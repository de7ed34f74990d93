package link

import (
	"math"
	"math/bits"
	"time"
)

// A Histogram counts durations in buckets that are at most one part in 16 wide. Its zero value is
// empty, and it is of a fixed size: it can be copied, and adding to it allocates nothing.
type Histogram struct {
	Sum     time.Duration
	Count   uint64
	buckets [bucketsMax]uint32
}

const (
	// histogramUnit is the width of the smallest buckets.
	histogramUnit = time.Microsecond
	// bucketBits says how many buckets there are from one power of two to the next.
	bucketBits = 4
	// bucketsMax has room for 2^32 µs, more than an hour; longer ones are in the last.
	bucketsMax = (32 - bucketBits + 1) << bucketBits
)

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	h.Sum += d
	h.Count++
	h.buckets[bucketOf(d)]++
}

// Mean returns the average, 0 of nothing.
func (h *Histogram) Mean() time.Duration {
	if h.Count == 0 {
		return 0
	}
	return h.Sum / time.Duration(h.Count)
}

// Quantile returns a duration that a share q of all does not exceed, 0 of nothing. It is the upper
// end of a bucket.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(math.Ceil(q*float64(h.Count))), 1)
	seen := uint64(0)
	for i, n := range h.buckets {
		if seen += uint64(n); seen >= rank {
			return bucketEnd(i)
		}
	}
	return 0
}

func (h *Histogram) add(other *Histogram) {
	h.Sum += other.Sum
	h.Count += other.Count
	for i := range h.buckets {
		h.buckets[i] += other.buckets[i]
	}
}

func (h *Histogram) subtract(earlier *Histogram) {
	h.Sum -= earlier.Sum
	h.Count -= earlier.Count
	for i := range h.buckets {
		h.buckets[i] -= earlier.buckets[i]
	}
}

// bucketOf returns the bucket of a duration. Below 16 units each unit has its own; above, the top
// five bits of the number of units tell.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0) / histogramUnit)
	shift := max(bits.Len64(n)-bucketBits-1, 0)
	return min(shift<<bucketBits+int(n>>shift), bucketsMax-1)
}

// bucketEnd returns where a bucket ends.
func bucketEnd(i int) time.Duration {
	shift := max(i>>bucketBits-1, 0)
	n := uint64(i - shift<<bucketBits + 1)
	return time.Duration(n<<shift) * histogramUnit
}
