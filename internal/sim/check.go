package sim

import (
	"fmt"
	"time"

	"vrnode/wire"
)

// A Violation is a broken promise.
type Violation struct {
	Name   string // of the property: "I1 agreement"
	Detail string
	At     time.Duration
	Step   int
}

func (v Violation) String() string { return v.Name + ": " + v.Detail }

// A check is one property. It looks at one step of one replica and says what is wrong, or "".
type check struct {
	name string
	look func(*record, *subject) string
}

// checks run in this order after every step. Those that write the record come before those that
// read what they wrote.
var checks = [...]check{
	{"I11 monotone", checkMonotone},
	{"I12 frozen", checkFrozen},
	{"I13 silence", checkSilence},
	{"I2 log matching", checkMatching},
	{"I4 one start", checkStart},
	{"I1 agreement", checkAgreement},
	{"I3 leader completeness", checkCompleteness},
	{"I5 complete view", checkView},
	{"I6 quorum knows ops", checkQuorumOp},
	{"I7 quorum knows view", checkQuorumView},
	{"I8 quorum knows incarnations", checkQuorumIncarnation},
	{"I9 promise", checkPromise},
	{"I10 own acknowledgements", checkAcks},
	{"I14 exactly once", checkOnce},
	{"I16 state", checkState},
	{"I18 birth", checkBirth},
}

// A record is what the omniscient observer remembers of a run.
type record struct {
	n, q int
	// members are the latest process of each replica, nil while it is down.
	members []*subject
	// committed is every op that any replica ever held to be committed; those from index news
	// on are new in the present step.
	committed []commitment
	news      int
	// views are the started views, in the order of their starts.
	views     []*start
	started   map[wire.ViewNumber]*start
	matching  map[place]wire.Chain
	promised  map[wire.Peer]promise
	voted     map[wire.ViewNumber][]vote
	described map[voter]description
	acked     map[acker]wire.OpNumber
	executed  map[wire.OpNumber]application
	effects   map[requestKey]wire.OpNumber
	latest    map[wire.SessionNumber]wire.RequestNumber
	replies   map[requestKey]uint64
	// known is the latest incarnation of each that an operational member has known. If clocks step back, a run
	// may take a smaller one, and be fenced.
	known map[wire.Peer]wire.Incarnation
	// formed is the list of members that an operator made the group from, if one did.
	formed []wire.Member
}

// newRecord returns the record of a group of n replicas.
func newRecord(n int) *record {
	r := &record{
		n: n, q: n/2 + 1, members: make([]*subject, n),
		started: map[wire.ViewNumber]*start{}, matching: map[place]wire.Chain{},
		promised: map[wire.Peer]promise{}, voted: map[wire.ViewNumber][]vote{},
		described: map[voter]description{}, acked: map[acker]wire.OpNumber{},
		executed: map[wire.OpNumber]application{}, effects: map[requestKey]wire.OpNumber{},
		latest: map[wire.SessionNumber]wire.RequestNumber{}, replies: map[requestKey]uint64{},
		known: map[wire.Peer]wire.Incarnation{},
	}
	r.open(&start{}) // view 0 begins with an empty log, by whatever replica is formed first
	return r
}

// look runs all checks on the last step of s and returns the first violation, or nil.
func (r *record) look(s *subject) *Violation {
	for i := range checks {
		if detail := checks[i].look(r, s); detail != "" {
			who := fmt.Sprintf("replica %v (incarnation %d)", s.id, s.now.Incarnation)
			return &Violation{Name: checks[i].name, Detail: who + " " + detail}
		}
	}
	return nil
}

// spare is how many members of a quorum system may lack what a quorum knows.
func (r *record) spare() int { return r.n - r.q }
