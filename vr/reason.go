package vr

import "strconv"

// A Reason is why a message was ignored or a replica halted. There is no other way to do either.
type Reason uint8

// The reasons.
const (
	WrongCluster       Reason = iota + 1 // of another group
	WrongEpoch                           // of another configuration
	UnknownSender                        // from a replica that is not a member
	StaleSender                          // from a run of the sender that is over (or a zombie)
	NotOperational                       // a recovering replica takes part in nothing
	Halted                               // a halted replica does nothing
	OldView                              // of a view that is over here
	NotNormal                            // needs status normal
	NotPrimary                           // needs a primary
	NotFromPrimary                       // may come from the view's primary only
	NothingNew                           // holds nothing that is not known here
	OldHeartbeat                         // a delayed or repeated heartbeat
	TooEarly                             // kept until what it needs has come
	TooMuchEarly                         // came early, and no more can be kept
	WindowFull                           // too many uncommitted ops, or the log takes too much memory
	NotAwaited                           // an answer to nothing that was asked
	NotThisRun                           // an answer to another run of this replica
	CannotGive                           // asked for ops that this replica may not or can not give
	AlreadyOperational                   // a group is formed by replicas without memory only
	NotHeld                              // the state is not held that a group is to begin with
	NotListed                            // the list of members does not fit this replica or this run
	Misaddressed                         // not a message for a replica, or of the wrong kind of sender
	Malformed                            // fields contradict each other
	Fenced                               // halted: another process runs as this replica
	Diverged                             // halted: committed ops differ between replicas
	reasonCount
)

var reasonNames = [reasonCount]string{
	WrongCluster: "wrong-cluster", WrongEpoch: "wrong-epoch", UnknownSender: "unknown-sender",
	StaleSender: "stale-sender", NotOperational: "not-operational", Halted: "halted",
	OldView: "old-view", NotNormal: "not-normal", NotPrimary: "not-primary",
	NotFromPrimary: "not-from-primary", NothingNew: "nothing-new", OldHeartbeat: "old-heartbeat",
	TooEarly: "too-early", TooMuchEarly: "too-much-early", WindowFull: "window-full",
	NotAwaited: "not-awaited", NotThisRun: "not-this-run", CannotGive: "cannot-give",
	AlreadyOperational: "already-operational", NotHeld: "not-held", NotListed: "not-listed", Misaddressed: "misaddressed",
	Malformed: "malformed", Fenced: "fenced", Diverged: "diverged",
}

func (r Reason) String() string {
	if r < reasonCount && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}

// Reasons returns every reason, for tests that want to see each of them happen.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := Reason(1); r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}
