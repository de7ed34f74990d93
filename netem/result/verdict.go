package result

import "time"

// An Outcome is how a run ended.
type Outcome string

// The outcomes of runs, from good to bad. The last three say nothing about the group.
const (
	Pass   Outcome = "pass"
	Failed Outcome = "failed"
	// Unknown: a judge did not finish, or had nothing to judge.
	Unknown Outcome = "unknown"
	// Unsupported: the backend can not do what the scenario needs, so nothing was run.
	Unsupported Outcome = "unsupported"
	// Invalid: the run was not the experiment that was asked for.
	Invalid Outcome = "invalid"
	// NotJudged is of a Check alone: nobody could know, and the run ended as if it were not there.
	NotJudged Outcome = "not-judged"
)

// ExitCode is that of a command whose run ended so.
func (o Outcome) ExitCode() int {
	switch o {
	case Pass:
		return 0
	case Failed:
		return 1
	case Unknown:
		return 2
	case Unsupported:
		return 3
	}
	return 4
}

// A Verdict says what became of a run.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	// Checks are the expectations, in the order of the file.
	Checks []Check `json:"checks,omitempty"`
	// Why lists the reasons of an outcome that says nothing about the group.
	Why     []string `json:"why,omitempty"`
	Figures Figures  `json:"figures"`
}

// A Check is one expectation and what became of it: Pass, Failed, Unknown or NotJudged.
type Check struct {
	What    string  `json:"what"`
	Outcome Outcome `json:"outcome"`
	Found   string  `json:"found"`
}

// Figures are the numbers of a run. Latencies are those of acknowledged calls.
type Figures struct {
	Calls        int           `json:"calls"`
	Acknowledged int           `json:"acknowledged"`
	Unanswered   int           `json:"unanswered"` // their outcome is unknown
	Refused      int           `json:"refused"`    // surely not executed
	PerSecond    float64       `json:"per_second"` // acknowledged
	P50          time.Duration `json:"p50"`
	P99          time.Duration `json:"p99"`
	P999         time.Duration `json:"p999"`
	Slowest      time.Duration `json:"slowest"`
	// Unavailable is the longest time without an acknowledgement.
	Unavailable time.Duration `json:"unavailable"`
	ViewChanges int           `json:"view_changes"`
	// States is how often a replica got the state of others.
	States int `json:"states"`
	// Sent counts the datagrams that replicas sent to each other, and Again the fragments and slot
	// messages that they sent once more, as far as they told before they crashed.
	Sent  uint64 `json:"sent"`
	Again uint64 `json:"again"`
	// RSS is the most memory that a replica took, in bytes; 0 if it is not known.
	RSS int64 `json:"rss"`
}
