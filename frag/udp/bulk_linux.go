package udp

import "time"

const (
	// bulkLeast is how much of it makes bulk of what has arrived together: half of what the kernel
	// joins at most.
	bulkLeast = messageSize / 2
	// bulkSpin is for how long Wait asks for more before it sleeps. To put a CPU to sleep and wake it
	// takes about as long, and the sender of bulk, which has to do the waking, is the one that is busy.
	bulkSpin = 20 * time.Microsecond
	// bulkTries is how often in a row that may be in vain. From then on it is tried once in bulkEvery
	// times: the path is slower than both ends.
	bulkTries = 4
	bulkEvery = 64
)

// A bulk tells whether to sleep after bulk has arrived, which seldom comes alone.
type bulk struct {
	here   bool // what arrived last is bulk
	count  uint // how often it was
	failed uint // spins after bulk in a row in vain, bulkTries at most
}

// arrived notes that so many bytes have arrived together.
func (b *bulk) arrived(bytes int) {
	if b.here = bytes >= bulkLeast; b.here {
		b.count++
	}
}

// spin returns for how long to ask.
func (b *bulk) spin() time.Duration {
	if b.here && (b.failed < bulkTries || b.count%bulkEvery == 0) {
		return bulkSpin
	}
	return 0
}

// spun notes whether something has happened while Wait asked, for so long at most.
func (b *bulk) spun(limit time.Duration, awaited bool) {
	switch {
	case awaited:
		b.failed = 0
	case b.here && limit >= bulkSpin:
		b.failed = min(b.failed+1, bulkTries)
		b.here = false // one spin is enough
	}
}
