package statexfer

import (
	"slices"
	"time"

	"vrnode/wire"
)

// A donor is a replica that may have a checkpoint, as a target sees it.
type donor struct {
	peer wire.Peer
	// offered is the root of the manifest that it offered last. has: it is the one that is being
	// fetched. gone: it does not have that one, and will not.
	offered wire.Digest
	has     bool
	gone    bool
	// waiting: it was asked for a part of its manifest, at that time, about the checkpoint wanted. late: it
	// should have answered by now.
	waiting, late bool
	askedAt       time.Duration
	// prepares is the op of the checkpoint that it writes out, as it has said last; 0: none.
	prepares wire.OpNumber
	// until is when it may be asked for anything again.
	until time.Duration

	// flight counts the chunks that are asked of it, of window that may be. usual is how long it
	// takes to answer, heard when it did last.
	flight, window int
	// asking: as many chunks are being asked of it as may be; see mayBeAsked.
	asking bool
	usual  time.Duration
	heard  time.Duration
	// penalty is how long it is left alone when it sends something wrong again.
	penalty time.Duration
}

func (t *Target) donor(peer wire.Peer) *donor {
	for _, d := range t.donors {
		if d.peer == peer {
			return d
		}
	}
	return nil
}

// setDonors makes the donors those that are needed, and keeps what is known of them. What was asked
// of one that is none any more is released when it does not come.
func (t *Target) setDonors() {
	donors := make([]*donor, 0, len(t.need.Donors))
	for _, peer := range t.need.Donors {
		d := t.donor(peer)
		if d == nil {
			d = &donor{peer: peer, window: 2, usual: usualFirst, penalty: wrongPause}
		}
		if peer != t.cfg.Self && !slices.Contains(donors, d) {
			donors = append(donors, d)
		}
	}
	for _, d := range t.donors {
		if !slices.Contains(donors, d) {
			t.release(d)
			if t.drafting == d {
				t.draft, t.drafting = nil, nil
			}
		}
	}
	t.donors = donors
}

// choose looks for another checkpoint. Until it is found, the fetching goes on.
func (t *Target) choose(now time.Duration) {
	t.choosing, t.heard = true, now
	for _, d := range t.donors {
		d.gone, d.waiting = false, false
	}
	t.draft, t.drafting = nil, nil
}

// ask asks for manifests: of any checkpoint while choosing, else of the one that is fetched.
func (t *Target) ask(now time.Duration, out *Effects) {
	if t.phase != wire.TransferChecking && t.phase != wire.TransferFetching {
		return
	}
	for _, d := range t.donors {
		if d.waiting || d.until > now || !t.choosing && (d.has || d.gone) || t.drafting != nil && t.drafting != d || !t.mayAsk(now, d) {
			continue
		}
		m := &wire.GetManifest{MinOp: t.need.MinOp}
		if t.drafting == d {
			m.Op, m.Part = t.draft.Op, t.draft.next
		} else if !t.choosing {
			m.Op = t.manifest.Op
		}
		d.waiting, d.late, d.askedAt = true, false, now
		out.send(t.cfg.Self, d.peer, m)
	}
}

// mayAsk tells whether it is a donor's turn. Who is asked goes through all of its state and writes it out, so at
// first only donorsFirst are, and the one in reserve if no other promises anything.
func (t *Target) mayAsk(now time.Duration, d *donor) bool {
	most, promising := donorsFirst, 0
	if d.peer == t.need.Reserve {
		most = 1
	}
	for _, other := range t.donors {
		if other != d && other.promises(now) {
			promising++
		}
	}
	return promising < most || t.drafting == d || d.promises(now) || t.began+restJoins <= now
}

// promises tells whether a donor gives what is wanted, or is going to as far as one can tell.
func (d *donor) promises(now time.Duration) bool {
	return d.until <= now && d.has && !d.waiting || d.prepares > 0 || d.waiting && !d.late
}

func (t *Target) onManifest(now time.Duration, d *donor, m *wire.Manifest, out *Effects) {
	if !d.waiting {
		t.ignored[ReasonUnasked]++
		return
	}
	if !wellFormed(m) {
		t.ignored[ReasonMalformed]++
		t.wrong(now, d, out)
		return
	}
	same := t.manifest != nil && m.Op == t.manifest.Op
	if !same && !t.choosing || t.drafting != d && m.Part > 0 {
		t.ignored[ReasonUnasked]++ // an answer to what was asked before; the right one may follow
		return
	}
	d.waiting, d.prepares = false, 0
	if m.Part == 0 {
		d.offered = m.Root
	}
	if t.choosing && (m.Op < t.need.MinOp || t.need.Root != wire.Digest{} && m.Root != t.need.Root) {
		d.until = now + retryNotYet
		t.ignored[ReasonOld]++
		return
	}
	if same {
		t.confirm(now, d, m, out)
		return
	}
	if t.drafting == nil {
		t.draft, t.drafting = begin(m), d
	}
	if t.drafting != d {
		return // its offer is remembered
	}
	if !t.draft.add(m) {
		t.ignored[ReasonMalformed]++
		t.wrong(now, d, out)
		return
	}
	if !t.draft.isWhole() {
		return // the next part is asked for
	}
	whole := t.draft
	if !whole.isRight() {
		t.wrong(now, d, out)
		return
	}
	t.draft, t.drafting = nil, nil
	t.adopt(now, &whole.Manifest, d, out)
}

// confirm takes note that a donor has the checkpoint that is being fetched, or another with its
// number, of which there should be none.
func (t *Target) confirm(now time.Duration, d *donor, m *wire.Manifest, out *Effects) {
	d.has, d.gone = m.Root == t.manifest.Root, m.Root != t.manifest.Root
	if d.gone {
		d.until = now + retryNotYet
		out.Events = append(out.Events, Event{Kind: EventDifferentRoot, Op: m.Op, Peer: d.peer})
		return
	}
	t.choosing, t.draft, t.drafting = false, nil, nil
	t.heard = now
}

func (t *Target) onRefused(now time.Duration, d *donor, m *wire.TransferRefused) {
	retry := min(time.Duration(min(m.RetryMillis, uint64(retryMost/time.Millisecond)))*time.Millisecond, retryMost)
	isGone := m.Why == wire.TransferGone
	if m.Chunk != wire.NoChunk {
		f := t.find(d, m.Op, m.Chunk)
		if f == nil {
			t.ignored[ReasonUnasked]++
			return
		}
		t.giveBack(f, false)
		if isGone { // it may have it again, after a restart: that is asked next
			d.has = false
			t.release(d)
		}
	} else {
		if !d.waiting {
			t.ignored[ReasonUnasked]++
			return
		}
		d.waiting, d.prepares = false, m.Prepares
		if t.drafting == d { // it can not go on
			t.draft, t.drafting = nil, nil
		}
		d.gone = isGone && !t.choosing
		if d.gone && !slices.ContainsFunc(t.donors, func(d *donor) bool { return !d.gone }) {
			t.choose(now)
		}
	}
	d.heard = now
	// Even who says "at once" is not asked in a circle.
	d.until = max(d.until, now+max(retry, time.Millisecond))
}

// wrong leaves a donor alone that has sent what can not be right.
func (t *Target) wrong(now time.Duration, d *donor, out *Effects) {
	t.meter.wrong++
	out.Events = append(out.Events, Event{Kind: EventWrong, Op: t.op(), Peer: d.peer})
	t.leave(d, now+d.penalty)
	d.penalty = min(2*d.penalty, wrongPauseMost)
	for i := range t.again { // what else it has sent already is not looked at
		if t.again[i].from == d {
			t.again[i].from = nil
		}
	}
}

// leave leaves a donor alone for a while. Others are asked for what it was asked for.
func (t *Target) leave(d *donor, until time.Duration) {
	d.until, d.waiting, d.prepares, d.window = until, false, 0, 1
	if t.drafting == d {
		t.draft, t.drafting = nil, nil
	}
	t.release(d)
}

// expire gives up what takes too long.
func (t *Target) expire(now time.Duration, out *Effects) {
	for _, d := range t.donors {
		if d.until <= now {
			d.until = 0
		}
		d.late = d.waiting && d.askedAt+restWaits <= now
		if d.waiting && d.askedAt+d.patience() <= now {
			t.silent(now, d, out)
		}
	}
	for i := 0; i < len(t.fetches); {
		f := t.fetches[i]
		d := f.from
		switch {
		case f.stage == storing || f.asked+d.patience() > now:
			i++
		case d.heard < f.asked:
			t.silent(now, d, out)
			i = 0
		default: // this one was lost
			t.giveBack(f, false)
			d.window = max(1, d.window/2)
		}
	}
	if t.phase == wire.TransferFetching && t.manifest != nil && !t.choosing && t.missing > 0 {
		patience := chooseAfter
		for _, d := range t.donors {
			if d.has {
				patience = max(patience, chooseAfter+d.patience())
			}
		}
		if t.heard+patience <= now {
			t.choose(now)
		}
	}
}

func (t *Target) silent(now time.Duration, d *donor, out *Effects) {
	out.Events = append(out.Events, Event{Kind: EventSilent, Op: t.op(), Peer: d.peer})
	// It may be the path that is slow: then the next answer is in time.
	d.usual = min(2*d.usual, patienceMost)
	t.leave(d, now+silencePause)
}

// expires returns when expire, ask or fetch next has something to do.
func (t *Target) expires() time.Duration {
	at := Never
	for _, d := range t.donors {
		switch {
		case d.waiting && !d.late:
			at = min(at, d.askedAt+restWaits)
		case d.waiting:
			at = min(at, d.askedAt+d.patience())
		case d.until > 0 && !d.gone:
			at = min(at, d.until)
		}
	}
	for _, f := range t.fetches {
		if f.stage != storing {
			at = min(at, f.asked+f.from.patience())
		}
	}
	return at
}

// patience is how long a donor may take for a chunk.
func (d *donor) patience() time.Duration {
	return min(max(patienceTimes*d.usual, patienceLeast), patienceMost)
}

// answered takes note of an answer that is worth something.
func (d *donor) answered(now time.Duration, f *fetch) {
	took := now - f.asked
	d.heard = now
	d.usual += (took - d.usual) / patienceTimes
	if took <= answerGood {
		d.window = min(d.window+1, piecesMax)
	} else {
		d.window = max(d.window-1, 1)
	}
}

// mayBeAsked tells whether a chunk more is to be asked for. When half of what may be under way has come, as
// much is asked for at once: so all that it goes through at both ends is woken for several chunks, and the
// source has the other half to send meanwhile.
func (d *donor) mayBeAsked() bool {
	switch {
	case d.flight <= d.window/2:
		d.asking = true
	case d.flight >= d.window:
		d.asking = false
	}
	return d.asking && d.flight < d.window
}
