package sim

import (
	"bytes"
	"errors"
	"time"

	"vrnode/internal/stack"
	"vrnode/statexfer"
	"vrnode/vr"
)

// Hosts bring states themselves. What takes them long takes here as long as is chosen.

// travel is how long a state may take to be written, fetched by a bare replica, or restored.
var travel = [...]time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond}

func (w *World) jobTakes(j stack.Job) time.Duration {
	switch {
	case !j.IsLong():
		return 0
	case w.states.longJob > 0:
		return w.states.longJob
	case !w.faulty: // the faults are over
		return travel[0]
	}
	return travel[w.choose.Choose(len(travel), "job")]
}

// rottenOneIn: one in so many spools gives back something else than what was written to it. One in so many for a tail takes
// no more than fullAt bytes.
const (
	rottenOneIn = 4
	fullAt      = 4 << 10
)

func (w *World) openSpool() stack.Spool {
	if w.rots && w.choose.Choose(rottenOneIn, "rotten spool") == rottenOneIn-1 {
		return &rottenSpool{world: w}
	}
	return new(statexfer.Memory)
}

func (w *World) openTail() stack.Spool {
	if w.rots && w.choose.Choose(rottenOneIn, "full spool") == rottenOneIn-1 {
		return &fullSpool{world: w}
	}
	return w.openSpool()
}

type fullSpool struct {
	statexfer.Memory
	world *World
}

var errFull = errors.New("no space left")

func (s *fullSpool) WriteAt(b []byte, at int64) (int, error) {
	if s.world.rots && at+int64(len(b)) > fullAt {
		return 0, errFull
	}
	return s.Memory.WriteAt(b, at)
}

type rottenSpool struct {
	statexfer.Memory
	world *World
}

// ReadAt changes a bit of what was written.
func (s *rottenSpool) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.Memory.ReadAt(b, at)
	if n > 0 && s.world.rots {
		b[n/2] ^= 1
	}
	return n, err
}

// Bare replicas have nobody who brings states, so the World does.

// A parcel is a state on its way to a replica that needs one, or the vain wait for it.
type parcel struct {
	at         time.Duration  // when the next happens to it
	from       process        // the donor, nil if it was down
	checkpoint *vr.Checkpoint // nil if the donor had none
	opened     bool           // the machine of the replica is being restored
}

// sendState sends a replica the state that it needs, if it does and none is on its way. The newest
// checkpoint of a donor goes off, and is lost if the donor ends before it arrives.
func (w *World) sendState(s *site) {
	p, bare := s.process.(*bareReplica)
	if !w.carries || !bare || s.parcel != nil {
		return
	}
	need, lacks := p.vr.NeedState()
	if !lacks {
		return
	}
	s.parcel = &parcel{at: w.now + travel[w.choose.Choose(len(travel), "travel")]}
	if len(need.Donors) == 0 {
		return
	}
	donor := w.sites[w.siteOf(need.Donors[w.choose.Choose(len(need.Donors), "donor")])]
	if donor.process != nil {
		r, _ := donor.process.replica()
		s.parcel.from, s.parcel.checkpoint = donor.process, r.Checkpoint()
	}
}

// runs tells whether a process has not ended.
func (w *World) runs(p process) bool {
	for _, s := range w.sites {
		if s.process != nil && s.process == p {
			return true
		}
	}
	return false
}

// unpack lets the next happen to the parcel of a site: it arrives and the machine begins to read it,
// or that is done.
func (w *World) unpack(i int) {
	s := w.sites[i]
	p := s.parcel
	s.parcel = nil
	r, m := s.process.replica()
	if !p.opened {
		if p.checkpoint == nil || !w.runs(p.from) || !r.BeginRestore(p.checkpoint.Op) {
			w.sendState(s)
			return
		}
		p.opened = true
		p.at = w.now + travel[w.choose.Choose(len(travel), "restore")]
		s.parcel = p
		return
	}
	state, err := copyState(p.checkpoint, m)
	if err != nil {
		w.fail("a state is restored", err.Error())
		return
	}
	w.out.reset()
	if w.guard(s, func() { s.process.(*bareReplica).install(w.now-s.born, state, &w.out) }) {
		w.after(i)
	}
}

// copyState restores a machine from a checkpoint, by the bytes that it is written as.
func copyState(c *vr.Checkpoint, m *machine) (*vr.Restored, error) {
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	return vr.ReadCheckpoint(&b, m)
}
