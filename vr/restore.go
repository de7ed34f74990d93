package vr

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"vrnode/internal/assert"
	"vrnode/wire"
)

// This file is how a replica gets on that lacks ops which nobody's log has any more: it needs the
// state that a checkpoint of another one stands for. How that is moved is none of the protocol's
// business. The replica says that it needs one (NeedState), and whoever runs it
//
//	brings a Checkpoint's bytes here from one of the donors
//	Expect            and says of which op, and then what of its tail it keeps; see tail.go
//	BeginRestore      from here on the replica executes nothing
//	ReadCheckpoint    anywhere, for as long as it takes; if it fails, all again
//	Play              likewise, for each part of the tail
//	Install           the state takes the place of the log up to it
//
// Meanwhile the replica does what it can do without. From BeginRestore to Install it has no state, so that
// its log begins nowhere: it takes ops but acknowledges none. A recovering one stays without memory until
// it has all of it.

// NeedState says that a replica can not go on without a state.
type NeedState struct {
	// MinOp is the op from which on the others still have a log. A checkpoint of it or of a later one
	// is best. An older one is of use if it is beyond what the replica has committed.
	MinOp wire.OpNumber
	// Donors are the replicas to ask, the backups before the primary, which has enough to do.
	Donors []wire.Peer
	// Root is, for a state that a new group is to begin with, that of its manifest. Then the one donor
	// is a program outside the group.
	Root wire.Digest
	// Reserve is the primary, if it is known.
	Reserve wire.Peer
}

// NeedState returns what the replica lacks, and whether it lacks anything.
func (r *Replica) NeedState() (NeedState, bool) {
	if !r.birth.base.IsZero() {
		return NeedState{MinOp: r.birth.base.Op, Donors: []wire.Peer{r.birth.donor}, Root: r.birth.base.Root}, true
	}
	if r.lacks == 0 && !r.restoring || r.restored != nil || r.status == wire.StatusHalted {
		return NeedState{}, false
	}
	need := NeedState{MinOp: max(r.lacks, r.replaced()+1, r.outrun)}
	primary := r.primaryOf(r.view)
	if r.status == wire.StatusRecovering {
		primary = r.recovery.primary
	}
	for i, id := range r.cfg.Replicas {
		if id != r.cfg.Self && id != primary && !r.peers[i].recovering {
			need.Donors = append(need.Donors, id)
		}
	}
	if primary != 0 && primary != r.cfg.Self {
		need.Donors, need.Reserve = append(need.Donors, primary), primary
	}
	return need, true
}

// replaced returns the op after which a state must be to be of use.
func (r *Replica) replaced() wire.OpNumber {
	if r.restoring {
		return r.applied
	}
	return r.commit
}

// Follows tells whether the replica has executed all of which it knows that it is committed. Then it
// will not need what a state is brought with once more.
func (r *Replica) Follows() bool {
	if r.status != wire.StatusNormal || r.applied < r.commit {
		return false
	}
	return r.isPrimary() || 0 < r.backup.told && r.backup.told <= r.applied
}

// lack notes that a donor's log begins after op, where it was asked for less. That of others may begin
// earlier. That theirs move on is no reason to want another state than the one that is on its way:
// what is brought gets shorter every time.
func (r *Replica) lack(op wire.OpNumber, out *Effects) {
	r.birth = birth{} // there is a group to come back into
	if r.lacks == 0 {
		out.event(Event{Kind: EventNeedsState, View: r.view, Op: op, Peer: r.cfg.Self})
		r.lacks = op
	}
	r.lacks = min(r.lacks, op)
}

// BeginRestore tells that the state of a checkpoint is about to be read into the machine. It says
// false if that is of no use, or no longer; then NeedState says whether a later one is. Otherwise nothing
// is executed until Install. Where reading fails the machine has no state: the replica needs one as
// before, and BeginRestore comes again. The checkpoint of what it has had is let go of before, and so
// must be by who else has it: no memory has room for two states.
func (r *Replica) BeginRestore(op wire.OpNumber) bool {
	if !r.birth.base.IsZero() {
		if r.restored != nil || !r.birth.formed() || op != r.birth.base.Op {
			return false
		}
	} else if r.restored != nil || r.lacks == 0 && !r.restoring || op <= r.replaced() {
		return false
	}
	if r.expected.op == op && r.expected.begins > op {
		r.outrun = r.expected.begins
		return false
	}
	r.restoring = true
	r.letGo()
	return true
}

// Install takes a state that was read after BeginRestore. Where it may not take the place of the log
// yet, the replica keeps it until it may.
func (r *Replica) Install(now time.Duration, state *Restored, out *Effects) {
	assert.That(r.restoring && r.restored == nil, "Install follows BeginRestore, once")
	if r.status == wire.StatusHalted {
		return
	}
	if r.birth.formed() {
		r.beBorn(now, r.birth.donor, state, out)
		return
	}
	r.restored = state
	r.adopt(now, out)
	r.replayEarly(now, out)
	r.check()
}

// mayAdopt tells whether the restored state may take the place of the log up to its op. What is
// committed is the same everywhere, but in which view is not known. So a log that goes on in
// another way, or not so far, may only be given up by who is not bound by what it says:
//
//   - a replica that is without memory,
//   - one that waits for the log of another view, and has described its own to nobody,
//   - one that is normal, if the primary of its view has committed as much in that view.
func (r *Replica) mayAdopt() bool {
	switch {
	case r.log.holds(r.restored.op, r.restored.chain), r.status == wire.StatusRecovering:
		return true
	case r.status == wire.StatusViewChange:
		return r.viewChange.await
	}
	return r.isBackup() && r.restored.op <= r.backup.told
}

// adopt makes the restored state the replica's own, if it may.
func (r *Replica) adopt(now time.Duration, out *Effects) {
	if r.restored == nil {
		return
	}
	state := r.restored
	if state.op <= r.commit && !r.log.holds(state.op, state.chain) {
		r.restored = nil
		r.halt(Diverged, out)
		return
	}
	if !r.mayAdopt() {
		return
	}
	r.restored, r.restoring, r.lacks = nil, false, 0
	r.applied, r.sessions, r.unsaved = state.op, state.sessions, state.unsaved
	if !r.log.holds(state.op, state.chain) {
		r.log = startAt(state.op, state.chain)
		r.commit = state.op
	}
	out.event(Event{Kind: EventStateInstalled, View: r.view, Op: state.op, Peer: r.cfg.Self})
	r.takeCheckpoint(out)
	r.advanceCommit(state.op, out)
	r.backup.early.wake(r.primaryOf(r.view))
	switch {
	case r.status == wire.StatusRecovering:
		r.fetch.staging = nil
		r.askAgain(now, out)
		r.recovery.interval *= 2 // this is no new beginning
	case r.isPrimary():
		r.proposeAll()
		r.primary.match[r.seat(r.cfg.Self)] = r.complete()
		r.tally(out)
	case r.isBackup():
		r.endFetch()
		r.acknowledge(out)
	case r.viewChange.await:
		r.endFetch()
	}
}

// ---- reading

// Restored is a state that has been read: the machine has its part, this is the rest.
type Restored struct {
	op       wire.OpNumber
	chain    wire.Chain
	sessions sessions
	unsaved  unsaved // since the last op at which all replicas take a checkpoint: so the next one is that of all, too
	scratch  []byte
}

// Op returns the op that the state is of.
func (s *Restored) Op() wire.OpNumber { return s.op }

// IsOf tells whether the state is of an op with that chain.
func (s *Restored) IsOf(op wire.OpNumber, chain wire.Chain) bool {
	return s.op == op && s.chain == chain
}

var errState = errors.New("not a state as a checkpoint is written")

// ReadCheckpoint reads what a Checkpoint has written, up to the end of r, and restores the machine
// from it. It takes as long as the state is large, and needs no replica.
func ReadCheckpoint(r io.Reader, machine StateMachine) (*Restored, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	s := &Restored{sessions: newSessions()}
	if err := s.read(b); err != nil {
		return nil, fmt.Errorf("reading a state: %w", err)
	}
	if err := machine.Restore(b); err != nil {
		return nil, fmt.Errorf("restoring the state machine: %w", err)
	}
	return s, nil
}

func (s *Restored) read(b *bufio.Reader) error {
	version, err := b.ReadByte()
	if err != nil {
		return err
	}
	if version != checkpointVersion {
		return fmt.Errorf("%w: version %d, want %d", errState, version, checkpointVersion)
	}
	var op, since, count uint64
	var chain [8]byte
	if op, err = binary.ReadUvarint(b); err != nil {
		return err
	}
	if _, err = io.ReadFull(b, chain[:]); err != nil {
		return err
	}
	if since, err = binary.ReadUvarint(b); err != nil {
		return err
	}
	if count, err = binary.ReadUvarint(b); err != nil {
		return err
	}
	if op == 0 || count > sessionsMax || since > math.MaxInt32 {
		return fmt.Errorf("%w: op %d, %d bytes since the last checkpoint of all, %d sessions", errState, op, since, count)
	}
	s.unsaved = unsaved(since)
	s.op, s.chain = wire.OpNumber(op), wire.Chain(binary.LittleEndian.Uint64(chain[:]))
	var read []*session
	for range count {
		next, err := s.readSession(b)
		if err != nil {
			return err
		}
		if n := len(read); n > 0 && next.client <= read[n-1].client {
			return fmt.Errorf("%w: sessions are out of order", errState)
		}
		read = append(read, next)
	}
	slices.SortFunc(read, func(a, b *session) int { return cmp.Compare(a.touched, b.touched) })
	for i, x := range read {
		if i > 0 && read[i-1].touched == x.touched {
			return fmt.Errorf("%w: two sessions of one op", errState)
		}
		s.sessions.add(x)
	}
	return nil
}

// readSession reads the record of a session. Nothing in it is larger than what a replica keeps.
func (s *Restored) readSession(b *bufio.Reader) (*session, error) {
	var numbers [5]uint64
	for i := range numbers {
		var err error
		if numbers[i], err = binary.ReadUvarint(b); err != nil {
			return nil, err
		}
	}
	x := &session{
		client: wire.Peer(numbers[0]), number: wire.SessionNumber(numbers[1]), touched: wire.OpNumber(numbers[2]),
		forgotten: wire.RequestNumber(numbers[3]), last: wire.RequestNumber(numbers[3]),
	}
	kept := numbers[4]
	if numbers[1] == 0 || numbers[1] > numbers[2] || x.touched > s.op || kept > SessionWindow || numbers[3]+kept < kept {
		return nil, fmt.Errorf("%w: a session of client %v", errState, x.client)
	}
	for range kept {
		size, err := binary.ReadUvarint(b)
		if err != nil {
			return nil, err
		}
		if size > wire.CommandMax {
			return nil, fmt.Errorf("%w: a result of %d bytes", errState, size)
		}
		x.last++
		x.makeRoom()
		slot := x.slot(x.last)
		*slot = result{body: make([]byte, size), own: true}
		x.bytes += len(slot.body)
		if x.bytes > sessionBytes {
			return nil, fmt.Errorf("%w: a session with more than %d bytes of results", errState, sessionBytes)
		}
		if _, err := io.ReadFull(b, slot.body); err != nil {
			return nil, err
		}
	}
	return x, nil
}
