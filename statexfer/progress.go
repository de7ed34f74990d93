package statexfer

import (
	"time"

	"vrnode/wire"
)

// Progress is how far a transfer has come.
type Progress struct {
	Phase wire.TransferPhase
	Op    wire.OpNumber // of the checkpoint, 0 if none is chosen
	Total uint64        // its bytes
	Have  uint64        // those that are stored
	// Moved are the bytes that came in pieces, and Reused those that did not have to; both count from
	// the start of the transfer, for all the checkpoints that it took.
	Moved, Reused uint64
	// Rate is how many bytes per second become stored, and Left how long the rest will take at that
	// rate; Never if it is not known.
	Rate uint64
	Left time.Duration
	// Sources are the donors that the checkpoint comes from at present.
	Sources int
	// Wrong counts what sources sent that was not what it should be, Misled the chunks for which
	// blocks of the old state seemed to be equal and were not.
	Wrong, Misled uint64
}

// Percent returns how much is stored, 100 only if all of it is.
func (p Progress) Percent() int {
	if p.Total == 0 {
		return 0
	}
	return int(100 * p.Have / p.Total)
}

// Progress returns how far the transfer has come.
func (t *Target) Progress(now time.Duration) Progress {
	m := &t.meter
	p := Progress{Phase: t.phase, Op: t.op(), Total: m.total, Have: m.have, Moved: m.moved, Reused: m.reused,
		Rate: m.rate, Left: Never, Wrong: m.wrong, Misled: m.misled}
	if m.rate > 0 {
		p.Left = time.Duration(float64(m.total-m.have) / float64(m.rate) * float64(time.Second))
	}
	for _, d := range t.donors {
		if d.has && d.until <= now {
			p.Sources++
		}
	}
	return p
}

// A meter counts bytes.
type meter struct {
	total, have, moved, reused, wrong, misled uint64
	// rate is per second, of have since it was last measured.
	rate, before uint64
	since, next  time.Duration
	step         uint64 // of the last event
}

// begin begins with another manifest.
func (m *meter) begin(total uint64) { m.total, m.have, m.before, m.step = total, 0, 0, 0 }

func (m *meter) tick(now time.Duration) {
	if now < m.next {
		return
	}
	if took := now - m.since; m.since > 0 && took > 0 && m.have >= m.before {
		rate := uint64(float64(m.have-m.before) / took.Seconds())
		if m.rate > 0 {
			rate = (3*m.rate + rate) / 4
		}
		m.rate = rate
	}
	m.before, m.since, m.next = m.have, now, now+rateEvery
}

// steps is how many times a transfer tells of its progress.
const steps = 20

// percent tells of every step of the way.
func (m *meter) percent(op wire.OpNumber, out *Effects) {
	if m.total == 0 {
		return
	}
	if step := steps * m.have / m.total; step > m.step {
		m.step = step
		out.Events = append(out.Events, Event{Kind: EventProgress, Op: op, Percent: int(100 * step / steps), Total: m.total, Moved: m.moved})
	}
}
