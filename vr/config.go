package vr

import (
	"io"
	"time"

	"vrnode/wire"
)

// Config is what a replica is told at birth. Everything that is not in it is a constant.
type Config struct {
	// Self is this replica's number.
	Self wire.Peer
	// Incarnation is larger than that of every earlier run of Self; see FreshIncarnation.
	Incarnation wire.Incarnation
	// Replicas are the numbers of all replicas that may form a group, Self included; at most
	// wire.MembersMax. They are whom a replica without memory asks for help.
	Replicas []wire.Peer
	// Seed starts the generator of timer jitter and of later incarnations.
	Seed uint64
	// LogBytes is how much memory the log may take, 0 for LogBytesDefault. A checkpoint is taken as
	// soon as a quarter of it has been executed since the last one, and what is before the checkpoint
	// is forgotten as soon as the log takes half of it. Replicas of one group should have the same: then
	// they take the same checkpoints.
	LogBytes int
}

// A StateMachine is the service that is replicated. It must be deterministic: the same ops in the
// same order give the same results on every replica.
type StateMachine interface {
	// Apply executes the command of an op and returns its result, at most wire.CommandMax
	// bytes. op grows with every call. The machine may keep neither slice's memory: what command is in
	// may be used again, and the result is copied before the next call. Apply must return quickly, in
	// far less than a heartbeat interval: until it does, the replica does nothing else. After Restore the
	// goroutine of that calls it, too, for ops that followed the state; it is never called by two at once.
	Apply(op uint64, command []byte) (result []byte)
	// Snapshot returns the state as of the last Apply, and that for good, in far less than a
	// heartbeat interval: it copies nothing that is large, but has what changes later copied before
	// it changes. It is written by another goroutine while Apply goes on, any number of times, and
	// let go of without a word.
	//
	// Equal states must be written as equal bytes and by equal calls of Write on every replica: what
	// differs between two replicas is found by comparing what each call has written. So a machine
	// with much state writes item by item, in a fixed order.
	Snapshot() io.WriterTo
	// Restore replaces the state by the one that a snapshot has written, and reads r to its end. No
	// other method is called meanwhile. After an error no method is called but Restore, again.
	Restore(r io.Reader) error
}

// FreshIncarnation makes an incarnation from a wall clock in µs since 1970 and 12 random bits. It
// is larger than known, which is for a clock that went backwards between two runs.
func FreshIncarnation(unixMicros, random uint64, known wire.Incarnation) wire.Incarnation {
	return wire.Incarnation(max(unixMicros, uint64(known)>>12+1)<<12 | random&0xfff)
}

// Timing, from section 9.3 of the design for a group on one local network. They are constants
// because no two users were found who want different ones.
const (
	heartbeatInterval      = 10 * time.Millisecond
	suspectTimeout         = 100 * time.Millisecond     // silence of a primary before a backup votes
	silenceMax             = 500 * time.Millisecond / 3 // what is remembered of a longer one; three times that may pass before a vote
	silenceFades           = 5 * time.Second            // in which two thirds of it are forgotten
	suspectJitter          = 50 * time.Millisecond
	voteInterval           = 10 * time.Millisecond
	voteWindow             = 10 * suspectTimeout // votes older than this do not count
	abdicateTimeout        = 2 * suspectTimeout  // a primary unheard by its group for this long falls silent
	viewChangeTimeout      = 100 * time.Millisecond
	viewChangeDoublingsMax = 6
	viewChangeInterval     = 20 * time.Millisecond  // between repeats of JoinView, DoViewChange, GetView
	startViewIntervalMax   = 500 * time.Millisecond // between StartViews to one replica that asks for it
	prepareResendMin       = 20 * time.Millisecond
	prepareResendMax       = 200 * time.Millisecond
	fetchIntervalMin       = 50 * time.Millisecond // between repeats of GetLog
	fetchIntervalMax       = time.Second
	fetchLatency           = 10 * time.Millisecond // from which on one Log at a time is too slow
	fetchIdleMax           = 4                     // repeats in vain after which a recovering replica begins anew
	recoveryIntervalMin    = 50 * time.Millisecond
	recoveryIntervalMax    = time.Second
	requestRetryMin        = 100 * time.Millisecond
	requestHurry           = 10 * time.Millisecond  // between replicas while a view changes
	requestSilent          = 500 * time.Millisecond // for that long
	requestRetryMax        = 500 * time.Millisecond
	probeInterval          = 100 * time.Millisecond
)

// Bounds. What happens at each is written where it is used.
const (
	windowOps       = 8192      // uncommitted ops; at the bound the primary refuses requests
	windowBytes     = 1 << 20   // uncommitted entries in wire form, likewise; bounds a StartView
	prepareBytes    = 64 << 10  // entries of one Prepare in wire form, but at least one entry
	logChunkBytes   = 256 << 10 // entries of one Log, likewise
	logsMax         = 16        // Logs that answer one GetLog
	earlyMax        = 4096      // messages kept because they came too early; more are dropped
	earlyRequests   = 256       // of them Requests, likewise, but that it is the oldest one
	earlyBytes      = 4 << 20   // and their bytes
	earlyTurn       = 256       // of them that one call looks at again
	applyMax        = 512       // ops executed by one call; the next Tick goes on
	forgetMax       = 1024      // ops that one Tick drops from the log, which is more than it executes
	prepareInFlight = 2         // Prepares outstanding before a batch waits until it is full
	sessionsMax     = 4096      // open client sessions; one more evicts the idlest
	sessionBytes    = 1 << 20   // results kept for one session; the oldest are dropped first
	slotKeep        = 1 << 10   // memory that an empty result slot may keep

	// LogBytesDefault is Config.LogBytes, unless that says otherwise. At the bound a primary refuses
	// requests and a backup ignores Prepares, until more of the log has been executed.
	LogBytesDefault = 256 << 20
	// LogBytesMin is the least with which a log has room for a whole window of uncommitted ops, and so
	// for the speed of a network. A log with less works, and refuses more.
	LogBytesMin = 4 << 20
	// viewMax is a view that no group gets to; messages of a higher one are malformed, so that
	// views can be counted up without a thought of overflow.
	viewMax = 1 << 62

	// SessionWindow bounds the requests that a client may have outstanding, and the results
	// that are kept for it.
	SessionWindow = 1024
)
