package result

import "time"

// A Call is one operation of a client.
type Call struct {
	Client  int           `json:"client"` // from 1
	Command string        `json:"command"`
	Invoke  time.Duration `json:"invoke"`
	// Return is when the end was known; of a call without an answer, when the client gave up.
	Return time.Duration `json:"return"`
	End    CallEnd       `json:"end"`
	Result string        `json:"result,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// A CallEnd is how a call ended.
type CallEnd string

// The ends of calls.
const (
	Answered CallEnd = "answered" // Result is the answer
	// Unanswered: the operation may have been executed, once, or may still be.
	Unanswered CallEnd = "unanswered"
	// Refused: it was surely not executed.
	Refused CallEnd = "refused"
)
