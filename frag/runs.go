package frag

import "time"

// Runs of datagrams that may be joined are what makes bulk cheap: the kernel, or the network card,
// carries a run in one piece and cuts it late. There have been kernels and cards that damaged what
// they cut, and nothing but the acknowledgements tells. So a session watches what becomes of its
// runs. While they arrive it costs nothing. When too many are lost, every other run goes out
// datagram by datagram for a while, and if those arrive, no more runs are sent to the peer for
// partedFor.
const (
	// runBytesMax bounds a run, in bytes.
	runBytesMax = 64 << 10
	// paddingShare: at most one byte in so many is padding for the sake of a run.
	paddingShare = 4
	// suspicious is the share of lost datagrams, in percent, from which runs are compared with
	// others.
	suspicious = 2
	// The verdict is that runs do harm if harmFactor times as many of their datagrams are lost as
	// of the others, and harmLeast percent more. The latter is more than one run in runsLeast:
	// a full queue somewhere drops whole runs.
	harmFactor = 5
	harmLeast  = 10
	// datagramsLeast and runsLeast are what a verdict needs of each kind, within sampleTime.
	datagramsLeast = 200
	runsLeast      = 16
	sampleTime     = 10 * time.Second
	// partedFor is how long a verdict against runs holds, acquittedFor one for them.
	partedFor    = 60 * time.Second
	acquittedFor = 10 * time.Second
)

// A runKind tells how a datagram of a run has left.
type runKind uint8

const (
	runNone   runKind = iota // it was in no run
	runJoined                // with the others of its run
	runAlone                 // by itself, to compare
)

type runState uint8

const (
	runsTrusted   runState = iota // until too many are lost
	runsCompared                  // every other run goes out datagram by datagram
	runsParted                    // there are none
	runsAcquitted                 // nobody looks
)

// A runSample is what became of the datagrams of one kind.
type runSample struct{ runs, arrived, lost int }

func (s *runSample) count() int   { return s.arrived + s.lost }
func (s *runSample) enough() bool { return s.count() >= datagramsLeast && s.runs >= runsLeast }

// runs is the part of a session that decides what may be joined.
type runs struct {
	// size is of the datagram packed last, if another of that size or less continues its run;
	// else 0. room is what is left of the run.
	size, room int
	kind       runKind

	state         runState
	since         time.Duration // when the state or the sample began
	joined, alone runSample
}

// rest ends the run in hand: what comes next does not follow it.
func (r *runs) rest() { r.size = 0 }

// padded returns how long to make a datagram of so many bytes: a nearly full one is made as long as
// the others of its run, which it would end otherwise. Where messages end, bulk is full of those.
func (r *runs) padded(size int) int {
	if size < r.size && size >= r.size-r.size/paddingShare {
		return r.size
	}
	return size
}

// join takes note of the datagram of so many bytes that was added to sent. It tells whether the
// datagram may be joined with the one before.
func (r *runs) join(now time.Duration, sent *sentDatagrams, size int) bool {
	if size > r.size || size > r.room {
		r.size, r.room, r.kind = size, runBytesMax-size, r.nextKind(now)
		return false
	}
	first := sent.at(sent.next-2).run == runNone
	sent.at(sent.next-2).run, sent.at(sent.next-1).run = r.kind, r.kind
	if s := r.sample(r.kind); first && s != nil {
		s.runs++
	}
	r.room -= size
	if size < r.size {
		r.size = 0
	}
	return r.kind == runJoined
}

// nextKind chooses how a run that begins will leave.
func (r *runs) nextKind(now time.Duration) runKind {
	switch {
	case r.state == runsParted && now-r.since >= partedFor,
		r.state == runsAcquitted && now-r.since >= acquittedFor,
		r.state <= runsCompared && now-r.since >= sampleTime:
		r.enter(now, runsTrusted)
	}
	switch {
	case r.state == runsParted, r.state == runsCompared && r.kind != runAlone:
		return runAlone
	}
	return runJoined
}

func (r *runs) enter(now time.Duration, s runState) {
	r.state, r.since, r.joined, r.alone = s, now, runSample{}, runSample{}
}

// sample returns where datagrams of a kind are counted now, or nil.
func (r *runs) sample(k runKind) *runSample {
	switch {
	case r.state > runsCompared:
	case k == runJoined:
		return &r.joined
	case k == runAlone:
		return &r.alone
	}
	return nil
}

// onArrived notes that a datagram arrived, perhaps after it was taken for lost.
func (r *runs) onArrived(d *sentDatagram) {
	s := r.sample(d.run)
	if s == nil || d.state == sentDone || d.at < r.since {
		return
	}
	s.arrived++
	if d.state == sentLost {
		s.lost--
	}
}

// onLost notes that a datagram was lost.
func (r *runs) onLost(d *sentDatagram) {
	if s := r.sample(d.run); s != nil && d.at >= r.since {
		s.lost++
	}
}

// judge tells whether the samples say, now, that runs do harm.
func (r *runs) judge(now time.Duration) bool {
	j, a := &r.joined, &r.alone
	switch r.state {
	case runsTrusted:
		switch {
		case j.count() < datagramsLeast:
		case 100*j.lost > suspicious*j.count():
			r.enter(now, runsCompared)
		default:
			r.enter(now, runsTrusted)
		}
	case runsCompared:
		switch {
		case !j.enough() || !a.enough():
		case 100*j.lost*a.count() > harmFactor*100*a.lost*j.count()+harmLeast*a.count()*j.count():
			r.enter(now, runsParted)
			return true
		default:
			r.enter(now, runsAcquitted)
		}
	}
	return false
}
